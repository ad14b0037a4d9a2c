"""Every option once: section, name, type, default, help, secret or not. `etc/cloudd.conf` is printed from here.

One ini file; an unknown section or option, or a value that cannot be, stops the start with words that say what would be
right. `CLOUDD_SECTION_OPTION` in the environment goes over the file (for secrets).
"""

import configparser
import hashlib
import os
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from cloudd.core import options
from cloudd.core.options import MASK, SettingsError, option, shown

DEFAULT_FILE = Path("/etc/cloudd/cloudd.conf")
DEFAULT_STATE = "/var/lib/cloudd"


@dataclass(frozen=True)
class Server:
    """Where cloudd listens and what it writes."""

    state_dir: str = option(DEFAULT_STATE, "Where everything that must survive lies: database, images, disks, keys.")
    listen: str = option("127.0.0.1:5000", "Address and port of the one door, as HOST:PORT; several with commas.",
                         form=options.doors)
    public_url: str = option("", "The address that clients are told, as https://cloud.example.org. Empty: as each client "
                                 "called us.", form=options.web_address)
    trusted_proxies: tuple[str, ...] = option((), "Addresses or networks of proxies whose X-Forwarded-* headers are believed.",
                                              form=options.address_or_network)
    tls: Literal["auto", "off"] = option("auto", "auto: plain HTTP on loopback, TLS on every other address. off: never TLS.")
    tls_cert: str = option("", "Certificate chain in PEM. Empty: cloudd makes a private CA and a certificate.")
    tls_key: str = option("", "The certificate's private key in PEM.")
    max_body_size: int = option(1 << 20, "Largest request body in bytes (image and object data not counted).", least=1024)
    max_anonymous_body_size: int = option(1 << 16, "Largest body in bytes of a request that needs no token, as a login.", least=1024)
    max_head_size: int = option(1 << 16, "Largest request line in bytes, and largest sum of its headers.", least=8192)
    head_timeout: int = option(20, "Seconds in which the request line and the headers must be here.", least=1)
    body_timeout: int = option(60, "Seconds without a byte of the body, or without one of the answer being taken, after which a "
                                   "connection ends. Bodies that keep coming may take as long as they like.", least=1)
    idle_timeout: int = option(120, "Seconds that a connection is kept open for the next request.", least=1)
    max_connections_per_address: int = option(256, "Connections that one address may have open; those of trusted proxies are not "
                                                   "counted. 0: no limit.", least=0)
    metrics_from: tuple[str, ...] = option(("127.0.0.0/8", "::1"), "Addresses or networks that may read /metrics.",
                                           form=options.address_or_network)
    metrics_token: str = option("", "Who sends it as `Authorization: Bearer ...` may read /metrics from anywhere.", secret=True)
    cors_origins: tuple[str, ...] = option((), "Web origins that may call the API from a browser. Empty: none.",
                                           form=options.origin)
    classic_ports: bool = option(False, "Listen on OpenStack's classic ports as well (8774, 9292, 9696, ...).")
    region: str = option("RegionOne", "Name of the region in the catalog.")
    log_format: Literal["human", "json"] = option("human", "Form of log lines.")
    log_level: Literal["debug", "info", "warning", "error"] = option("info", "Least severity that is logged.")

    def addresses(self) -> list[tuple[str, int]]:
        """`listen` as (host, port) pairs."""
        return options.doors(self.listen)


@dataclass(frozen=True)
class Database:
    """The one database."""

    url: str = option("", "sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME. Empty: SQLite in the state directory.",
                      secret=True, form=options.database_address)
    pool_size: int = option(5, "Connections for readers; writers take turns on one of their own.", least=1, most=100)


@dataclass(frozen=True)
class Api:
    """What goes for all services."""

    max_limit: int = option(1000, "Most items on one page of a list.", least=1)


@dataclass(frozen=True)
class Policy:
    """Who may do what."""

    file: str = option("", "YAML file of overrides: rule name to check, as oslo.policy writes them.")


