"""On a network that is joined to the LAN the DHCP server's namespace hears guests of ours only.

dnsmasq passes strangers over (`dhcp-ignore`), but not all they say: it answers their DHCPv6 REBIND and CONFIRM.
"""

from cloudd.drivers.network.base import NetworkKind, NetworkSpec
from cloudd.drivers.network.linux.names import dhcp_inner
from cloudd.drivers.network.linux.nft import Chain, Elements, Key, Object

TABLE = "inet cloudd_lan"
DHCP_PORTS = "{ 67, 547 }"


def objects(spec: NetworkSpec) -> dict[Key, Object]:
    """The rules of the network's DHCP namespace; none where nobody but guests can speak."""
    if spec.kind != NetworkKind.BRIDGED:
        return {}
    return {
        (TABLE, "guests"): Elements("ether_addr", {host.mac.lower(): None for host in spec.hosts}),
        (TABLE, "input"): Chain((f'iifname "{dhcp_inner(spec.id)}" udp dport {DHCP_PORTS} ether saddr != @guests drop',),
                                "type filter hook input priority 0; policy accept;"),
    }
