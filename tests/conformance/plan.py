"""What Tempest is told about cloudd: every optional feature that cloudd has or is meant to have is switched on here, so that a
missing one fails instead of being skipped. What is left out can not be had on one machine, and says why."""

from configparser import RawConfigParser
from dataclasses import dataclass
from pathlib import Path

from tests.conformance import formats

# Neutron's extensions that cloudd is meant to serve. Not here: dvr, l3-ha and the other multi-host ones, metering, service-type,
# SR-IOV and hardware offload, and the projects of their own (VPN, BGP, firewall, taps, service chaining).
EXTENSIONS = """
    address-group address-scope agent allowed-address-pairs auto-allocated-topology availability_zone availability_zone_filter
    binding binding-extended default-subnetpools dhcp_agent_scheduler dns-domain-ports dns-integration
    dns-integration-domain-keywords empty-string-filtering ext-gw-mode external-net extra_dhcp_opt extraroute
    extraroute-atomic filter-validation fip-port-details floating-ip-port-forwarding
    floating-ip-port-forwarding-description floating-ip-port-forwarding-detail floating-ip-port-forwarding-port-ranges
    floatingip-pools ip-substring-filtering ip_allocation l2_adjacency l3_agent_scheduler multi-provider net-mtu
    net-mtu-writable network-ip-availability network_availability_zone pagination port-mac-address-regenerate
    port-security port-security-groups-filtering project-id provider qos qos-bw-limit-direction qos-default qos-fip
    qos-rule-type-details qos-rules-alias quota-check-limit quota_details quotas rbac-address-group rbac-address-scope
    rbac-policies rbac-security-groups rbac-subnetpool revision-if-match router router_availability_zone security-group
    security-groups-default-rules security-groups-normalized-cidr security-groups-remote-address-group
    security-groups-rules-belongs-to-default-sg security-groups-shared-filtering segment sorting sort-key-validation
    standard-attr-description standard-attr-revisions standard-attr-segment standard-attr-tag standard-attr-timestamp
    stateful-security-group subnet-dns-publish-fixed-ip subnet-external-network subnet-service-types subnet_allocation
    subnet_onboard subnetpool-prefix-ops tag-creation trunk trunk-details uplink-status-propagation vlan-transparent
"""

FILTERS = ("ComputeFilter", "ComputeCapabilitiesFilter", "ImagePropertiesFilter", "ServerGroupAntiAffinityFilter",
           "ServerGroupAffinityFilter", "AggregateInstanceExtraSpecsFilter", "SameHostFilter", "DifferentHostFilter")

# Tempest's own defaults, said here so that the cloud is set up to match (cloud.py)
COMPLIANCE = {"user_lockout_failure_attempts": 2, "user_lockout_duration": 5, "user_unique_last_password_count": 2,
              "user_minimum_password_age": 0}
IDENTITY_FEATURES = {
    "trust": True, "api_extensions": "all", "access_rules": True, "security_compliance": True, "federation": True,
    "external_idp": False,                         # needs a second identity provider
    "domain_specific_drivers": False,              # on, listing users without a domain would have to fail
}
COMPUTE_FEATURES = {
    "disk_config": True, "hostname_fqdn_sanitization": True, "change_password": True, "console_output": True, "resize": True,
    "pause": True, "shelve": True, "suspend": True, "metadata_service": True, "vnc_console": True, "serial_console": True,
    "rescue": True, "stable_rescue": True, "enable_instance_password": True, "interface_attach": True, "snapshot": True,
    "personality": True, "attach_encrypted_volume": True, "config_drive": True, "swap_volume": True,
    "volume_multiattach": True, "ide_bus": True, "nova_policy_roles": ("admin", "manager", "member", "reader"),
    "scheduler_enabled_filters": FILTERS,
    "cold_migration": False, "live_migration": False, "shelve_migrate": False,      # need two hosts
    "spice_console": False,                        # VNC and serial are what cloudd offers
    "unified_limits": False,                       # Nova's own quotas or unified limits: never both
}
IMAGE_FEATURES = {"import_image": True, "manage_locations": True, "image_conversion": True, "http_store_enabled": True,
                  "store_weight_enabled": True}
NETWORK_FEATURES = {"ipv6": True, "ipv6_subnet_attributes": True, "port_admin_state_change": True, "port_security": True,
                    "floating_ips": True, "api_extensions": tuple(EXTENSIONS.split()), "available_features": "all"}
VOLUME_FEATURES = {"multi_backend": False, "backup": True, "snapshot": True, "clone": True, "manage_snapshot": True,
                   "manage_volume": True, "extend_attached_volume": True, "extend_attached_encrypted_volume": True,
                   "extend_volume_with_snapshot": True}
OBJECT_FEATURES = {"discoverable_apis": "all", "container_sync": True, "object_versioning": True, "discoverability": True}

# catalog type: Tempest's name of the project. Those expected are tested in any case, the others where the catalog has them.
PROJECTS = {"compute": "nova", "image": "glance", "network": "neutron", "block-storage": "cinder", "object-store": "swift"}
EXPECTED = frozenset({"compute", "image", "network"})