@dataclass(frozen=True)
class Identity:
    """Keystone's part."""

    admin_password: str = option("", "Password of the administrator at the first start. Empty: one is made and written to "
                                     "clouds.yaml.", secret=True)
    token_lifetime: int = option(3600, "Seconds that a token lives.", least=1)
    allow_expired_window: int = option(172800, "Seconds that an expired token can still be shown with allow_expired.", least=0)
    key_rotation: int = option(86400, "Seconds between rotations of the token keys.", least=1)
    max_active_keys: int = option(3, "Token keys kept: staged, primary and older ones; at least lifetime / rotation + 2.",
                                  least=1)
    password_hash: Literal["bcrypt", "scrypt"] = option("bcrypt", "How passwords are hashed.")
    bcrypt_rounds: int = option(12, "Cost of bcrypt: 2^N.", least=4, most=31)
    max_password_length: int = option(4096, "Longest password taken; bcrypt counts the first 72 bytes.", least=1)
    demo: bool = option(True, "Make a demo project and user beside the administrator's.")
    signature_ttl: int = option(900, "Seconds that a signature of EC2, S3 or OAuth 1.0a is good.", least=1)
    failed_logins_per_minute: int = option(60, "Failed logins of one user from one address in a minute, before he has to wait there; "
                                             "0: no limit.", least=0)
    failed_logins_per_address: int = option(1000, "Failed logins of all users from one address (IPv6: one /64) in a minute, before "
                                                  "everybody there has to wait; 0: no limit. Behind a proxy or balancer see "
                                                  "trusted_proxies.", least=0)
    credentials_per_user: int = option(1000, "Credentials (EC2's, seeds of passcodes, certificates ...) that a user may have; 0: no "
                                             "limit.", least=0)
    application_credentials_per_user: int = option(1000, "Application credentials that a user may have, and access rules for them; "
                                                         "0: no limit.", least=0)
    directory_cache: int = option(60, "Seconds that the answers of a domain's directory (LDAP) hold: so soon a user who was removed "
                                      "there is out. Logins always ask.", least=0)
    limit_model: Literal["flat", "strict_two_level"] = option("flat", "How limits of projects below each other count.")


@dataclass(frozen=True)
class SecurityCompliance:
    """Keystone's rules for passwords and accounts; 0 and nothing turn a rule off."""

    lockout_failure_attempts: int = option(0, "Wrong passwords in a row that lock an account.", least=0)
    lockout_duration: int = option(1800, "Seconds that it stays locked.", least=0)
    disable_user_account_days_inactive: int = option(0, "Days without a login after which an account counts as disabled.",
                                                     least=0)
    password_expires_days: int = option(0, "Days that a password can be used.", least=0)
    unique_last_password_count: int = option(0, "Last passwords, the current one included, that cannot be used again.", least=0)
    minimum_password_age: int = option(0, "Days before users can change a new password themselves.", least=0)
    password_regex: str = option("", "Regular expression that passwords must match.", form=options.regular_expression)
    password_regex_description: str = option("", "The same in words, for users.")
    change_password_upon_first_use: bool = option(False, "Passwords that administrators set must be changed before they are used.")


@dataclass(frozen=True)
class Federation:
    """Users of identity providers elsewhere (OpenID Connect)."""

    providers_file: str = option("", "Ini file that says how to reach each provider: a section per identity provider, named by its "
                                     "id, with issuer, client_id, client_secret, ... (`cloudd config sample-providers` prints "
                                     "one). Empty: nobody logs in from elsewhere.")
    trusted_dashboards: tuple[str, ...] = option((), "Addresses that a web login may hand a token to, as "
                                                     "https://cloud.example.org/dashboard/auth/websso/, to the letter.",
                                                 form=options.web_address)
    remote_id_attribute: str = option("HTTP_OIDC_ISS", "What is looked for among an identity provider's remote_ids, where its "
                                                       "protocol names nothing else.")
    default_authorization_ttl: int = option(0, "Minutes that what a federated user delegated (trusts, application credentials) keeps "
                                               "the roles of mapped groups after his last login, where the provider says nothing.",
                                            least=0)


