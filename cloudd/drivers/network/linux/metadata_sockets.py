"""Listening sockets on the metadata addresses, made inside namespaces and served by whoever asked for them outside.

A socket belongs to the namespace in which it was made, so one process can listen in all of them; who connects to one is
known to be in that network. In a router each interface has a socket of its own, bound to the interface.
"""

import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cloudd.drivers.network.base import (
    MetadataListener,
    NetworkDriverError,
    NetworkSpec,
    OnMetadataGone,
    OnMetadataSocket,
    RouterSpec,
)
from cloudd.drivers.network.linux import netns
from cloudd.drivers.network.linux.dhcp import METADATA4, METADATA6
from cloudd.drivers.network.linux.names import Names, dhcp_inner, dhcp_outer, router_inner, router_outer
from cloudd.drivers.network.linux.routers import present, serves_metadata6

PORT = 80
BACKLOG = 128


@dataclass(frozen=True)
class Place:
    """Where one socket is to be."""

    key: str
    namespace: str
    interface: str
    version: int
    network_id: str
    router_id: str | None = None


def places_of_network(names: Names, spec: NetworkSpec) -> list[Place]:
    if spec.dhcp_port is None:
        return []
    return [Place(f"network/{spec.id}/{version}", names.dhcp_namespace(spec.id), dhcp_inner(spec.id), version, spec.id)
            for version in (4, 6)]


def places_of_router(names: Names, spec: RouterSpec, networks: Mapping[str, NetworkSpec]) -> list[Place]:
    return [Place(f"router/{spec.id}/{interface.port_id}/{version}", names.router_namespace(spec.id),
                  router_inner(interface.port_id), version, interface.network_id, spec.id)
            for interface in present(spec.interfaces, networks)
            for version in ((4, 6) if serves_metadata6(networks[interface.network_id]) else (4,))]


def served(networks: Iterable[str], routers: Iterable[RouterSpec]) -> frozenset[str]:
    """The bridge ports behind which these networks and routers answer, or may do so."""
    return frozenset((*map(dhcp_outer, networks), *(router_outer(one.port_id) for spec in routers for one in spec.interfaces)))


def listen(place: Place) -> socket.socket:
    """Make the socket (blocking)."""
    with netns.inside(place.namespace):
        made = socket.socket(socket.AF_INET if place.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, place.interface.encode())
            if place.version == 4:
                made.bind((METADATA4, PORT))
            else:
                made.bind((METADATA6, PORT, 0, socket.if_nametoindex(place.interface)))
            made.listen(BACKLOG)
            made.setblocking(False)
            return made
        except OSError as exc:
            made.close()
            raise NetworkDriverError(f"metadata address on {place.interface} in {place.namespace}: {exc}") from exc


class MetadataSockets:
    """Which sockets are open, and the telling of their coming and going."""

    def __init__(self, workers: netns.Workers, on_socket: OnMetadataSocket, on_gone: OnMetadataGone):
        self.workers = workers
        self.on_socket = on_socket
        self.on_gone = on_gone
        self.open: dict[str, tuple[Place, int, socket.socket]] = {}      # key -> with the interface's identity

    async def set(self, prefix: str, places: Iterable[Place]) -> None:
        """Make the sockets below a prefix (`network/ID`) exactly these; those of interfaces made anew are replaced."""
        wanted = {place.key: place for place in places}
        stamps = await self.workers.run(stamps_of, list(wanted.values()))
        for key in [key for key in self.open if key.startswith(f"{prefix}/")]:
            if key not in wanted or self.open[key][:2] != (wanted[key], stamps[key]):
                await self.close(key)
        for key, place in wanted.items():
            if key not in self.open:
                made = await self.workers.run(listen, place)
                self.open[key] = (place, stamps[key], made)
                await self.on_socket(MetadataListener(key, place.network_id, place.router_id, place.version, made))

    async def close(self, key: str) -> None:
        _, _, made = self.open.pop(key)
        await self.on_gone(key)
        made.close()

    async def close_all(self) -> None:
        for key in list(self.open):
            await self.close(key)


def stamps_of(places: list[Place]) -> dict[str, int]:
    """A namespace's inode and an interface's index, as one number: another one means that the socket listens to nobody."""
    stamps = {}
    for place in places:
        with netns.inside(place.namespace):
            stamps[place.key] = netns.identity(place.namespace) << 32 | socket.if_nametoindex(place.interface)
    return stamps
