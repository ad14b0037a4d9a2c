"""Every option once: section, name, type, default, help, secret or not. `etc/cloudd.conf` is printed from here.

One ini file; an unknown section or option, or a value of the wrong type, stops the start with words that say what would be
right. `CLOUDD_SECTION_OPTION` in the environment goes over the file (for secrets).
"""

import configparser
import dataclasses
import os
import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from cloudd.core.errors import StartError

DEFAULT_FILE = Path("/etc/cloudd/cloudd.conf")
MASK = "***"


class SettingsError(StartError):
    """The configuration cannot be used; the message names file, section, option and what would be right."""


def option(default: Any, help: str, *, secret: bool = False) -> Any:
    """Declare an option of a section."""
    return field(default=default, metadata={"help": help, "secret": secret})


@dataclass(frozen=True)
class Server:
    """Where cloudd listens and what it writes."""

    state_dir: str = option("/var/lib/cloudd", "Where everything that must survive lies: database, images, disks, keys.")
    listen: str = option("127.0.0.1:5000", "Address and port of the one door, as HOST:PORT; several with commas.")
    public_url: str = option("", "The address that clients are told, as https://cloud.example.org. Empty: as each client "
                                 "called us.")
    trusted_proxies: tuple[str, ...] = option((), "Addresses of proxies whose X-Forwarded-* headers are believed.")
    tls: Literal["auto", "off"] = option("auto", "auto: plain HTTP on loopback, TLS on every other address. off: never TLS.")
    tls_cert: str = option("", "Certificate chain in PEM. Empty: cloudd makes a private CA and a certificate.")
    tls_key: str = option("", "The certificate's private key in PEM.")
    max_body_size: int = option(1 << 20, "Largest request body in bytes (image and object data not counted).")
    cors_origins: tuple[str, ...] = option((), "Web origins that may call the API from a browser. Empty: none.")
    classic_ports: bool = option(False, "Listen on OpenStack's classic ports as well (8774, 9292, 9696, ...).")
    region: str = option("RegionOne", "Name of the region in the catalog.")
    log_format: Literal["human", "json"] = option("human", "Form of log lines.")
    log_level: Literal["debug", "info", "warning", "error"] = option("info", "Least severity that is logged.")

    def addresses(self) -> list[tuple[str, int]]:
        """`listen` as (host, port) pairs."""
        return [_address(part.strip()) for part in self.listen.split(",")]


@dataclass(frozen=True)
class Database:
    """The one database."""

    url: str = option("", "sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME. Empty: SQLite in the state directory.",
                      secret=True)
    pool_size: int = option(5, "Connections for readers; writers take turns on one of their own.")


@dataclass(frozen=True)
class Api:
    """What goes for all services."""

    max_limit: int = option(1000, "Most items on one page of a list.")


@dataclass(frozen=True)
class Policy:
    """Who may do what."""

    file: str = option("", "YAML file of overrides: rule name to check, as oslo.policy writes them.")


@dataclass(frozen=True)
class Identity:
    """Keystone's part."""

    admin_password: str = option("", "Password of the administrator at the first start. Empty: one is made and written to "
                                     "clouds.yaml.", secret=True)
    token_lifetime: int = option(3600, "Seconds that a token lives.")
    allow_expired_window: int = option(172800, "Seconds that an expired token can still be shown with allow_expired.")
    key_rotation: int = option(86400, "Seconds between rotations of the token keys.")
    max_active_keys: int = option(3, "Token keys kept: staged, primary and older ones; at least lifetime / rotation + 2.")
    password_hash: Literal["bcrypt", "scrypt"] = option("bcrypt", "How passwords are hashed.")
    bcrypt_rounds: int = option(12, "Cost of bcrypt: 2^N.")
    max_password_length: int = option(4096, "Longest password taken; bcrypt counts the first 72 bytes.")
    demo: bool = option(True, "Make a demo project and user beside the administrator's.")
    signature_ttl: int = option(900, "Seconds that a signature of EC2, S3 or OAuth 1.0a is good.")
    failed_logins_per_minute: int = option(60, "Failed logins in a minute from one address, or of one user, before they have to "
                                             "wait; 0: no limit.")
    limit_model: Literal["flat", "strict_two_level"] = option("flat", "How limits of projects below each other count.")