@dataclass(frozen=True)
class Quota:
    """Default limits of a project; -1 is no limit."""

    instances: int = option(10, "Servers.", least=-1)
    cores: int = option(20, "Virtual processors.", least=-1)
    ram: int = option(51200, "Memory in MiB.", least=-1)
    metadata_items: int = option(128, "Metadata items of one server.", least=-1)
    key_pairs: int = option(100, "Key pairs of one user.", least=-1)
    server_groups: int = option(10, "Server groups.", least=-1)
    server_group_members: int = option(10, "Servers in one group.", least=-1)
    injected_files: int = option(5, "Files sent with a server (before 2.57).", least=-1)
    injected_file_content_bytes: int = option(10240, "Size of such a file.", least=-1)
    injected_file_path_bytes: int = option(255, "Length of such a file's path.", least=-1)
    network: int = option(100, "Networks.", least=-1)
    subnet: int = option(100, "Subnets.", least=-1)
    port: int = option(500, "Ports.", least=-1)
    router: int = option(10, "Routers.", least=-1)
    floatingip: int = option(50, "Floating IPs.", least=-1)
    security_group: int = option(10, "Security groups.", least=-1)
    security_group_rule: int = option(100, "Security group rules.", least=-1)
    rbac_policy: int = option(10, "RBAC policies.", least=-1)
    subnetpool: int = option(-1, "Subnet pools.", least=-1)
    secrets: int = option(-1, "Secrets of the key manager, keys of encrypted volumes among them.", least=-1)
    consumers: int = option(-1, "Consumers of secrets that users register.", least=-1)
    volumes: int = option(10, "Volumes.", least=-1)
    snapshots: int = option(10, "Snapshots of volumes.", least=-1)
    gigabytes: int = option(1000, "Size in GiB of all volumes and snapshots.", least=-1)
    per_volume_gigabytes: int = option(-1, "Size in GiB of one volume.", least=-1)
    backups: int = option(10, "Backups of volumes.", least=-1)
    backup_gigabytes: int = option(1000, "Size in GiB of all backups.", least=-1)
    groups: int = option(10, "Groups of volumes.", least=-1)


@dataclass(frozen=True)
class Compute:
    """Nova's part."""

    driver: str = option("libvirt", "Hypervisor driver: libvirt, or simulated to try the API without one.")
    libvirt_uri: str = option("qemu:///system", "Where libvirt listens; qemu:///system?socket=PATH for another socket.")
    virt_type: Literal["auto", "kvm", "qemu"] = option("auto", "auto tries KVM once with a tiny guest and falls back to "
                                                               "emulation.")
    cpu_mode: str = option("auto", "host-model, host-passthrough, maximum, or a model's name. auto: host-model under KVM, "
                                   "maximum under emulation.")
    cpu_allocation_ratio: float = option(16.0, "Virtual processors promised for each real one.", least=0.01)
    ram_allocation_ratio: float = option(1.0, "Memory promised for each MiB there is.", least=0.01)
    disk_allocation_ratio: float = option(1.0, "Disk promised for each GiB there is.", least=0.01)
    reserved_host_memory_mb: int = option(512, "Memory kept for the host.", least=0)
    reserved_host_disk_mb: int = option(1024, "Disk kept for the host.", least=0)
    shutdown_timeout: int = option(60, "Seconds that a guest has to shut down by itself.", least=0)
    instance_name_template: str = option("", "Name of a server's domain, from its number. Empty: instance-%08x, with a mark in it "
                                             "when the state directory is not the usual one.", form=options.numbered)
    force_config_drive: bool = option(False, "Give every server a config drive.")
    default_availability_zone: str = option("nova", "The zone of hosts that are in no aggregate with another.")
    console_token_ttl: int = option(600, "Seconds that the address of a console can be used.", least=1)
    console_origins: tuple[str, ...] = option((), "Further web origins that may open consoles.", form=options.origin)
    image_cache_max_gb: int = option(40, "Most space for base images in GiB; the longest unused go first.", least=0)
    max_concurrent_builds: int = option(4, "Servers that are built at once.", least=1)
    resume_guests: bool = option(True, "After a host's reboot start the servers that were running.")
    disk_cache_mode: Literal["auto", "none", "writeback", "writethrough", "directsync", "unsafe"] = option(
        "auto", "Cache mode of guests' disks. auto: none where the file system takes direct I/O, else writeback.")
    tb_cache_mb: int = option(32, "Translation cache of an emulated guest in MiB.", least=1)
    host_name: str = option("", "Name of this hypervisor in the API. Empty: the machine's.")


