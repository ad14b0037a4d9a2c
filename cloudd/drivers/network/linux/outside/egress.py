"""What may leave for the outside: addresses that the outside can answer.

Those are the external network's own (a router's gateway and floating addresses among them), and the ranges that the settings
call routed. A router refuses everything else towards its gateway with ICMP unreachable, since it knows the way to the guest;
the host drops what reaches it nevertheless. Both count.
"""

import ipaddress
import json
from collections.abc import Iterable

from cloudd.drivers.network.base import NetworkSpec, RouterSpec
from cloudd.drivers.network.checked import str_of
from cloudd.drivers.network.linux import nft
from cloudd.drivers.network.linux.names import gateway_inner
from cloudd.drivers.network.linux.nat import gateway_address
from cloudd.drivers.network.linux.nft import Chain, Elements, Key, Object

TABLE = "inet cloudd_egress"
REFUSED = "refused"
REFUSE, DROP = Chain(("counter reject with icmpx type no-route",)), Chain(("counter drop",))


def objects(spec: RouterSpec, external: NetworkSpec | None, routed: Iterable[str]) -> dict[Key, Object]:
    """A router's rules."""
    outside = f'oifname "{gateway_inner(spec.gateway.port_id)}" jump outside' if spec.gateway else None
    translated = spec.gateway is not None and spec.gateway.enable_snat and gateway_address(spec) is not None
    table = {
        **answerable([external] if external else [], routed),
        "floating": Elements("ipv4_addr", {f.fixed: None for f in spec.floating_ips if f.fixed and ":" not in f.fixed}),
        "forward": Chain((outside,) if outside else (), "type filter hook forward priority 0; policy accept;"),
        "outside": answerable_only(*(("meta nfproto ipv4 return",) if translated else ()), "ip saddr @floating return"),
        REFUSED: REFUSE,
    }
    return {(TABLE, name): item for name, item in table.items()}


def answerable_only(*more: str) -> Chain:
    """A chain that refuses what nobody can answer; `more` are exceptions. Who was asked from outside has a way back."""
    return Chain(("ct state established,related return", *more, "ip saddr @answerable4 return", "ip6 saddr @answerable6 return",
                  f"jump {REFUSED}"))


def answerable(externals: Iterable[NetworkSpec], routed: Iterable[str]) -> dict[str, Object]:
    """The sets of addresses that have a way back."""
    ranges = [*(subnet.cidr for spec in externals for subnet in spec.subnets), *routed]
    networks = [ipaddress.ip_network(one, strict=False) for one in ranges]
    return {f"answerable{version}": Elements(f"ipv{version}_addr", {
                str_of(one): None for one in ipaddress.collapse_addresses(n for n in networks if n.version == version)}, "interval")
            for version in (4, 6)}


def refused(namespace: str, table: str = TABLE) -> int:
    """How many packets were refused in a namespace (blocking); 0 where the rules are not there."""
    listing = json.loads(nft.run(namespace, f"list table {table}", nft.JSON))["nftables"]
    rules = [item["rule"] for item in listing if item.get("rule", {}).get("chain") == REFUSED]
    return sum(part["counter"]["packets"] for rule in rules for part in rule["expr"] if "counter" in part)
