"""Thin volumes of the pool that are not ours become so, and ours are let go: by their tags, and a name."""

from cloudd.drivers.volume.base import BadImage, Manageable, Ref, SnapshotRef, VolumeError, VolumeMissing
from cloudd.drivers.volume.checked import reference as checked_reference
from cloudd.drivers.volume.checked import safe
from cloudd.drivers.volume.lvm.backend import Backend
from cloudd.drivers.volume.lvm.making import Making
from cloudd.drivers.volume.lvm.report import IMAGE, OURS, SNAPSHOT, VOLUME, Logical, Report, tags_of


class Managing:
    def __init__(self, back: Backend, making: Making):
        self._back, self._making = back, making

    async def manageable(self) -> tuple[Manageable, ...]:
        report = await self._back.group.look(fresh=True)
        found = [Manageable(one.name, one.size, False, "already managed", id_, one.fact("of"))
                 for kind in (VOLUME, SNAPSHOT) for id_, one in report.ours(kind)]
        for one in report.volumes.values():
            if not one.ours:
                reason = await self._why_not(one)
                found.append(Manageable(one.name, one.size, not reason, reason, of_volume=of_volume(one, report)))
        return tuple(found)

    async def _why_not(self, logical: Logical) -> str:
        if logical.kind != "thin" or logical.pool != self._back.group.pool_name:
            return f"it is not a thin volume of the pool {self._back.group.pool_name}"
        return "somebody has it open" if await self._back.opened(logical) else ""

    async def take_volume(self, volume_id: str, reference: str) -> Logical:
        name = checked_reference(reference)
        async with self._back.turn(f"{VOLUME} {safe(volume_id)}"):
            report = await self._back.group.look(fresh=True)
            if there := report.found(VOLUME, volume_id):
                return there
            found = await self._loose(report, name)
            taken = await self._making.became(found, tags_of(VOLUME, volume_id), *await self._flags(found))
            return await self._making.named(VOLUME, volume_id, taken)

    async def _flags(self, found: Logical) -> tuple[str, ...]:
        """A volume is written, and activated at boot; LVM changes what may be done with an active one only by itself."""
        if found.fact("of"):
            await self._back.group.change("lvchange", "-prw", self._back.group.of(found.name))
        return ("-kn",)

    async def take_snapshot(self, volume_id: str, snapshot_id: str, reference: str) -> Logical:
        name = checked_reference(reference)
        async with self._back.turn(f"{SNAPSHOT} {safe(snapshot_id)}"):
            report = await self._back.group.look(fresh=True)
            if there := report.found(SNAPSHOT, snapshot_id):
                return there
            found = await self._loose(report, name)
            if of_volume(found, report) != volume_id:
                raise VolumeError(f"{reference} is no snapshot of volume {volume_id}")
            taken = await self._making.became(found, tags_of(SNAPSHOT, snapshot_id, of=volume_id), "-ky")
            return await self._making.named(SNAPSHOT, snapshot_id, taken)

    async def _loose(self, report: Report, reference: str) -> Logical:
        found = report.volumes.get(reference)
        if found is None or found.ours:
            raise VolumeMissing(f"there is nothing called {reference} to manage")
        if found.kind != "thin" or found.pool != self._back.group.pool_name:
            raise BadImage(f"{reference} is not a thin volume of the pool {self._back.group.pool_name}")
        await self._back.shut(found, reference)
        return found

    async def let_go(self, ref: Ref) -> str:
        """What tells of which volume it is a snapshot stays with it."""
        kind = SNAPSHOT if isinstance(ref, SnapshotRef) else VOLUME
        async with self._back.turn(f"{kind} {ref.id}"):
            found = await self._making.finish(kind, ref.id, await self._back.find(kind, ref.id))
            await self._back.shut(found, ref.id)
            ours = {tag for tag in found.tags if tag == OURS or tag.startswith(f"{OURS}.") and not tag.startswith(f"{OURS}.of=")}
            return (await self._making.became(found, found.tags - ours)).name


def of_volume(logical: Logical, report: Report) -> str:
    """The id of the volume that it is a snapshot of; empty for others."""
    origin = report.volumes.get(logical.origin)
    return logical.fact("of") or (origin.fact(VOLUME) if origin is not None and not origin.fact(IMAGE) else "")