@dataclass(frozen=True)
class Network:
    """Neutron's part."""

    driver: str = option("linux", "Network driver: linux, or simulated to try the API without root.")
    namespace: str = option("cloudd", "Network namespace that the whole dataplane lives in. Empty: the host's own.",
                            form=options.namespace)
    host_namespace: str = option("", "Namespace that plays the host towards the external network. Empty: the daemon's own.",
                                 form=options.namespace)
    outbound: bool = option(True, "off keeps every packet of guests, DHCP and DNS on this machine.")
    routed_ranges: tuple[str, ...] = option((), "Ranges of guests that the outside has routes to, through their routers' gateway "
                                            "addresses (IPv6, or IPv4 without SNAT). All others are not let out.",
                                            form=options.network_range)
    external_range: str = option("172.24.4.0/24", "Floating addresses of the external network that cloudd init makes.",
                                 form=options.network_range)
    bridge_physical_network: str = option("", "Provider network that is bridged to `bridge_interface`.")
    bridge_interface: str = option("", "Interface or bridge of the host that this provider network is joined to. An interface is "
                                  "taken from the host: none that has an address or the default route.")
    dns_domain: str = option("openstacklocal", "Domain of guests' names.", form=options.domain)
    dns_servers: tuple[str, ...] = option((), "Resolvers that guests' questions go to. Empty: the host's.", form=options.resolver)
    dhcp_lease_duration: int = option(86400, "Seconds that a DHCP lease lasts.", least=120)
    global_mtu: int = option(1500, "Largest packet of tenant networks.", least=1280, most=65535)
    connections_per_port: int = option(16384, "Connections that a guest's port may have at once in the host's connection tracking: so many "
                                              "that it opens, and so many that are opened to it from elsewhere. What is beyond is "
                                              "dropped. 0: no limit.", least=0)
    mac_base: str = option("fa:16:3e:00:00:00", "Beginning of generated MAC addresses.", form=options.mac_base)


@dataclass(frozen=True)
class Volume:
    """Where volumes lie: the default back end is [block]'s, these are further ones."""

    backends: tuple[str, ...] = option((), "Further back ends of volumes, as NAME=DRIVER:ADDRESS: fast=file:/srv/fast (a directory), "
                                           "thin=lvm:vg0/volumes (a thin pool in a group).",
                                       form=options.backend)
    image_cache_max_gb: int = option(40, "Most space in GiB that each back end takes for images that volumes were made from; the longest "
                                         "unused go first.", least=0)
    cache_mode: Literal["auto", "none", "writeback", "writethrough", "directsync", "unsafe"] = option(
        "auto", "Cache mode of volumes in guests. auto: none where the file system takes direct I/O, else writeback.")

    def named(self) -> dict[str, tuple[str, str]]:
        """`backends` by name: driver and address. `Settings.volume_backends` has the one of [block] as well."""
        return {name: (driver, address) for name, driver, address in map(options.backend, self.backends)}


