"""The back ends of this host: which there are, and the driver of a volume by the place that its row names."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakValueDictionary

from cloudd.block.config import CONFIG
from cloudd.core.errors import Unavailable
from cloudd.drivers.volume.base import VolumeDriver


def place(name: str) -> str:
    """Where the volumes of a back end are said to lie, in Cinder's form HOST@BACKEND#POOL: each has one pool, of its own name."""
    return f"{CONFIG.host}@{name}#{name}"


def name_of(host: str) -> str:
    """The back end that a place names, with or without a pool, as far as it has the form. It need not exist."""
    return host.partition("#")[0].rpartition("@")[2]


@dataclass
class Backends:
    """`parts.service(Backends)`: the drivers by the name of their back end. `staging`: where data lies that is on its way."""

    by_name: Mapping[str, VolumeDriver]
    staging: Path
    _fetching: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    def of(self, host: str | None) -> VolumeDriver:
        """The driver of what lies at a place. Raises Unavailable where the settings name no such back end any more."""
        name = name_of(host or "")
        if name not in self.by_name:
            raise Unavailable(f"The back end {name or '(none)'} of {host} is not there; there are: {', '.join(self.by_name)}.")
        return self.by_name[name]

    def at(self, host: str) -> str | None:
        """The place that is meant by HOST@BACKEND or HOST@BACKEND#POOL, or None for one that is not here."""
        name = name_of(host)
        return place(name) if name in self.by_name and host in (place(name), place(name).partition("#")[0]) else None

    @asynccontextmanager
    async def fetching(self, image_id: str) -> AsyncIterator[None]:
        """Held by who fetches an image, so that all others who want it wait for that one."""
        lock = self._fetching.setdefault(image_id, asyncio.Lock())     # there as long as somebody holds it or waits for it
        async with lock:
            yield
