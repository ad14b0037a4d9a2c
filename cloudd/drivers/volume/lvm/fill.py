"""How full the pool is: told of from 80 % on, and nothing new is promised from 90 % on, for its data and its metadata alike.

A pool whose data are full refuses writes at once (`errorwhenfull y`): QEMU pauses the guest, and it goes on when there is room again. One
whose metadata are full refuses all writes and wants a repair, so those matter as much.
"""

from cloudd.core import log
from cloudd.drivers.volume.base import BackendDown, BackendFull
from cloudd.drivers.volume.lvm.devmapper import PoolState

LOG = log.get("cloudd.volumes.lvm")
WARN, REFUSE = 0.8, 0.9
REPAIR = "stop what uses it, then `lvconvert --repair {0}`"


class Fill:
    def __init__(self, pool: str):
        self._pool = pool                # VOLUME_GROUP/POOL
        self._warned: tuple[str, ...] = ()

    def warnings(self, state: PoolState) -> tuple[str, ...]:
        """For the operator; each is logged when it begins."""
        found = [f"the {name} of the thin pool {self._pool} is {part:.0%} full{', nothing new is promised' if part >= REFUSE else ''}: "
                 f"`{mend}`" for name, part, mend in self._parts(state) if part >= WARN]
        if trouble := self.trouble(state):
            found.append(trouble)
        names = tuple(text.split(" is ")[0] for text in found)
        for name, text in zip(names, found, strict=True):
            if name not in self._warned:
                LOG.warning(text, pool=self._pool)
        self._warned = names
        return tuple(found)

    def require(self, state: PoolState, size: int, *, thick: bool = False) -> None:
        """Raises BackendFull where `size` more bytes cannot be promised, BackendDown where nothing can be made."""
        if trouble := self.trouble(state):
            raise BackendDown(trouble)
        free = state.total - state.used
        if thick and size > free:
            raise BackendFull(f"{size} bytes were asked for, but {self._pool} has only {free} left")
        for name, part, _ in self._parts(state):
            if part >= REFUSE:
                raise BackendFull(f"the {name} of {self._pool} is {part:.0%} full: from {REFUSE:.0%} on nothing new is promised; {size} "
                                  f"bytes were asked for, {free} of {state.total} are left")

    def trouble(self, state: PoolState) -> str:
        """Why nothing can be written; empty when it can. A pool without room for data still takes what rewrites old data."""
        if state.mode == "Fail":
            return f"the thin pool {self._pool} has failed: {REPAIR.format(self._pool)}"
        if state.mode == "ro" or state.needs_check:
            return f"the thin pool {self._pool} only lets itself be read and must be checked: {REPAIR.format(self._pool)}"
        return ""

    def _parts(self, state: PoolState) -> tuple[tuple[str, float, str], ...]:
        return (("data", state.data, f"lvextend -L +SIZE {self._pool}"),
                ("metadata", state.metadata, f"lvextend --poolmetadatasize +1G {self._pool}"))
