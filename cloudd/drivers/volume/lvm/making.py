"""Volumes and snapshots made, lengthened, filled and reverted; and what was cut short finished or dropped.

A blank volume, a snapshot and a clone are one command each, with all their tags in it. A thick volume, and one from a file, is filled
first and becomes a volume by one change of tags. A clone that is longer than its source says so in a tag, and is lengthened then.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

from cloudd.core import log
from cloudd.drivers.volume.base import FromFile, FromImage, FromSnapshot, FromVolume, Source, VolumeError, VolumeSpec
from cloudd.drivers.volume.checked import grows, least, safe, whole
from cloudd.drivers.volume.lvm import disks
from cloudd.drivers.volume.lvm.backend import Backend
from cloudd.drivers.volume.lvm.disks import LogicalDisk
from cloudd.drivers.volume.lvm.report import IMAGE, OURS, SNAPSHOT, VOLUME, Logical, Report, name_of, tags_of

LOG = log.get("cloudd.volumes.lvm")
Reader = Callable[[Logical], AbstractAsyncContextManager[LogicalDisk]]
VOLUME_FLAGS = ("-kn", "-ay")
SNAPSHOT_FLAGS = ("-ky", "-an", "-pr")           # nobody writes it, and no boot activates it


class Making:
    def __init__(self, back: Backend, used: Callable[[str], None], reading: Reader):
        self._back, self._used, self._reading = back, used, reading

    # -- volumes -----------------------------------------------------------------------------------------------------

    async def create(self, spec: VolumeSpec, source: Source | None) -> Logical:
        id_, size = safe(spec.id), whole(spec.size)
        async with self._back.turn(f"{VOLUME} {id_}", *subject(source)):
            report = await self._back.group.look()
            if there := report.found(VOLUME, id_):
                return await self.finish(VOLUME, id_, there)
            size = report.rounded(size)
            if isinstance(source, FromFile):
                least(spec.size, await disks.checked(source.path, source.format))
                origin = None
            else:
                origin = await self._origin(source)
                least(size, origin.exact if origin else 0)
            await self._back.require(size, thick=spec.thick)
            await self._sweep(VOLUME, id_)
            if spec.thick or isinstance(source, FromFile):
                return await self._fill(spec, size, origin, source)
            tags = tags_of(VOLUME, id_, least=size if origin and size > origin.size else "")
            return await self.finish(VOLUME, id_, await self._made(VOLUME, id_, size, origin, tags))

    async def _origin(self, source: FromImage | FromSnapshot | FromVolume | None) -> Logical | None:
        if isinstance(source, FromImage):
            self._used(source.image_id)
            return await self._back.find(IMAGE, source.image_id)
        if isinstance(source, FromSnapshot):
            return await self._back.find(SNAPSHOT, source.snapshot_id)
        return None if source is None else await self._back.find(VOLUME, source.volume_id)

    async def _made(self, kind: str, id_: str, size: int, origin: Logical | None, tags: frozenset[str]) -> Logical:
        """Made by another one's hands meanwhile, or by a command whose end nobody saw, it is that one."""
        made = Logical(name_of(kind, id_), origin.size if origin else size, pool=self._back.group.pool_name,
                       origin=origin.name if origin else "", used=origin.used if origin else 0.0, tags=tags)
        try:
            await self._command(made, SNAPSHOT_FLAGS if kind == SNAPSHOT else VOLUME_FLAGS)
        except VolumeError:
            if there := (await self._back.group.look(fresh=True)).found(kind, id_):
                return there
            raise
        return made

    async def _command(self, made: Logical, flags: tuple[str, ...]) -> None:
        group = self._back.group
        what = ("-s",) if made.origin else ("--type", "thin", "--thinpool", group.pool_name, "-V", f"{made.size}b")
        tags = [word for tag in sorted(made.tags) for word in ("--addtag", tag)]
        await group.change("lvcreate", "-y", *what, "-n", made.name, *flags, *tags, group.of(made.origin) if made.origin else group.name,
                           effect=lambda report: report.with_one(made))

    async def _fill(self, spec: VolumeSpec, size: int, origin: Logical | None, source: Source | None) -> Logical:
        """Room taken if it is thick, data copied or poured in; a volume when that is done."""
        async with self.new(VOLUME, spec.id, size, thick=spec.thick) as made:
            device = await self._back.activate(made)
            if spec.thick:
                await disks.take_room(device, 0, self._back.full)
                made = replace(made, used=1.0)
            if isinstance(source, FromFile):
                await disks.pour(source.path, source.format, device)
            elif origin is not None:
                async with self._reading(origin) as disk, disks.writing(device, self._back.full) as handle:
                    await disks.copy(disk, handle)
            return await self.became(made, tags_of(VOLUME, spec.id, thick=spec.thick))

    @asynccontextmanager
    async def new(self, kind: str, id_: str, size: int, **facts: object) -> AsyncIterator[Logical]:
        """A blank one that is nobody's yet; gone again when it is not filled."""
        made = Logical(name_of(kind, id_), size, pool=self._back.group.pool_name, tags=tags_of("new", f"{kind}:{id_}", **facts))
        async with self._back.making(made.name):
            await self._command(made, VOLUME_FLAGS)
            try:
                yield made
            except BaseException:
                await asyncio.shield(self._back.remove(made))
                raise

    async def became(self, made: Logical, tags: frozenset[str], *flags: str) -> Logical:
        """Give it other tags, in one change of the group."""
        words = [word for tag in sorted(made.tags - tags) for word in ("--deltag", tag)]
        words += [word for tag in sorted(tags - made.tags) for word in ("--addtag", tag)]
        now = replace(made, tags=tags)
        group = self._back.group
        await group.change("lvchange", *flags, *words, group.of(made.name), effect=lambda report: report.with_one(now))
        return now

    async def extend(self, volume_id: str, size: int) -> Logical:
        async with self._back.turn(f"{VOLUME} {volume_id}"):
            logical = await self.finish(VOLUME, volume_id, await self._back.find(VOLUME, volume_id))
            wanted = (await self._back.group.look()).rounded(whole(size))
            if wanted < logical.size:
                grows(logical.size, size)
            if wanted == logical.size:
                return logical
            await self._back.require(wanted - logical.size, thick=logical.thick)
            if logical.thick:
                logical = await self.became(logical, logical.tags | {f"{OURS}.fill={logical.size}"})
            return await self.finish(VOLUME, volume_id, await self._lengthen(logical, wanted))

    async def _lengthen(self, logical: Logical, size: int) -> Logical:
        size = (await self._back.group.look()).rounded(size)
        now = replace(logical, size=size, used=logical.used * logical.size / size)
        await self._back.group.change("lvextend", "-L", f"{size}b", self._back.group.of(logical.name),
                                      effect=lambda report: report.with_one(now))
        return now

    async def revert(self, volume_id: str, snapshot_id: str) -> Logical:
        """A clone of the snapshot takes the volume's place by one change of tags."""
        back = self._back
        async with back.turn(f"{VOLUME} {volume_id}", f"{SNAPSHOT} {snapshot_id}"):
            snapshot = await back.find(SNAPSHOT, snapshot_id)
            old = await back.find(VOLUME, volume_id)
            if snapshot.fact("of") != volume_id:
                raise VolumeError(f"snapshot {snapshot_id} is not one of volume {volume_id}")
            await back.shut(old, volume_id)
            await back.require(0)
            await self._sweep(VOLUME, volume_id)
            if not old.uuid:
                old = (await back.group.look(fresh=True)).volumes[old.name]
            name = name_of(VOLUME, volume_id)
            name = f"{name}.reverted" if old.name == name else name
            made = Logical(name, snapshot.size, pool=old.pool, origin=snapshot.name, used=snapshot.used,
                           tags=tags_of("new", f"{VOLUME}:{volume_id}", replaces=old.uuid, thick=old.thick))
            async with back.making(name):
                await self._command(made, VOLUME_FLAGS)
                if made.size < old.size:
                    made = await self._lengthen(made, old.size)
                made = await self.became(made, made.tags - {f"{OURS}.new={VOLUME}:{volume_id}"} | {f"{OURS}.{VOLUME}={volume_id}"})
            await back.remove(old)
            return await self.named(VOLUME, volume_id, made)

    # -- snapshots ---------------------------------------------------------------------------------------------------

    async def snapshot(self, volume_id: str, snapshot_id: str, *, in_use: bool) -> Logical:
        async with self._back.turn(f"{VOLUME} {volume_id}", f"{SNAPSHOT} {safe(snapshot_id)}"):
            if there := (await self._back.group.look()).found(SNAPSHOT, snapshot_id):
                return there
            volume = await self.finish(VOLUME, volume_id, await self._back.find(VOLUME, volume_id))
            if not in_use:
                await self._back.shut(volume, volume_id)
            await self._back.require(volume.size)
            return await self._made(SNAPSHOT, snapshot_id, volume.size, volume, tags_of(SNAPSHOT, snapshot_id, of=volume_id))

    async def delete(self, kind: str, id_: str) -> None:
        async with self._back.turn(f"{kind} {id_}"):
            found = await self._back.seek(kind, id_)
            if found is not None:
                if kind != IMAGE:
                    await self._back.shut(found, id_)
                await self._back.remove(found)
            await self._sweep(kind, id_)

    # -- what was cut short ------------------------------------------------------------------------------------------

    async def finish(self, kind: str, id_: str, logical: Logical) -> Logical:
        """Do what its tags say is still to be done. In its turn."""
        if logical.least > logical.size:
            logical = await self._lengthen(logical, logical.least)
        if start := logical.fact("fill"):
            await disks.take_room(await self._back.activate(logical), int(start), self._back.full)
            logical = await self.became(replace(logical, used=1.0), logical.tags - {f"{OURS}.fill={start}"})
        return logical

    async def named(self, kind: str, id_: str, logical: Logical) -> Logical:
        """Its own name, for people, unless somebody has it open under another."""
        name, old = name_of(kind, id_), logical.name
        report = await self._back.group.look()
        if old == name or name in report.volumes or await self._back.opened(logical):
            return logical
        await self._back.group.change("lvrename", self._back.group.name, old, name, effect=lambda report: report.renamed(old, name))
        return replace(logical, name=name)

    async def mend(self) -> None:
        """All that an earlier life of the daemon left half done."""
        await self.drop_leftovers()
        report = await self._back.group.look()
        for kind in (VOLUME, SNAPSHOT):
            for id_, logical in report.ours(kind):
                if logical.unfinished or logical.name != name_of(kind, id_):
                    async with self._back.turn(f"{kind} {id_}"):
                        LOG.info("a change of volumes that was cut short is finished", volume=id_)
                        await self.named(kind, id_, await self.finish(kind, id_, await self._back.find(kind, id_)))

    async def drop_leftovers(self) -> None:
        for logical in self.leftovers(await self._back.group.look()):
            LOG.info("a change of volumes that was cut short is taken back", name=logical.name)
            await self._back.remove(logical)

    def leftovers(self, report: Report) -> list[Logical]:
        return [one for one in report.leftovers() if one.name not in self._back.being_made]

    async def _sweep(self, kind: str, id_: str) -> None:
        """In its turn: what an attempt for this one left."""
        for logical in (await self._back.group.look()).leftovers():
            if logical.fact("new") == f"{kind}:{id_}" or logical.fact(kind) == id_:
                await self._back.remove(logical)


def subject(source: Source | None) -> tuple[str, ...]:
    """Whose turn it is as well."""
    if isinstance(source, FromImage):
        return (f"{IMAGE} {source.image_id}",)
    if isinstance(source, FromSnapshot):
        return (f"{SNAPSHOT} {source.snapshot_id}",)
    return (f"{VOLUME} {source.volume_id}",) if isinstance(source, FromVolume) else ()