@dataclass(frozen=True)
class SecurityCompliance:
    """Keystone's rules for passwords and accounts; 0 and nothing turn a rule off."""

    lockout_failure_attempts: int = option(0, "Wrong passwords in a row that lock an account.")
    lockout_duration: int = option(1800, "Seconds that it stays locked.")
    disable_user_account_days_inactive: int = option(0, "Days without a login after which an account counts as disabled.")
    password_expires_days: int = option(0, "Days that a password can be used.")
    unique_last_password_count: int = option(0, "Last passwords, the current one included, that cannot be used again.")
    minimum_password_age: int = option(0, "Days before users can change a new password themselves.")
    password_regex: str = option("", "Regular expression that passwords must match.")
    password_regex_description: str = option("", "The same in words, for users.")
    change_password_upon_first_use: bool = option(False, "Passwords that administrators set must be changed before they are used.")

    def __post_init__(self) -> None:
        try:
            re.compile(self.password_regex)
        except re.error as exc:
            raise SettingsError(f"[security_compliance] password_regex = {self.password_regex}: {exc}") from exc


@dataclass(frozen=True)
class Quota:
    """Default limits of a project; -1 is no limit."""

    instances: int = option(10, "Servers.")
    cores: int = option(20, "Virtual processors.")
    ram: int = option(51200, "Memory in MiB.")
    metadata_items: int = option(128, "Metadata items of one server.")
    key_pairs: int = option(100, "Key pairs of one user.")
    server_groups: int = option(10, "Server groups.")
    server_group_members: int = option(10, "Servers in one group.")
    injected_files: int = option(5, "Files sent with a server (before 2.57).")
    injected_file_content_bytes: int = option(10240, "Size of such a file.")
    injected_file_path_bytes: int = option(255, "Length of such a file's path.")
    network: int = option(100, "Networks.")
    subnet: int = option(100, "Subnets.")
    port: int = option(500, "Ports.")
    router: int = option(10, "Routers.")
    floatingip: int = option(50, "Floating IPs.")
    security_group: int = option(10, "Security groups.")
    security_group_rule: int = option(100, "Security group rules.")
    rbac_policy: int = option(10, "RBAC policies.")
    subnetpool: int = option(-1, "Subnet pools.")


@dataclass(frozen=True)
class Compute:
    """Nova's part."""

    driver: str = option("libvirt", "Hypervisor driver: libvirt, or simulated to try the API without one.")
    libvirt_uri: str = option("qemu:///system", "Where libvirt listens; qemu:///system?socket=PATH for another socket.")
    virt_type: Literal["auto", "kvm", "qemu"] = option("auto", "auto tries KVM once with a tiny guest and falls back to "
                                                               "emulation.")
    cpu_mode: str = option("auto", "host-model, host-passthrough, maximum, or a model's name. auto: host-model under KVM, "
                                   "maximum under emulation.")
    cpu_allocation_ratio: float = option(16.0, "Virtual processors promised for each real one.")
    ram_allocation_ratio: float = option(1.0, "Memory promised for each MiB there is.")
    disk_allocation_ratio: float = option(1.0, "Disk promised for each GiB there is.")
    reserved_host_memory_mb: int = option(512, "Memory kept for the host.")
    reserved_host_disk_mb: int = option(1024, "Disk kept for the host.")
    shutdown_timeout: int = option(60, "Seconds that a guest has to shut down by itself.")
    instance_name_template: str = option("instance-%08x", "Name of a server's domain, from its number.")
    force_config_drive: bool = option(False, "Give every server a config drive.")
    default_availability_zone: str = option("nova", "The zone of hosts that are in no aggregate with another.")
    console_token_ttl: int = option(600, "Seconds that the address of a console can be used.")
    console_origins: tuple[str, ...] = option((), "Further web origins that may open consoles.")
    image_cache_max_gb: int = option(40, "Most space for base images in GiB; the longest unused go first.")
    max_concurrent_builds: int = option(4, "Servers that are built at once.")
    resume_guests: bool = option(True, "After a host's reboot start the servers that were running.")
    disk_cache_mode: str = option("none", "Cache mode of guests' disks: none, writeback, writethrough, unsafe.")
    tb_cache_mb: int = option(32, "Translation cache of an emulated guest in MiB.")
    host_name: str = option("", "Name of this hypervisor in the API. Empty: the machine's.")


