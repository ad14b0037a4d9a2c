"""A router's address translation: two maps for floating addresses, the gateway's address for all else."""

from cloudd.drivers.network.base import RouterSpec
from cloudd.drivers.network.linux.dhcp import METADATA4
from cloudd.drivers.network.linux.names import gateway_inner
from cloudd.drivers.network.linux.nft import Chain, Elements, Key, Object

TABLE = "ip cloudd_nat"
FROM_OUTSIDE = "0x2"


def objects(spec: RouterSpec) -> dict[Key, Object]:
    """Changing a floating address changes one element in each map: one transaction."""
    # One that led to the metadata address would go past the guard of who asks there (firewall_metadata.py).
    floating = [f for f in spec.floating_ips if f.fixed not in ("", METADATA4) and ":" not in f.floating]
    outside = f'"{gateway_inner(spec.gateway.port_id)}"' if spec.gateway else None
    return {(TABLE, name): item for name, item in {
        "fip_dnat": Elements("ipv4_addr : ipv4_addr", {f.floating: f.fixed for f in floating}),
        "fip_snat": Elements("ipv4_addr : ipv4_addr", {f.fixed: f.floating for f in floating}),
        "prerouting": Chain((*((f"iifname {outside} meta mark set meta mark | {FROM_OUTSIDE}",) if outside else ()),
                             "dnat to ip daddr map @fip_dnat"), "type nat hook prerouting priority -100; policy accept;"),
        "output": Chain(("dnat to ip daddr map @fip_dnat",), "type nat hook output priority -100; policy accept;"),
        "postrouting": Chain(tuple(source_rules(spec, outside)), "type nat hook postrouting priority 100; policy accept;"),
    }.items()}


def source_rules(spec: RouterSpec, outside: str | None) -> list[str]:
    """Between its own subnets a router translates nothing, unless a guest spoke to a floating address: the answer must
    come back through the router."""
    if outside is None:
        return []
    rules = [f"oifname {outside} snat to ip saddr map @fip_snat"]
    own = gateway_address(spec)
    if own and spec.gateway.enable_snat:
        rules.append(f"oifname {outside} snat to {own}")
    inner = f"meta mark & {FROM_OUTSIDE} == 0 ct status dnat snat to"
    rules.append(f"{inner} ip saddr map @fip_snat")
    return rules + ([f"{inner} {own}"] if own else [])


def gateway_address(spec: RouterSpec) -> str | None:
    """The first IPv4 address on the external network."""
    addresses = spec.gateway.addresses if spec.gateway else ()
    return next((a.split("/")[0] for a in addresses if ":" not in a), None)


def floating(objects: dict[Key, Object]) -> set[tuple[str, str]]:
    """(floating, fixed) pairs that these objects translate."""
    pairs = objects.get((TABLE, "fip_dnat"))
    return {(outer, inner or "") for outer, inner in pairs.elements.items()} if isinstance(pairs, Elements) else set()
