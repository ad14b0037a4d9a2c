"""Which addresses a port has: chosen, asked for by subnet or by address, or made from the MAC.

Writers take turns, so a free address that was found is still free when it is written; the table's key says so besides.
"""

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import lazyload

from cloudd.core.errors import BadRequest, Conflict, NoCapacity
from cloudd.core.rows.among import among
from cloudd.network.models import Allocation, Port, Subnet

WINDOWS = (4, 64)
MAX_FIXED = 9                                        # of one port; the routers' and DHCP's own have as many as there are subnets
ROUTER_OWNERS = ("network:router_interface", "network:router_gateway")
SUBNETS_OF = select(Subnet).where(Subnet.network_id == bindparam("network_id")).order_by(Subnet.created_at, Subnet.id).options(
    lazyload("*"))
Wanted = list[dict[str, Any]]


@dataclass(frozen=True)
class Chosen:
    """One address of a port."""

    subnet_id: str
    address: str


def number(text: str) -> int:
    return int(ipaddress.ip_address(text))


def text_of(subnet: Subnet, value: int) -> str:
    return str((ipaddress.IPv4Address if subnet.ip_version == 4 else ipaddress.IPv6Address)(value))


def contains(subnet: Subnet, address: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(subnet.cidr)


def is_assignable(subnet: Subnet, address: str) -> bool:
    """Whether a host may have this address: inside, neither the network's own nor the broadcast address."""
    net, value = ipaddress.ip_network(subnet.cidr), ipaddress.ip_address(address)
    if value not in net:
        return False
    if net.prefixlen >= net.max_prefixlen - 1:
        return True
    return value != net.network_address and (net.version == 6 or value != net.broadcast_address)


def from_mac(cidr: str, mac: str) -> str:
    """The address that a guest makes of a prefix and its MAC (modified EUI-64)."""
    octets = [int(part, 16) for part in mac.split(":")]
    octets[0] ^= 2
    tail = int.from_bytes(bytes([*octets[:3], 0xFF, 0xFE, *octets[3:]]), "big")
    return str(ipaddress.IPv6Address(int(ipaddress.IPv6Network(cidr).network_address) + tail))


async def subnets_for(tx: AsyncSession, network_id: str, device_owner: str = "") -> list[Subnet]:
    """A network's subnets that serve ports of this owner: those made for it, else those made for nobody special."""
    rows = await _subnets(tx, network_id)
    special = [row for row in rows if any(device_owner.startswith(kind) for kind in row.service_types if kind)]
    return special or [row for row in rows if not row.service_types]


async def _subnets(tx: AsyncSession, network_id: str) -> list[Subnet]:
    return list((await tx.execute(SUBNETS_OF, {"network_id": network_id})).scalars())


async def choose(tx: AsyncSession, port: Port, wanted: Wanted | None, kept: Iterable[Chosen] = ()) -> list[Chosen]:
    """The addresses of a port: as wanted, or one of each IP version; and all that follow from its MAC.

    `kept` are addresses that it has already, which a wish for their subnet is content with.
    """
    subnets = await subnets_for(tx, port.network_id, port.device_owner)
    if wanted is None:
        chosen = await _usual(tx, port, subnets)
    else:
        chosen = await _wanted(tx, port, wanted, list(kept))
    if port.device_owner not in ROUTER_OWNERS:
        have = {item.subnet_id for item in chosen}
        chosen += [Chosen(row.id, from_mac(row.cidr, port.mac_address)) for row in subnets if row.is_auto and row.id not in have]
    return chosen


async def _usual(tx: AsyncSession, port: Port, subnets: list[Subnet]) -> list[Chosen]:
    chosen = []
    for version in (4, 6):
        rows = [row for row in subnets if row.ip_version == version and not row.is_auto]
        if rows:
            chosen.append(await _first_free(tx, port, rows))
    return chosen


async def _first_free(tx: AsyncSession, port: Port, rows: list[Subnet]) -> Chosen:
    for row in rows:
        address = await free_address(tx, row)
        if address is not None:
            return Chosen(row.id, address)
    raise NoCapacity(f"No more IP addresses available on network {port.network_id}.", type="IpAddressGenerationFailure")


async def _wanted(tx: AsyncSession, port: Port, wanted: Wanted, kept: list[Chosen]) -> list[Chosen]:
    if len(wanted) > MAX_FIXED and not port.device_owner.startswith("network:"):
        raise BadRequest(f"Invalid input for operation: Exceeded maximum amount of fixed IPs per port: {len(wanted)} of {MAX_FIXED}.",
                         type="InvalidInput")
    rows = {row.id: row for row in await _subnets(tx, port.network_id)}
    chosen: list[Chosen] = []
    for wish in wanted:
        item = await _granted(tx, port, rows, wish, kept, chosen)
        if item in chosen:
            raise BadRequest(f"Invalid input for operation: Duplicate IP address '{item.address}'.", type="InvalidInput")
        chosen.append(item)
    return chosen


async def _granted(tx: AsyncSession, port: Port, rows: dict[str, Subnet], wish: dict[str, Any], kept: list[Chosen],
                   chosen: list[Chosen]) -> Chosen:
    subnet_id, address = wish.get("subnet_id"), wish.get("ip_address")
    if subnet_id is None and address is None:
        raise BadRequest("Invalid input for operation: IP allocation requires subnet_id or ip_address.", type="InvalidInput")
    subnet = rows.get(subnet_id) if subnet_id else next((row for row in rows.values() if contains(row, address)), None)
    if subnet is None and subnet_id:
        raise BadRequest(f"Invalid input for operation: Failed to create port on network {port.network_id}, because fixed_ips "
                         f"included invalid subnet {subnet_id}.", type="InvalidInput")
    if subnet is None:
        raise BadRequest(f"IP address {address} is not a valid IP for any of the subnets on the specified network.",
                         type="InvalidIpForNetwork")
    if address is not None:
        return await _exact(tx, port, subnet, address, kept, by_subnet=bool(subnet_id))
    have = [item for item in kept if item.subnet_id == subnet.id and item not in chosen]
    if have:
        return have[0]
    if subnet.is_auto and port.device_owner not in ROUTER_OWNERS:
        return Chosen(subnet.id, from_mac(subnet.cidr, port.mac_address))
    return await _first_free(tx, port, [subnet])


async def _exact(tx: AsyncSession, port: Port, subnet: Subnet, address: str, kept: list[Chosen], *, by_subnet: bool) -> Chosen:
    address = str(ipaddress.ip_address(address))
    item = Chosen(subnet.id, address)
    if item in kept:
        return item
    if not is_assignable(subnet, address):
        raise BadRequest(f"IP address {address} is not a valid IP for the specified subnet.", type="InvalidIpForSubnet")
    if subnet.is_auto and port.device_owner not in ROUTER_OWNERS and address != from_mac(subnet.cidr, port.mac_address):
        raise BadRequest(f"IPv6 address {address} can not be directly assigned to a port on subnet {subnet.id} since the "
                         "subnet is configured for automatic addresses", type="AllocationOnAutoAddressSubnet")
    holder = await holder_of(tx, subnet.id, address)
    if holder is not None and holder != port.id:
        raise Conflict(f"IP address {address} already allocated in subnet {subnet.id}", type="IpAddressAlreadyAllocated")
    return item


async def holder_of(tx: AsyncSession, subnet_id: str, address: str) -> str | None:
    """The port that has an address."""
    query = select(Allocation.port_id).where(Allocation.subnet_id == subnet_id, Allocation.ip_address == address)
    return (await tx.execute(query)).scalar()


async def free_address(tx: AsyncSession, subnet: Subnet) -> str | None:
    """A free address of the pools, the one after the last given first; None when all are taken.

    Looks at windows of candidates, so that a pool of millions costs as little as a small one.
    """
    pools = [(number(pool["start"]), number(pool["end"])) for pool in subnet.allocation_pools]
    for size in WINDOWS:
        window = [text_of(subnet, value) for value in islice(_walk(pools, subnet.next_address), size)]
        query = select(Allocation.ip_address).where(Allocation.subnet_id == subnet.id, among(Allocation.ip_address, window))
        taken = set((await tx.execute(query)).scalars())
        found = next((address for address in window if address not in taken), None)
        if found is not None or len(window) < size:
            break
    else:
        found = await _first_gap(tx, subnet, pools)
    if found is not None:
        subnet.next_address = text_of(subnet, number(found) + 1)
    return found


def _walk(pools: list[tuple[int, int]], after: str | None) -> Iterator[int]:
    """Every address of the pools once: from `after` on, then from the beginning."""
    begin = number(after) if after else 0
    for first, last in pools:
        yield from range(max(first, begin), last + 1)
    for first, last in pools:
        yield from range(first, min(last + 1, begin))


async def _first_gap(tx: AsyncSession, subnet: Subnet, pools: list[tuple[int, int]]) -> str | None:
    rows = (await tx.execute(select(Allocation.ip_address).where(Allocation.subnet_id == subnet.id))).scalars()
    taken = sorted(number(address) for address in rows)
    for first, last in pools:
        free = first
        for value in taken:
            if value == free:
                free += 1
        if free <= last:
            return text_of(subnet, free)
    return None


def write(port: Port, chosen: list[Chosen]) -> None:
    """Make these the port's addresses."""
    old = {(row.subnet_id, row.ip_address): row for row in port.fixed_ips}
    rows = []
    for position, item in enumerate(chosen):
        row = old.get((item.subnet_id, item.address)) or Allocation(
            subnet_id=item.subnet_id, ip_address=item.address, port_id=port.id, network_id=port.network_id)
        row.position = position
        rows.append(row)
    port.fixed_ips = rows


def of(port: Port) -> list[Chosen]:
    """The addresses that a port has."""
    return [Chosen(row.subnet_id, row.ip_address) for row in port.fixed_ips]