@dataclass(frozen=True)
class Network:
    """Neutron's part."""

    driver: str = option("linux", "Network driver: linux, or simulated to try the API without root.")
    namespace: str = option("cloudd", "Network namespace that the whole dataplane lives in. Empty: the host's own.")
    host_namespace: str = option("", "Namespace that plays the host towards the external network. Empty: the daemon's own.")
    outbound: bool = option(True, "off keeps every packet of guests, DHCP and DNS on this machine.")
    external_range: str = option("172.24.4.0/24", "Floating addresses of the external network that cloudd init makes.")
    bridge_physical_network: str = option("", "Provider network that is bridged to `bridge_interface`.")
    bridge_interface: str = option("", "Interface or bridge of the host that this provider network is joined to.")
    dns_domain: str = option("openstacklocal", "Domain of guests' names.")
    dns_servers: tuple[str, ...] = option((), "Resolvers that guests' questions go to. Empty: the host's.")
    dhcp_lease_duration: int = option(86400, "Seconds that a DHCP lease lasts.")
    global_mtu: int = option(1500, "Largest packet of tenant networks.")
    mac_base: str = option("fa:16:3e:00:00:00", "Beginning of generated MAC addresses.")


@dataclass(frozen=True)
class Image:
    """Glance's part."""

    driver: str = option("file", "Store of image data.")
    store_dir: str = option("", "Directory of the file store. Empty: images in the state directory.")
    max_image_size: int = option(1 << 40, "Largest image in bytes.")
    import_hosts: tuple[str, ...] = option((), "Hosts (HOST or HOST:PORT) that web-download may fetch from although they are "
                                               "inside: loopback, link-local or this machine's own.")


@dataclass(frozen=True)
class Jobs:
    """Long work."""

    limits: tuple[str, ...] = option((), "Jobs of a kind that run at once, as KIND=N.")
    retention_days: int = option(7, "Days that ended jobs are kept.")

    def by_kind(self) -> dict[str, int]:
        """`limits` as numbers by kind of job."""
        try:
            return {kind.strip(): int(number) for kind, _, number in (part.partition("=") for part in self.limits)}
        except ValueError:
            raise SettingsError(f"[jobs] limits = {shown(self.limits)!r}: it must be KIND=N, with commas between") from None


@dataclass(frozen=True)
class Events:
    """What happened."""

    retention_days: int = option(7, "Days that events are kept.")


@dataclass(frozen=True)
class Settings:
    """All sections."""

    server: Server = Server()
    database: Database = Database()
    api: Api = Api()
    policy: Policy = Policy()
    identity: Identity = Identity()
    security_compliance: SecurityCompliance = SecurityCompliance()
    quota: Quota = Quota()
    compute: Compute = Compute()
    network: Network = Network()
    image: Image = Image()
    jobs: Jobs = Jobs()
    events: Events = Events()

    def complete(self) -> "Settings":
        """With the values that follow from others filled in."""
        if self.database.url:
            return self
        url = f"sqlite:///{Path(self.server.state_dir).absolute()}/cloudd.db"
        return replace(self, database=replace(self.database, url=url))


SECTIONS: dict[str, type] = {item.name: typing.get_type_hints(Settings)[item.name] for item in fields(Settings)}


