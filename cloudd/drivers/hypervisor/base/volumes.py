"""What happens to the volumes that domains have: limits, snapshots, copies, while their guests run.

A verb that changes where a disk lies changes the domain's next start with it. Each may be repeated: after a crash the same call goes on
with what is under way, or finds that it is done. Of a long one `progress` hears how far it is, and whoever cancels it has it stopped.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cloudd.drivers.hypervisor.base.errors import HypervisorError
from cloudd.drivers.hypervisor.base.spec import DiskSpec
from cloudd.drivers.volume.base import Connection, Limits, Passphrase

Progress = Callable[[int, int], None]
"""Bytes done, bytes in all; the latter may grow while the guest writes."""


@dataclass(frozen=True)
class AttachedVolume:
    """A volume as a domain has it. One that is `live` and not `defined`, or the other way round in a guest that runs, is a change that
    was cut short."""

    server_id: str
    volume_id: str
    target: str
    bus: str
    layers: tuple[str, ...]          # paths, the one that is written first
    live: bool                       # a running guest has it
    defined: bool                    # the next start has it
    job: str = ""                    # copy, commit: under way


@dataclass(frozen=True)
class Switch:
    """The guest of a server is to write to another layer of a volume from now on."""

    server_id: str
    to: Connection


class Volumes(ABC):
    @abstractmethod
    async def attached(self, server_id: str | None = None) -> tuple[AttachedVolume, ...]:
        """What domains really have, of one server or of all that are ours; for repair."""

    @abstractmethod
    async def limit(self, server_id: str, volume_id: str, limits: Limits) -> None:
        """From now on; none at all when all are 0."""

    @abstractmethod
    async def switch(self, switches: Sequence[Switch], *, freeze: bool = True) -> frozenset[str]:
        """Of any number of guests at one moment. `to` stands on what the guest writes now. Of a domain that is off, its next start.

        The servers whose guests had come to rest: with `freeze` their agents are asked for that, where they answer.
        """

    @abstractmethod
    async def still(self, server_ids: Sequence[str], work: Callable[[], Awaitable[Any]], *, freeze: bool = True,
                    at_most: float = 0.1) -> tuple[Any, frozenset[str]]:
        """Run `work` while the guests stand still; its result, and the servers at rest as of `switch`.

        Raises TooLong when the work takes more than `at_most` seconds: the guests go on then, and the work is cancelled.
        """

    @abstractmethod
    async def commit(self, server_id: str, volume_id: str, top: str, base: str, progress: Progress | None = None) -> None:
        """Merge the layers from `top` down into `base`, paths as in `Connection`, under a running guest. `base` may be nobody else's."""

    @abstractmethod
    async def mirror(self, server_id: str, volume_id: str, to: Connection, passphrase: Passphrase | None = None,
                     progress: Progress | None = None) -> None:
        """Copy a running guest's volume to another place that is ready and large enough, and have the guest write there from then on."""

    @abstractmethod
    async def abort(self, server_id: str, volume_id: str) -> None:
        """Stop a copy or a commit; the guest stays where it is."""


def require_key(disk: DiskSpec) -> None:
    """Raises HypervisorError when an encrypted volume came without what opens it."""
    if disk.connection is not None and disk.connection.encryption is not None and disk.passphrase is None:
        raise HypervisorError(f"volume {disk.id} is encrypted, but came without its passphrase")
