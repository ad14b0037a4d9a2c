"""Ranges: gateways and allocation pools of a CIDR, checked and made."""

import ipaddress

from cloudd.core.errors import BadRequest, Conflict

IPV6_LEAST_MTU = 1280
Net = ipaddress.IPv4Network | ipaddress.IPv6Network
Pools = list[dict[str, str]]


def bounds(net: Net) -> tuple[int, int]:
    """First and last address that a host may have: neither the network's own nor IPv4's broadcast address."""
    first, last = int(net.network_address), int(net.broadcast_address)
    if net.prefixlen >= net.max_prefixlen - 1:
        return first, last
    return first + 1, last - 1 if net.version == 4 else last


def _text(net: Net, value: int) -> str:
    return str(net.network_address.__class__(value))


def default_gateway(net: Net) -> str | None:
    return _text(net, bounds(net)[0]) if net.prefixlen < net.max_prefixlen else None


def check_gateway(net: Net, gateway: str) -> None:
    """Raise BadRequest when a host cannot have this gateway: of another version, or an address that none has."""
    address = ipaddress.ip_address(gateway)
    if address.version != net.version:
        raise BadRequest(f"Invalid input for operation: gateway_ip {gateway} is not of IP version {net.version}.",
                         type="InvalidInput")
    first, last = bounds(net)
    if address in net and not first <= int(address) <= last:
        raise BadRequest(f"Invalid input for operation: Gateway is not valid on subnet: {gateway} in {net}.", type="InvalidInput")


def default_pools(net: Net, gateway: str | None) -> Pools:
    """All that hosts may have, but the gateway."""
    first, last = bounds(net)
    value = int(ipaddress.ip_address(gateway)) if gateway else -1
    parts = [(first, last)] if not first <= value <= last else [(first, value - 1), (value + 1, last)]
    return [{"start": _text(net, low), "end": _text(net, high)} for low, high in parts if low <= high]


def check_pools(net: Net, wanted: Pools, gateway: str | None) -> Pools:
    """The pools in order and canonical. Raises BadRequest or Conflict when they cannot be."""
    ranges = sorted(_range(net, pool) for pool in wanted)
    for (low, high), (low_2, high_2) in zip(ranges, ranges[1:], strict=False):
        if low_2 <= high:
            raise Conflict(f"Found overlapping allocation pools: {_show(net, low, high)} {_show(net, low_2, high_2)} for subnet "
                           f"{net}.", type="OverlappingAllocationPools")
    value = int(ipaddress.ip_address(gateway)) if gateway else -1
    for low, high in ranges:
        if low <= value <= high and gateway and ipaddress.ip_address(gateway).version == net.version:
            raise Conflict(f"Gateway ip {gateway} conflicts with allocation pool {_show(net, low, high)}.",
                           type="GatewayConflictWithAllocationPools")
    return [{"start": _text(net, low), "end": _text(net, high)} for low, high in ranges]


def _range(net: Net, pool: dict[str, str]) -> tuple[int, int]:
    start, end = ipaddress.ip_address(pool["start"]), ipaddress.ip_address(pool["end"])
    shown = f"{pool['start']}-{pool['end']}"
    if start.version != net.version or end.version != net.version or int(end) < int(start):
        raise BadRequest(f"The allocation pool {shown} is not valid.", type="InvalidAllocationPool")
    first, last = bounds(net)
    if int(start) < first or int(end) > last:
        raise BadRequest(f"The allocation pool {shown} spans beyond the subnet cidr {net}.", type="OutOfBoundsAllocationPool")
    return int(start), int(end)


def _show(net: Net, low: int, high: int) -> str:
    return f"{_text(net, low)}-{_text(net, high)}"


def mtu_conflict(network_id: str) -> Conflict:
    """What is said where an IPv6 subnet meets a network whose packets are too small for it (RFC 8200)."""
    return Conflict(f"MTU of {network_id} is not valid, subnet requires a minimum of {IPV6_LEAST_MTU}",
                    type="NetworkMTUSubnetConflict")


def size(pools: Pools) -> int:
    """How many addresses pools hold."""
    return sum(int(ipaddress.ip_address(pool["end"])) - int(ipaddress.ip_address(pool["start"])) + 1 for pool in pools)
