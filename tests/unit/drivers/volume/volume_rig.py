"""A volume driver under test, with what its contract needs around it. Needs no pytest, so that it runs inside a guest as well."""

import contextlib
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

from cloudd.drivers.volume.base import (
    Connection,
    Encryption,
    Passphrase,
    Ref,
    SnapshotRef,
    Source,
    VolumeConfig,
    VolumeDriver,
    VolumeInfo,
    VolumeRef,
    VolumeSpec,
)

MIB = 1 << 20
GIB = 1 << 30
ABSENT = "00000000-0000-4000-8000-00000000dead"
SECRET = Passphrase(b"0123456789abcdef")
LUKS = Encryption(key_id="00000000-0000-4000-8000-000000000001")


@dataclass
class Rig:
    make: Callable[[VolumeConfig], VolumeDriver]
    config: VolumeConfig
    folder: Path                                 # for the test's own files
    loose: Path                                  # where an operator puts what shall be managed
    opens: Callable[[VolumeDriver, Connection], AbstractAsyncContextManager[None]]       # as a guest does
    driver: VolumeDriver = field(init=False)

    async def open(self) -> "Rig":
        self.driver = self.make(self.config)
        await self.driver.open()
        return self

    async def reopen(self) -> VolumeDriver:
        """As after a restart of the daemon."""
        await self.driver.close()
        return (await self.open()).driver

    async def clear(self) -> None:
        """All that there is, in whatever order it may go."""
        there = await self.driver.list()
        for volume in there.volumes:
            await self.driver.merge_volume(volume.id, alone=self.driver.caps().clones_hang)
        for snapshot in there.snapshots:
            await self.driver.delete_snapshot(snapshot.id)
        for volume in there.volumes:
            await self.driver.delete_volume(volume.id)
        for image in there.images:
            await self.driver.drop_image(image.id)

    @contextlib.asynccontextmanager
    async def guest(self, volume_id: str) -> AsyncIterator[None]:
        """A guest has the volume open."""
        connection = await self.driver.connect(volume_id)
        async with self.opens(self.driver, connection):
            yield
        await self.driver.disconnect(volume_id)

    # -- makers -----------------------------------------------------------------------------------------------------

    async def volume(self, size: int = 8 * MIB, source: Source | None = None, **spec: object) -> VolumeInfo:
        passphrase = SECRET if spec.get("encryption") else None
        return await self.driver.create_volume(VolumeSpec(new_id(), size, **spec), source, passphrase)

    async def written(self, data: bytes, offset: int = 0, **spec: object) -> str:
        made = await self.volume(**spec)
        await self.write(made.id, data, offset)
        return made.id

    async def write(self, volume_id: str, data: bytes, offset: int = 0) -> None:
        disk = await self.driver.open_disk(VolumeRef(volume_id), write=True, passphrase=SECRET)
        try:
            await disk.write(offset, data)
            await disk.flush()
        finally:
            await disk.close()

    async def read(self, ref: Ref | str, offset: int = 0, length: int = 512, passphrase: Passphrase = SECRET) -> bytes:
        disk = await self.driver.open_disk(VolumeRef(ref) if isinstance(ref, str) else ref, passphrase=passphrase)
        try:
            return await disk.read(offset, length)
        finally:
            await disk.close()

    async def snapshot(self, volume_id: str) -> str:
        return (await self.driver.create_snapshot(volume_id, new_id())).id

    async def of_snapshot(self, snapshot_id: str, offset: int = 0, length: int = 512) -> bytes:
        return await self.read(SnapshotRef(snapshot_id), offset, length)

    def file(self, name: str, content: bytes, size: int = 0) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        if size:
            with path.open("r+b") as file:
                file.truncate(size)
        return path


def new_id() -> str:
    return str(uuid.uuid4())


def page(mark: str) -> bytes:
    """A block that tells itself from others."""
    return mark.encode().ljust(16, b".") * 256


@contextlib.contextmanager
def refused(kind: type[Exception], *words: str) -> Iterator[list[Exception]]:
    """What is raised within, whose message has all these words."""
    caught: list[Exception] = []
    try:
        yield caught
    except kind as exc:
        caught.append(exc)
        for word in words:
            assert word in str(exc), f"{word!r} is not in {exc!s}"
    else:
        raise AssertionError(f"no {kind.__name__} was raised")