def load(path: Path | None = None, *, state_dir: str | None = None, listen: str | None = None, simulated: bool = False,
         environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the file (the default one may be absent, a named one may not), the environment, the command's options."""
    values = _read(path)
    for section, kind in SECTIONS.items():
        for item in fields(kind):
            text = environ.get(f"CLOUDD_{section}_{item.name}".upper())
            if text is not None:
                values.setdefault(section, {})[item.name] = _value(item, text, f"CLOUDD_{section}_{item.name}".upper())
    given = {"server": {"state_dir": state_dir, "listen": listen}}
    if simulated:
        given |= {"compute": {"driver": "simulated"}, "network": {"driver": "simulated"}}
    for section, pairs in given.items():
        values.setdefault(section, {}).update({name: value for name, value in pairs.items() if value is not None})
    settings = Settings(**{section: SECTIONS[section](**pairs) for section, pairs in values.items()})
    settings.server.addresses()
    settings.jobs.by_kind()
    return settings.complete()


def _read(path: Path | None) -> dict[str, dict[str, Any]]:
    parser = configparser.ConfigParser(interpolation=None, strict=True, inline_comment_prefixes=None)
    where = path or DEFAULT_FILE
    try:
        parser.read_string(where.read_text(), str(where))
    except FileNotFoundError:
        if path is not None:
            raise SettingsError(f"{path}: there is no such file") from None
    except (OSError, configparser.Error) as exc:
        raise SettingsError(f"{where}: {exc}") from exc
    values: dict[str, dict[str, Any]] = {}
    for section in parser.sections():
        if section not in SECTIONS:
            raise SettingsError(f"{where}: [{section}] is no section; there are: {', '.join(SECTIONS)}")
        known = {item.name: item for item in fields(SECTIONS[section])}
        for name, text in parser.items(section):
            if name not in known:
                raise SettingsError(f"{where}: [{section}] {name} is no option; there are: {', '.join(known)}")
            values.setdefault(section, {})[name] = _value(known[name], text, f"{where}: [{section}] {name}")
    return values


def _value(item: dataclasses.Field[Any], text: str, where: str) -> Any:
    kind, text = _kind(item), text.strip()
    try:
        if kind is bool:
            return {"true": True, "on": True, "yes": True, "1": True,
                    "false": False, "off": False, "no": False, "0": False}[text.lower()]
        if get_origin(kind) is Literal:
            return {value: value for value in get_args(kind)}[text]
        if get_origin(kind) is tuple:
            return tuple(part.strip() for part in text.split(",") if part.strip())
        return kind(text)
    except (KeyError, ValueError):
        raise SettingsError(f"{where} = {text!r}: it must be {type_name(item)}") from None


def _kind(item: dataclasses.Field[Any]) -> Any:
    return item.type if not isinstance(item.type, str) else {"str": str, "int": int, "bool": bool, "float": float}[item.type]


def type_name(item: dataclasses.Field[Any]) -> str:
    """What a value of an option looks like, in words."""
    kind = _kind(item)
    if get_origin(kind) is Literal:
        return " or ".join(get_args(kind))
    if get_origin(kind) is tuple:
        return "a list with commas"
    return {bool: "on or off", int: "a whole number", float: "a number", str: "text"}[kind]


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or not 0 < int(port) < 65536:
        raise SettingsError(f"[server] listen = {text!r}: it must be HOST:PORT, as 127.0.0.1:5000 or [::]:5000")
    return host.strip("[]"), int(port)


def shown(value: Any) -> str:
    """A value as the file writes it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ", ".join(value)
    return str(value)


def sample() -> str:
    """The text of `etc/cloudd.conf`: every option, commented out at its default, explained."""
    lines = ["# cloudd's configuration. Every option is here, commented out, with its default.",
             "# Printed by `cloudd config sample`."]
    for section, kind in SECTIONS.items():
        lines += ["", f"# {(kind.__doc__ or '').strip()}", f"[{section}]"]
        for item in fields(kind):
            name = f"CLOUDD_{section}_{item.name}".upper()
            secret = f" (a secret: {name} in the environment works as well)" if item.metadata["secret"] else ""
            lines += ["", f"# {item.metadata['help']}", f"# Type: {type_name(item)}{secret}",
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