@dataclass(frozen=True)
class Image:
    """Glance's part."""

    store_dir: str = option("", "Directory of the store `file`, which is always there. Empty: images in the state directory.")
    stores: tuple[str, ...] = option((), "Further stores of image data, as NAME=DRIVER:ADDRESS, the better ones first: "
                                         "fast=file:/srv/images, archive=s3:https://KEY:SECRET@s3.example.org/BUCKET, web=http: "
                                         "(for locations elsewhere).", secret=True, form=options.store)
    default_store: str = option("file", "The store that takes data for which no store is named.")
    cache_max_gb: int = option(10, "Most space in GiB for copies of images that lie in stores elsewhere; those unused for longest go "
                                   "first. 0: no cache.", least=0)
    do_secure_hash: bool = option(True, "Compute the hashes of data that is added by its location (and check those given with it).")
    show_image_direct_url: bool = option(False, "Tell owners where the data of their images lies.")
    show_multiple_locations: bool = option(False, "Show owners all locations of their images, and let them add more by PATCH.")
    max_image_size: int = option(1 << 40, "Largest image in bytes.", least=1)
    max_virtual_size: int = option(1 << 43, "Largest disk in bytes that an image may claim to hold, however small it is itself.",
                                   least=1)
    image_property_quota: int = option(128, "Most properties of one image; -1: no limit.", least=-1)
    image_tag_quota: int = option(128, "Most tags of one image; -1: no limit.", least=-1)
    image_member_quota: int = option(128, "Most projects that one image is shared with; -1: no limit.", least=-1)
    image_location_quota: int = option(10, "Most locations that are given to one image by PATCH; -1: no limit.", least=-1)
    metadef_quota: int = option(128, "Most objects, properties, tags and resource types each in one namespace of metadata definitions, "
                                     "and properties in one object; -1: no limit.", least=-1)
    require_format_match: bool = option(True, "Refuse data that is of another format than the disk_format of its image.")
    check_partitions: bool = option(True, "Refuse raw images whose partition table is not one that firmware would believe.")
    import_hosts: tuple[str, ...] = option((), "Hosts (HOST or HOST:PORT) that web-download may fetch from although they are "
                                               "inside: loopback, link-local or this machine's own.")
    import_plugins: tuple[str, ...] = option((), "What is done to imported images, in this order, unless they are signed: unpack them "
                                                 "(image_decompression), bring them into one format (image_conversion), set the "
                                                 "operator's properties (inject_image_metadata).", form=options.import_plugin)
    conversion_format: Literal["raw", "qcow2", "vmdk"] = option("raw", "The format that image_conversion brings disks into.")
    inject_properties: tuple[str, ...] = option((), "The properties that inject_image_metadata sets, as NAME=VALUE.", form=options.pair)
    inject_ignore_roles: tuple[str, ...] = option(("admin",), "Who has one of these roles keeps inject_image_metadata off.")
    certificates_dir: str = option("", "Directory of the certificates that images are signed with, as UUID.pem or UUID.der. Empty: "
                                       "signed images are refused.")

    def injected(self) -> dict[str, str]:
        """`inject_properties` by name."""
        return dict(options.pair(part) for part in self.inject_properties)


@dataclass(frozen=True)
class KeyManager:
    """Barbican's part."""

    master_key_file: str = option("", "File of the key that all secrets hang on, 0600; best on another disk than the database. It is made "
                                      "at the first start. Empty: key-manager/master.key in the state directory.")
    max_secret_bytes: int = option(20_000, "Largest payload of a secret in bytes, as it is sent.", least=1, most=1 << 20)
    max_metadata_items: int = option(128, "Items of metadata of one secret; -1: no limit.", least=-1)
    max_consumers: int = option(1000, "Consumers that users register of one secret; -1: no limit.", least=-1)


@dataclass(frozen=True)
class Block:
    """Cinder's part."""

    driver: str = option("file", "Driver of the back end that is always there, and that bears the driver's name: file, or simulated "
                                 "to try the API without disks.")
    address: str = option("", "What stands behind it: a directory. Empty: one in the state directory.")
    max_over_subscription_ratio: float = option(20.0, "How many times the size of a thin pool may be promised.", least=1)
    reserved_percentage: int = option(0, "Part of each pool in per cent that is promised to nobody.", least=0, most=100)
    host_name: str = option("", "Name of this host in Cinder's API. Empty: the machine's own.")
    default_availability_zone: str = option("nova", "Zone of volumes for which none is named.")
    default_volume_type: str = option("__DEFAULT__", "Name of the type of volumes for which none is named.")
    default_group_type: str = option("", "Name of the type of groups for which none is named. Empty: there is none.")
    resource_filters: str = option("", "File that says what users may filter lists by, as Cinder's resource_filters.json. Empty: as "
                                       "Cinder without changes.")
    message_days: int = option(30, "Days that messages to users are kept.", least=1)


