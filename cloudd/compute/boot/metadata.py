"""What a guest is told about itself: the same content for the config drive and for the metadata service."""

import base64
import hashlib
import ipaddress
from dataclasses import dataclass
from typing import Any

import orjson

from cloudd.compute.boot.spec import Boot
from cloudd.compute.config import CONFIG

VERSIONS = ("2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15", "2016-06-30", "2016-10-06", "2017-02-22", "2018-08-27",
            "2020-10-14", "latest")
EC2_VERSIONS = ("1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01",
                "2009-04-04", "latest")
NETWORK_DATA_SINCE = VERSIONS.index("2015-10-15")
VENDOR_SINCE = VERSIONS.index("2013-10-17")
VENDOR2_SINCE = VERSIONS.index("2016-10-06")


@dataclass(frozen=True)
class Content:
    """One server's metadata: `files` are those sent with it, in order."""

    meta_data: dict[str, Any]
    network_data: dict[str, Any]
    user_data: bytes | None
    ec2: dict[str, Any]
    files: tuple[bytes, ...] = ()


def of(boot: Boot) -> Content:
    """Make it from a server's rows."""
    server = boot.server
    files = tuple(_decoded(item["contents"]) for item in server.injected_files or ())
    user_data = _decoded(server.user_data) if server.user_data else None
    return Content(_meta_data(boot), network_data(boot), user_data, _ec2(boot), files)


def _decoded(text: str) -> bytes:
    return base64.b64decode("".join(text.split()))


def hostname(boot: Boot) -> str:
    name = boot.server.hostname
    return f"{name}.{CONFIG.dns_domain}" if CONFIG.dns_domain and "." not in name else name


def _meta_data(boot: Boot) -> dict[str, Any]:
    server = boot.server
    data: dict[str, Any] = {"uuid": server.id, "availability_zone": server.availability_zone or CONFIG.zone,
                            "hostname": hostname(boot), "launch_index": server.launch_index, "name": server.name,
                            "project_id": server.project_id, "random_seed": server.random_seed, "devices": _devices(boot),
                            "dedicated_cpus": []}
    if boot.metadata:
        data["meta"] = boot.metadata
    if server.key_name and server.key_data:
        data["public_keys"] = {server.key_name: server.key_data}
        data["keys"] = [{"name": server.key_name, "type": server.key_type or "ssh", "data": server.key_data}]
    if server.injected_files:
        data["files"] = [{"path": item["path"], "content_path": f"/content/{number:04d}"}
                         for number, item in enumerate(server.injected_files)]
    if server.admin_pass:
        data["admin_pass"] = server.admin_pass
    return data


def _devices(boot: Boot) -> list[dict[str, Any]]:
    """Devices that were tagged by their owner, and volumes, by which guests find them."""
    nics = [{"type": "nic", "bus": "none", "address": "none", "mac": view.mac_address, "tags": [row.tag]}
            for row, view in boot.ports if row.tag]
    disks = [{"type": "disk", "bus": row.disk_bus or "none", "address": "none", "serial": row.volume_id or row.name,
              "path": f"/dev/{row.device_name}" if row.device_name else "", "tags": [row.tag] if row.tag else []}
             for row in boot.disks if row.tag or row.volume_id]
    return [*nics, *disks]


def network_data(boot: Boot) -> dict[str, Any]:
    """`network_data.json`: links, networks on them, and the resolvers."""
    links, networks, resolvers = [], [], []
    for _, view in boot.ports:
        links.append({"id": view.tap, "vif_id": view.id, "type": "bridge", "mtu": view.mtu,
                      "ethernet_mac_address": view.mac_address})
        for fixed in view.fixed_ips:
            networks.append(_network(f"network{len(networks)}", view, fixed))
            resolvers += [address for address in fixed.dns if address not in resolvers]
    return {"links": links, "networks": networks, "services": [{"type": "dns", "address": address} for address in resolvers]}


