"""Which open jobs may begin now, kept in memory: the database is read at the start only, and a job's price does not depend on how
many others wait.

Of those that share a lock, one runs at a time, in the order of their serials; who has all its locks keeps them until it ends. Of a
kind no more run at once than its limit says. A job that waits for an event counts for nothing, and keeps its locks if it says so.
"""

from collections.abc import Callable
from heapq import heappop, heappush

from cloudd.core.tables import JobRow

Room = Callable[[str], int | None]


class Locks:
    """Who holds a lock, and who is behind him."""

    def __init__(self) -> None:
        self._holders: dict[str, int] = {}
        self._behind: dict[str, list[int]] = {}

    def line_up(self, serial: int, locks: list[str]) -> None:
        for lock in locks:
            heappush(self._behind.setdefault(lock, []), serial)

    def take(self, serial: int, locks: list[str]) -> bool:
        """All of them, or none: each must be free, and nobody with a lower serial before us."""
        if any(lock in self._holders or self._behind[lock][0] != serial for lock in locks):
            return False
        for lock in locks:
            heappop(self._behind[lock])
            if not self._behind[lock]:
                del self._behind[lock]
            self._holders[lock] = serial
        return True

    def hold(self, serial: int, locks: list[str]) -> None:
        """Without standing in line: this job held them before the restart."""
        self._holders.update((lock, serial) for lock in locks)

    def let_go(self, serial: int, locks: list[str]) -> set[int]:
        """Returns who is first now where we were."""
        for lock in locks:
            if self._holders.get(lock) == serial:
                del self._holders[lock]
        return {self._behind[lock][0] for lock in locks if lock in self._behind}


class Queue:
    """The open jobs. `room(kind)` is how many of a kind may run at once, None for as many as come."""

    def __init__(self, room: Room):
        self._room = room
        self._locks = Locks()
        self._lined: dict[int, JobRow] = {}                    # in line for their locks
        self._ready: dict[str, list[tuple[int, JobRow]]] = {}  # with their locks, in line for room of their kind
        self._kinds: dict[str, set[int]] = {}                  # that run
        self._holding: set[int] = set()                        # with their locks: ready, running, or waiting for an event

    def __len__(self) -> int:
        """How many are to begin or run."""
        return len(self._lined) + sum(map(len, self._ready.values())) + sum(map(len, self._kinds.values()))

    def hold(self, row: JobRow) -> None:
        """It waits for an event, and holds its locks."""
        self._locks.hold(row.serial, row.locks)
        self._holding.add(row.serial)

    def add(self, row: JobRow, *, begun: bool = False) -> None:
        """A job that is to run. One that had begun before the restart has its locks already."""
        if begun and row.serial not in self._holding:
            self.hold(row)
        if row.serial in self._holding:
            self._make_ready(row)
            return
        self._lined[row.serial] = row
        self._locks.line_up(row.serial, row.locks)
        self._try(row.serial)

    def _try(self, serial: int) -> None:
        row = self._lined.get(serial)
        if row is not None and self._locks.take(serial, row.locks):
            del self._lined[serial]
            self._holding.add(serial)
            self._make_ready(row)

    def _make_ready(self, row: JobRow) -> None:
        heappush(self._ready.setdefault(row.kind, []), (row.serial, row))

    def begin(self) -> list[JobRow]:
        """Those that may run now, in their order; they do from here on."""
        begun: list[JobRow] = []
        for kind, ready in list(self._ready.items()):
            running, most = self._kinds.setdefault(kind, set()), self._room(kind)
            while ready and (most is None or len(running) < most):
                serial, row = heappop(ready)
                running.add(serial)
                begun.append(row)
            if not ready:
                del self._ready[kind]
        return sorted(begun, key=lambda row: row.serial)

    def pause(self, row: JobRow, *, hold: bool) -> None:
        """It waits for an event from here on."""
        self._kinds[row.kind].discard(row.serial)
        if not hold:
            self._free(row)

    def end(self, row: JobRow) -> None:
        """It is over, or waits with its locks and is over."""
        self._kinds.get(row.kind, set()).discard(row.serial)
        self._free(row)

    def _free(self, row: JobRow) -> None:
        self._holding.discard(row.serial)
        for serial in self._locks.let_go(row.serial, row.locks):
            self._try(serial)
