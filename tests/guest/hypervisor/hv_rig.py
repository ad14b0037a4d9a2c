"""A driver under test, with what a test needs around it: an image, servers that are cleared away, conditions to wait for."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from cloudd.drivers.hypervisor.base import (
    DiskKind,
    DiskSpec,
    DomainEvent,
    DomainSpec,
    DomainState,
    EventKind,
    Hypervisor,
    HypervisorConfig,
)

GIB = 1 << 30
GUEST = Path(__file__).parents[3] / "build/testguest"
META_DATA = b'{"uuid": "%s", "hostname": "hvguest", "name": "hvguest"}'
USER_DATA = b"#!/bin/sh\necho user-data was here >/dev/console\n"


@dataclass
class Rig:
    make: Callable[[HypervisorConfig], Hypervisor]
    config: HypervisorConfig
    image: Path
    image_format: str
    patience: float                              # seconds that a guest may take to boot
    hypervisor: Hypervisor = field(init=False)
    made: list[str] = field(default_factory=list)

    async def open(self) -> "Rig":
        self.hypervisor = self.make(self.config)
        await self.hypervisor.open()
        return self

    async def reopen(self) -> Hypervisor:
        """As after a restart of the daemon."""
        await self.hypervisor.close()
        return (await self.open()).hypervisor

    async def clear(self) -> None:
        for server_id in self.made:
            await self.hypervisor.undefine(server_id)
            await self.hypervisor.disks.delete(server_id)
        self.made.clear()

    def new_id(self) -> str:
        server_id = str(uuid.uuid4())
        self.made.append(server_id)
        return server_id

    async def image_data(self) -> AsyncIterator[bytes]:
        with self.image.open("rb") as file:
            while chunk := file.read(1 << 20):
                yield chunk

    async def spec(self, server_id: str | None = None, **changes) -> DomainSpec:
        """A small server with a root disk and a config drive, not yet defined."""
        server_id = server_id or self.new_id()
        disks = self.hypervisor.disks
        await disks.cache_image("image", self.image_data, self.image_format)
        root = await disks.create_root_disk(server_id, "image", GIB)
        config = await disks.create_config_drive(server_id, {
            "openstack/latest/meta_data.json": META_DATA % server_id.encode(), "openstack/latest/user_data": USER_DATA})
        spec = DomainSpec(server_id, f"hv-{server_id[:8]}", 1, 128, disks=(
            DiskSpec("root", root.path, root.format, boot_index=0),
            DiskSpec("config", config.path, config.format, DiskKind.CONFIG, device="cdrom")))
        return replace(spec, **changes)

    async def defined(self, **changes) -> str:
        spec = await self.spec(**changes)
        await self.hypervisor.define(spec)
        return spec.server_id

    async def booted(self, **changes) -> str:
        """A server at its login prompt."""
        server_id = await self.defined(**changes)
        await self.hypervisor.start(server_id)
        await self.says(server_id, b"login:")
        return server_id

    async def says(self, server_id: str, words: bytes, times: int = 1) -> bytes:
        """Wait until the console log has the words."""
        async def look() -> bytes:
            while (text := await self.hypervisor.consoles.log(server_id)).count(words) < times:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            return text
        try:
            return await asyncio.wait_for(look(), self.patience)
        except TimeoutError:
            text = await self.hypervisor.consoles.log(server_id)
            raise AssertionError(f"{words!r} is not in the console log:\n{text.decode(errors='replace')[-3000:]}") from None

    async def becomes(self, server_id: str, state: DomainState) -> None:
        async with asyncio.timeout(self.patience):
            while await self.hypervisor.state(server_id) is not state:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def hears(self, stream, kind: EventKind, server_id: str | None) -> DomainEvent:
        async with asyncio.timeout(self.patience):
            async for event in stream:
                if event.kind is kind and event.server_id == server_id:
                    return event
        raise AssertionError(f"no {kind} of {server_id}")

    def volume(self, server_id: str, size: int = 64 << 20) -> DiskSpec:
        """A raw file as a volume driver would give it."""
        volume_id = str(uuid.uuid4())
        path = Path(self.config.instances_dir, server_id, f"volume-{volume_id}")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.truncate(size)
        return DiskSpec(volume_id, str(path), "raw", DiskKind.VOLUME, serial=volume_id)


def config_below(folder: Path, **more) -> HypervisorConfig:
    return HypervisorConfig(cloud_id=more.pop("cloud_id", "hv"), instances_dir=str(folder / "instances"),
                            cache_dir=str(folder / "images"), run_dir=str(folder / "run"), virt_type="qemu",
                            disk_cache=more.pop("disk_cache", "unsafe"), **more)


def size_of(path: str | Path) -> int:
    return Path(path).stat().st_size


def content_of(path: str | Path) -> bytes:
    return Path(path).read_bytes()


def names_in(folder: str | Path) -> list[str]:
    return os.listdir(folder)
