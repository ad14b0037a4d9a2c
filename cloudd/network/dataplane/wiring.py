"""Taking a guest's port to the wire and off it, once its tap exists: called by compute's jobs."""

from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.context import internal
from cloudd.core.errors import NotFound, Unavailable
from cloudd.core.parts import Parts
from cloudd.core.work.turns import Turns
from cloudd.drivers.network.base import NetworkDriver, NetworkDriverError, PortCounters, TapMissing
from cloudd.network import standard
from cloudd.network.config import CONFIG
from cloudd.network.dataplane import specs as dataplane
from cloudd.network.models import Port

ACTIVE, DOWN = "ACTIVE", "DOWN"


async def wire(parts: Parts, port_id: str) -> None:
    """Make a port's dataplane, plug its tap and mark it ACTIVE. Raises NotFound, NetworkDriverError."""
    await prepare(parts, port_id)
    await plug(parts, port_id)
    await mark(parts, port_id, ACTIVE)


async def prepare(parts: Parts, port_id: str) -> None:
    """Bind a port to this host and make its dataplane, all but the tap, which need not be there yet. Raises as `wire`."""
    async with parts.database.read() as tx:
        port = await _port(tx, port_id)
    if not port.host_id:
        async with parts.database.write() as tx:
            port = await _port(tx, port_id)
            port.host_id = port.host_id or CONFIG.host
    await _apply_network(parts, port.network_id)
    async with parts.service(Turns).of(port_id):
        await _apply_port(parts, port_id)


async def _port(tx: AsyncSession, port_id: str) -> Port:
    port = await tx.get(Port, port_id)
    if port is None:
        raise NotFound(f"Port {port_id} could not be found.", type="PortNotFound")
    return port


async def plug(parts: Parts, port_id: str) -> None:
    """Take the tap of a port that is prepared to its network; who is done says so of its ports (`plugged`). Raises as `wire`."""
    async with parts.service(Turns).of(port_id):
        try:
            await parts.driver(NetworkDriver).plug(port_id)
        except TapMissing:
            raise
        except NetworkDriverError:                             # somebody took the bridge away meanwhile
            async with parts.database.read() as tx:
                port = await _port(tx, port_id)
            await _apply_network(parts, port.network_id, again=True)
            await parts.driver(NetworkDriver).plug(port_id)


async def _apply_network(parts: Parts, network_id: str, *, again: bool = False) -> None:
    driver = parts.driver(NetworkDriver)
    async with parts.service(Turns).of(network_id):
        async with parts.database.read() as tx:
            networks = await dataplane.network_specs(tx, [network_id])
        for spec in networks:
            if again or not driver.holds(spec):
                await driver.apply_network(spec)


async def _apply_port(parts: Parts, port_id: str) -> None:
    async with parts.database.read() as tx:
        ports = await dataplane.port_specs(tx, [port_id])
    for spec in ports:
        await _groups(parts, spec.security_groups)
        await parts.driver(NetworkDriver).apply_port(spec)


async def _groups(parts: Parts, group_ids: Iterable[str]) -> None:
    for group_id in group_ids:
        async with parts.service(Turns).of(group_id):
            async with parts.database.read() as tx:
                groups = await dataplane.group_specs(tx, [group_id])
            for group in groups:
                await parts.driver(NetworkDriver).apply_security_group(group)


async def unwire(parts: Parts, port_id: str) -> None:
    """Take the port's tap off the wire and mark the port DOWN; a port that is gone is no fault."""
    await parts.driver(NetworkDriver).unplug(port_id)
    await mark(parts, port_id, DOWN)


async def port_counters(parts: Parts, port_ids: Iterable[str]) -> dict[str, PortCounters]:
    """The traffic of those of the ports that are on the wire. Raises Unavailable."""
    try:
        return await parts.driver(NetworkDriver).counters(port_ids)
    except NetworkDriverError as exc:
        raise Unavailable(f"The ports' counters cannot be had: {exc}") from exc


async def mark(parts: Parts, port_id: str, status: str) -> None:
    """Say whether a port is on the wire; what hangs on it (a floating address) follows by its own job."""
    async with parts.database.write() as tx:
        await _become(tx, [port_id], status)


async def plugged(tx: AsyncSession, port_ids: Iterable[str]) -> None:
    """Ports that are on the wire are ACTIVE."""
    await _become(tx, port_ids, ACTIVE)


async def _become(tx: AsyncSession, port_ids: Iterable[str], status: str) -> None:
    for port_id in port_ids:
        port = await tx.get(Port, port_id)
        if port is not None and port.status != status:
            context = internal(port.project_id or None)
            port.status = status
            standard.touch(context, port)
            await standard.tell(tx, context, "port", "update", port)