@dataclass(frozen=True)
class Target:
    """The cloud to test, as Tempest needs to know it."""

    auth_url: str
    username: str
    password: str
    project: str
    user_domain: str
    project_domain: str
    region: str
    ca_file: str | None
    services: frozenset[str]
    image: str
    image_alt: str
    flavor: str
    flavor_alt: str
    public_network: str
    public_network_name: str
    http_image: str
    dashboard: bool
    image_file: Path
    validation: bool                           # whether guests really boot and can be reached
    loose: bool = False                        # whether image data may be of another format than its image's


def sections(target: Target, work: Path) -> dict[str, dict[str, object]]:
    """The whole of tempest.conf."""
    return {
        "DEFAULT": {"log_dir": work, "log_file": "tempest.log", "debug": False, "use_stderr": False},
        "oslo_concurrency": {"lock_path": work / "locks"},
        "auth": _auth(target), "identity": _identity(target), "identity-feature-enabled": IDENTITY_FEATURES,
        "enforce_scope": {"keystone": True, "cinder": True},
        "compute": _compute(target), "compute-feature-enabled": COMPUTE_FEATURES,
        "image": {"http_image": target.http_image, "http_qcow2_image": target.http_image, "region": target.region,
                  "image_caching_enabled": True, "images_manifest_file": formats.write(work / "formats", bad=not target.loose),
                  "container_formats": ("bare", "ami", "ari", "aki", "ovf", "ova", "docker"),
                  "disk_formats": ("qcow2", "raw", "ami", "ari", "aki", "vhd", "vmdk", "vdi", "iso", "vhdx")},
        "image-feature-enabled": IMAGE_FEATURES | {"image_format_enforcement": not target.loose, "do_secure_hash": not target.loose},
        "network": {"public_network_id": target.public_network, "floating_network_name": target.public_network_name,
                    "project_network_cidr": "10.100.0.0/16", "project_network_mask_bits": 28},
        "network-feature-enabled": NETWORK_FEATURES,
        "validation": _validation(target.validation),
        "volume": {"storage_protocol": "file" if target.validation else "simulated", "vendor_name": "cloudd",
                   "backup_driver": "posix", "max_microversion": "latest",
                   "manage_volume_ref": "source-id,%s", "manage_snapshot_ref": "source-id,%s"},
        "volume-feature-enabled": VOLUME_FEATURES,
        "object-storage": {"reseller_admin_role": "admin"}, "object-storage-feature-enabled": OBJECT_FEATURES,
        "placement": {"max_microversion": "latest"},
        "scenario": {"img_file": target.image_file, "img_disk_format": "qcow2", "dhcp_client": "udhcpc"},
        "dashboard": {"dashboard_url": target.auth_url.split("/identity")[0] + "/dashboard/"},
        "service_available": _services(target),
    }


def _auth(target: Target) -> dict[str, object]:
    return {"use_dynamic_credentials": True, "create_isolated_networks": "network" in target.services,
            "admin_username": target.username, "admin_password": target.password, "admin_project_name": target.project,
            "admin_domain_name": target.user_domain, "admin_user_domain_name": target.user_domain,
            "admin_project_domain_name": target.project_domain, "default_credentials_domain_name": "Default"}


def _identity(target: Target) -> dict[str, object]:
    settings: dict[str, object] = {"uri_v3": target.auth_url, "region": target.region, "auth_version": "v3",
                                   "v3_endpoint_type": "public", **COMPLIANCE}
    if target.ca_file:
        settings["ca_certificates_file"] = target.ca_file
    return settings


def _compute(target: Target) -> dict[str, object]:
    return {"image_ref": target.image, "image_ref_alt": target.image_alt, "flavor_ref": target.flavor,
            "flavor_ref_alt": target.flavor_alt, "max_microversion": "latest", "hypervisor_type": "QEMU",
            "min_compute_nodes": 1, "shelved_offload_time": 0, "build_timeout": 300, "build_interval": 1}


def _validation(reachable: bool) -> dict[str, object]:
    return {"run_validation": reachable, "connect_method": "floating", "auth_method": "keypair", "ip_version_for_ssh": 4,
            "image_ssh_user": "cirros", "image_ssh_password": "gocubsgo", "image_alt_ssh_user": "cirros",
            "image_alt_ssh_password": "gocubsgo", "ssh_key_type": "ecdsa", "ssh_timeout": 300, "connect_timeout": 60,
            "ping_timeout": 120}


def _services(target: Target) -> dict[str, object]:
    available = {project: kind in target.services for kind, project in PROJECTS.items()}
    return {**available, "horizon": target.dashboard}


def write(target: Target, work: Path) -> Path:
    """tempest.conf in `work`; readable by nobody else, since it holds the administrator's password."""
    parser = RawConfigParser()
    for name, values in sections(target, work).items():
        parser[name] = {option: _text(value) for option, value in values.items()}
    path = work / "tempest.conf"
    path.touch(mode=0o600)
    with path.open("w") as handle:
        parser.write(handle)
    return path


def _text(value: object) -> str:
    return ",".join(value) if isinstance(value, list | tuple) else str(value)