@dataclass(frozen=True)
class Jobs:
    """Long work."""

    limits: tuple[str, ...] = option((), "Jobs of a kind that run at once, as KIND=N.", form=options.kind_limit)
    patience: int = option(30, "Seconds that work waits for a hypervisor that does not answer, as while libvirt is restarted, before "
                               "it fails.", least=0)
    deadlines: tuple[str, ...] = option((), "Seconds after which a step or a call of a driver is given up, where they shall differ from "
                                            "cloudd's own (docs/jobs.md lists them).", form=options.deadline)
    retention_days: int = option(7, "Days that ended jobs are kept.", least=0)

    def by_kind(self) -> dict[str, int]:
        """`limits` as numbers by kind of job."""
        return dict(options.kind_limit(part) for part in self.limits)

    def seconds(self) -> dict[str, float]:
        """`deadlines` by name."""
        return dict(options.deadline(part) for part in self.deadlines)


@dataclass(frozen=True)
class Events:
    """What happened."""

    retention_days: int = option(7, "Days that events are kept.", least=0)
    audit_days: int = option(90, "Days that the events of identity and of the key manager, and refused requests, are kept, for "
                                      "`cloudd audit`.", least=0)
    most: int = option(1_000_000, "Most events kept: above it the oldest go before their time.", least=1000)


@dataclass(frozen=True)
class Settings:
    """All sections."""

    server: Server = Server()
    database: Database = Database()
    api: Api = Api()
    policy: Policy = Policy()
    identity: Identity = Identity()
    security_compliance: SecurityCompliance = SecurityCompliance()
    federation: Federation = Federation()
    quota: Quota = Quota()
    compute: Compute = Compute()
    network: Network = Network()
    volume: Volume = Volume()
    image: Image = Image()
    key_manager: KeyManager = KeyManager()
    block: Block = Block()
    jobs: Jobs = Jobs()
    events: Events = Events()

    def volume_backends(self) -> dict[str, tuple[str, str]]:
        """Every back end of volumes by name, its driver and address: the one that is always there bears its driver's name."""
        own = self.block
        usual = str(Path(self.server.state_dir).absolute() / "volumes") if own.driver == "file" else ""
        return {own.driver: (own.driver, own.address or usual), **self.volume.named()}

    def complete(self) -> "Settings":
        """With the values that follow from others filled in."""
        state = str(Path(self.server.state_dir).absolute())
        url = self.database.url or f"sqlite:///{state}/cloudd.db"
        # libvirt knows one domain of a name, so two clouds of one machine must not begin with the same
        mark = "" if state == DEFAULT_STATE else hashlib.sha256(state.encode()).hexdigest()[:6] + "-"
        template = self.compute.instance_name_template or f"instance-{mark}%08x"
        return replace(self, database=replace(self.database, url=url),
                       compute=replace(self.compute, instance_name_template=template))


SECTIONS: dict[str, type] = {item.name: typing.get_type_hints(Settings)[item.name] for item in fields(Settings)}