def _network(name: str, view: Any, fixed: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": name, "link": view.tap, "network_id": view.network_id, "type": _type(fixed)}
    if entry["type"] == "ipv4_dhcp":
        return entry
    subnet = ipaddress.ip_network(fixed.cidr)
    entry |= {"ip_address": fixed.address, "netmask": str(subnet.netmask), "routes": _routes(fixed),
              "services": [{"type": "dns", "address": address} for address in fixed.dns]}
    return entry


def _type(fixed: Any) -> str:
    if fixed.version == 4:
        return "ipv4_dhcp" if fixed.dhcp_enabled else "ipv4"
    return f"ipv6_{fixed.ipv6_address_mode}" if fixed.ipv6_address_mode else "ipv6"


def _routes(fixed: Any) -> list[dict[str, str]]:
    everywhere = "0.0.0.0" if fixed.version == 4 else "::"
    routes = [{"network": everywhere, "netmask": everywhere, "gateway": fixed.gateway}] if fixed.gateway else []
    for destination, nexthop in fixed.routes:
        target = ipaddress.ip_network(destination, strict=False)
        routes.append({"network": str(target.network_address), "netmask": str(target.netmask), "gateway": nexthop})
    return routes


def _ec2(boot: Boot) -> dict[str, Any]:
    """The tree that EC2's guests read: leaves are text, inner nodes dicts."""
    server, views = boot.server, [view for _, view in boot.ports]
    fixed = next((item.address for view in views for item in view.fixed_ips if item.version == 4), "")
    public = next((pair[0] for view in views for pair in view.floating_ips), "")
    groups = list(dict.fromkeys(name for view in views for _, name in view.security_groups))
    root = server.root_device_name or "/dev/vda"
    tree: dict[str, Any] = {
        "ami-id": _short("ami", server.image_id), "ami-launch-index": str(server.launch_index), "ami-manifest-path": "FIXME",
        "block-device-mapping": {"ami": root.removeprefix("/dev/"), "root": root}, "hostname": hostname(boot),
        "instance-action": "none", "instance-id": f"i-{server.number:08x}", "instance-type": server.flavor.get("name", ""),
        "local-hostname": hostname(boot), "local-ipv4": fixed, "placement": {"availability-zone": server.availability_zone or ""},
        "public-hostname": hostname(boot), "public-ipv4": public, "reservation-id": server.reservation_id,
        "security-groups": "\n".join(groups)}
    if server.key_name and server.key_data:
        tree["public-keys"] = {"0": {"_name": f"0={server.key_name}", "openssh-key": server.key_data}}
    for name, image_id in (("kernel-id", server.kernel_id), ("ramdisk-id", server.ramdisk_id)):
        if image_id:
            tree[name] = _short("aki" if name == "kernel-id" else "ari", image_id)
    return tree


def _short(kind: str, key: str | None) -> str:
    return f"{kind}-{hashlib.sha256((key or '').encode()).hexdigest()[:8]}"


def openstack_tree(content: Content) -> dict[str, bytes]:
    """`openstack/VERSION/…` as path and bytes; older versions lack what came later."""
    meta, networks, empty = orjson.dumps(content.meta_data), orjson.dumps(content.network_data), b"{}"
    tree: dict[str, bytes] = {}
    for number, version in enumerate(VERSIONS):
        tree[f"openstack/{version}/meta_data.json"] = meta
        if content.user_data is not None:
            tree[f"openstack/{version}/user_data"] = content.user_data
        if number >= VENDOR_SINCE:
            tree[f"openstack/{version}/vendor_data.json"] = empty
        if number >= NETWORK_DATA_SINCE:
            tree[f"openstack/{version}/network_data.json"] = networks
        if number >= VENDOR2_SINCE:
            tree[f"openstack/{version}/vendor_data2.json"] = empty
    for number, data in enumerate(content.files):
        tree[f"openstack/content/{number:04d}"] = data
    return tree


def ec2_paths(content: Content) -> dict[str, bytes]:
    """The EC2 tree of one version below `meta-data/` as path and bytes, with `user-data` beside it."""
    paths = {f"meta-data/{path}": text.encode() for path, text in _leaves(content.ec2)}
    if content.user_data is not None:
        paths["user-data"] = content.user_data
    return paths


def _leaves(tree: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    found = []
    for name, value in tree.items():
        if isinstance(value, dict):
            found += _leaves(value, f"{prefix}{name}/")
        elif name != "_name":
            found.append((prefix + name, value))
    return found


def drive(content: Content) -> dict[str, bytes]:
    """The files of a config drive."""
    tree = openstack_tree(content)
    keys = {number: {"openssh-key": key["openssh-key"]} for number, key in content.ec2.get("public-keys", {}).items()}
    ec2 = orjson.dumps({**content.ec2, **({"public-keys": keys} if keys else {})})
    for version in ("2009-04-04", "latest"):
        tree[f"ec2/{version}/meta-data.json"] = ec2
        if content.user_data is not None:
            tree[f"ec2/{version}/user-data"] = content.user_data
    return tree