def load(path: Path | None = None, *, state_dir: str | None = None, listen: str | None = None, simulated: bool = False,
         environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the file, the environment, the command's options. A file that is named must be there; the default one may be absent,
    and is none of a simulated cloud's business."""
    values = _read(path or DEFAULT_FILE, named=path is not None) if path or not simulated else {}
    _take(values, _environment(environ))
    given = [("server", name, text, f"--{name.replace('_', '-')}") for name, text in (("state_dir", state_dir), ("listen", listen))
             if text is not None]
    if simulated:
        given += [("compute", "driver", "simulated", ""), ("network", "driver", "simulated", ""),
                  ("block", "driver", "simulated", "")]
    _take(values, given)
    settings = Settings(**{section: SECTIONS[section](**pairs) for section, pairs in values.items()})
    _agree(settings)
    return settings.complete()


def _read(path: Path, named: bool) -> dict[str, dict[str, Any]]:
    parser = configparser.ConfigParser(interpolation=None, strict=True, inline_comment_prefixes=None)
    values: dict[str, dict[str, Any]] = {}
    try:
        text = path.read_text()
        parser.read_string(text, str(path))
    except FileNotFoundError:
        if named:
            raise SettingsError(f"{path}: there is no such file") from None
        return values
    except configparser.Error as exc:
        raise SettingsError(" ".join(str(exc).split())) from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingsError(f"{path}: {exc}") from exc
    for section in (*parser.sections(), *(["DEFAULT"] if parser.defaults() else [])):
        if section not in SECTIONS:
            where = f"{path}, line {_line(text, section, None)}"
            raise SettingsError(f"{where}: [{section}] is no section; there are: {', '.join(SECTIONS)}")
        _take(values, ((section, name, value, f"{path}, line {_line(text, section, name)}: [{section}] {name}")
                       for name, value in parser.items(section)))
    return values


def _line(text: str, section: str, name: str | None) -> int:
    """Where an option, or with no name the section itself, stands in the file."""
    here = ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("["):
            here = line[1:].partition("]")[0]
            if name is None and here == section:
                return number
        elif name is not None and here == section and line.partition("=")[0].partition(":")[0].strip().lower() == name:
            return number
    return 0


def _environment(environ: Mapping[str, str]) -> Iterator[tuple[str, str, str, str]]:
    """What CLOUDD_SECTION_OPTION says; a name that fits a section and no option of it is a mistake, not nothing."""
    for variable, text in environ.items():
        for section in SECTIONS:
            if variable.startswith(f"CLOUDD_{section.upper()}_"):
                yield section, variable.removeprefix(f"CLOUDD_{section.upper()}_").lower(), text, f"environment: {variable}"


def _take(values: dict[str, dict[str, Any]], given: typing.Iterable[tuple[str, str, str, str]]) -> None:
    """Read (section, option, text, where) into `values`. Raises SettingsError."""
    for section, name, text, where in given:
        known = {item.name: item for item in fields(SECTIONS[section])}
        if name not in known:
            raise SettingsError(f"{where} is no option; there are: {', '.join(known)}")
        values.setdefault(section, {})[name] = options.read(known[name], text, where)


def _agree(settings: Settings) -> None:
    """What several options must say together."""
    for section, one, other in (("server", "tls_cert", "tls_key"), ("network", "bridge_physical_network", "bridge_interface")):
        pair = [getattr(getattr(settings, section), name) for name in (one, other)]
        if bool(pair[0]) != bool(pair[1]):
            there, lacking = (one, other) if pair[0] else (other, one)
            raise SettingsError(f"[{section}] {there} is set, but {lacking} is not: they belong together")
    backends = [settings.block.driver, *(options.backend(text)[0] for text in settings.volume.backends)]
    if len(set(backends)) < len(backends):
        raise SettingsError(f"[volume] backends: two back ends have one name; the names are {', '.join(backends)}")
    names = ["file", *(options.store(text)[0] for text in settings.image.stores)]
    if len(set(names)) < len(names):
        raise SettingsError(f"[image] stores: two stores have one name; the names are {', '.join(names)}")
    if settings.image.default_store not in names:
        raise SettingsError(f"[image] default_store = {settings.image.default_store}: there is no such store; there are: "
                            f"{', '.join(names)}")


def sample() -> str:
    """The text of `etc/cloudd.conf`: every option, commented out at its default, explained."""
    lines = ["# cloudd's configuration. Every option is here, commented out, with its default.",
             "# Printed by `cloudd config sample`."]
    for section, kind in SECTIONS.items():
        lines += ["", f"# {(kind.__doc__ or '').strip()}", f"[{section}]"]
        for item in fields(kind):
            name = f"CLOUDD_{section}_{item.name}".upper()
            secret = f" (a secret: {name} in the environment works as well)" if item.metadata["secret"] else ""
            lines += ["", f"# {item.metadata['help']}", f"# Type: {options.right(item)}{secret}",
                      f"#{item.name} = {shown(item.default)}".rstrip()]
    return "\n".join(lines) + "\n"


def effective(settings: Settings) -> str:
    """The values in force, in the file's form, secrets masked."""
    lines = []
    for section in SECTIONS:
        lines.append(f"[{section}]")
        values = getattr(settings, section)
        for item in fields(values):
            value = getattr(values, item.name)
            lines.append(f"{item.name} = {MASK if item.metadata['secret'] and value else shown(value)}".rstrip())
        lines.append("")
    return "\n".join(lines)
