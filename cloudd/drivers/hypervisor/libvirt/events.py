"""What libvirt tells by itself: guests' changes of state, devices let go of, and when it went away or came back."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable

import libvirt

from cloudd.drivers.hypervisor.base import DomainEvent, EventKind
from cloudd.drivers.hypervisor.feed import EventFeed
from cloudd.drivers.hypervisor.libvirt.domain_xml import disk_of_alias

STOPPED_DETAIL = {
    libvirt.VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN: "shutdown", libvirt.VIR_DOMAIN_EVENT_STOPPED_DESTROYED: "destroyed",
    libvirt.VIR_DOMAIN_EVENT_STOPPED_CRASHED: "crashed", libvirt.VIR_DOMAIN_EVENT_STOPPED_MIGRATED: "migrated",
    libvirt.VIR_DOMAIN_EVENT_STOPPED_SAVED: "saved", libvirt.VIR_DOMAIN_EVENT_STOPPED_FAILED: "failed"}
PAUSED_DETAIL = {
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED_PAUSED: "user", libvirt.VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED: "migrated",
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED_IOERROR: "ioerror", libvirt.VIR_DOMAIN_EVENT_SUSPENDED_WATCHDOG: "watchdog",
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED_RESTORED: "restored", libvirt.VIR_DOMAIN_EVENT_SUSPENDED_API_ERROR: "error"}
OFF = (EventKind.STOPPED, EventKind.CRASHED)
STOPPED_KIND = {"crashed": EventKind.CRASHED, "saved": EventKind.SUSPENDED}


def translate(server_id: str, event: int, detail: int) -> DomainEvent | None:
    """A lifecycle event in our words; None for those that change nothing (defined). Off is told twice: when the guest says so,
    and when its QEMU has ended."""
    if event == libvirt.VIR_DOMAIN_EVENT_STARTED:
        return DomainEvent(EventKind.STARTED, server_id)
    if event == libvirt.VIR_DOMAIN_EVENT_RESUMED:
        return DomainEvent(EventKind.RESUMED, server_id)
    if event == libvirt.VIR_DOMAIN_EVENT_SHUTDOWN and detail != libvirt.VIR_DOMAIN_EVENT_SHUTDOWN_HOST:
        return DomainEvent(EventKind.STOPPED, server_id, "shutdown")
    if event == libvirt.VIR_DOMAIN_EVENT_STOPPED:
        words = STOPPED_DETAIL.get(detail, "shutoff")
        return DomainEvent(STOPPED_KIND.get(words, EventKind.STOPPED), server_id, words)
    if event == libvirt.VIR_DOMAIN_EVENT_SUSPENDED:
        return DomainEvent(EventKind.PAUSED, server_id, PAUSED_DETAIL.get(detail, ""))
    if event == libvirt.VIR_DOMAIN_EVENT_PMSUSPENDED:
        return DomainEvent(EventKind.PAUSED, server_id, "guest")
    if event == libvirt.VIR_DOMAIN_EVENT_CRASHED:
        return DomainEvent(EventKind.CRASHED, server_id)
    return None


class Events:
    """libvirt calls in its event thread; everything here then happens on the asyncio loop, in the same order."""

    def __init__(self, is_ours: Callable[[str], bool]):
        self._is_ours = is_ours
        self.feed = EventFeed[DomainEvent]()
        self._removals: dict[tuple[str, str], asyncio.Future[bool]] = {}
        self._jobs: dict[tuple[str, str], asyncio.Future[None]] = {}
        self._hidden: Counter[tuple[str, EventKind]] = Counter()

    def open(self) -> None:
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        self.feed.close()

    def register(self, conn: libvirt.virConnect) -> None:
        """For a new connection, before anything is done with it."""
        conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._lifecycle, None)
        conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, self._removed, True)
        conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED, self._removed, False)
        conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2, self._job, None)

    def state(self, up: bool) -> None:
        self._hidden.clear()
        self.feed.tell(DomainEvent(EventKind.RECONNECTED if up else EventKind.DISCONNECTED))

    def removal(self, server_id: str, alias: str) -> "asyncio.Future[bool]":
        """Done when the guest lets go of a device: True, or False when it refuses. Ask before detaching."""
        future = self._removals.get((server_id, alias))
        if future is None or future.done():
            future = self._removals[server_id, alias] = self._loop.create_future()
            future.add_done_callback(lambda _: self._removals.pop((server_id, alias), None))
        return future

    def hide(self, server_id: str, kinds: Iterable[EventKind]) -> None:
        """The next event of each kind is of our own doing, and nobody's business."""
        self._hidden.update((server_id, kind) for kind in kinds)

    def unhide(self, server_id: str, kinds: Iterable[EventKind]) -> None:
        self._hidden -= Counter((server_id, kind) for kind in kinds)         # never below nothing

    def job(self, server_id: str, target: str) -> "asyncio.Future[None]":
        """Done when a block job of a disk comes to its end, or to where it waits for that."""
        future = self._jobs.get((server_id, target))
        if future is None or future.done():
            future = self._jobs[server_id, target] = self._loop.create_future()
            future.add_done_callback(lambda _: self._jobs.pop((server_id, target), None))
        return future

    def _job(self, conn, domain, target: str, kind: int, status: int, _) -> None:
        self._to_loop(self._job_moved, domain.UUIDString(), target)

    def _job_moved(self, server_id: str, target: str) -> None:
        future = self._jobs.get((server_id, target))
        if future is not None and not future.done():
            future.set_result(None)

    def _lifecycle(self, conn, domain, event: int, detail: int, _) -> None:
        self._to_loop(self._tell, domain.UUIDString(), event, detail)

    def _removed(self, conn, domain, alias: str, gone: bool) -> None:
        self._to_loop(self._settle, domain.UUIDString(), alias, gone)

    def _to_loop(self, call: Callable[..., None], *args: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *args)

    def _tell(self, server_id: str, event: int, detail: int) -> None:
        told = translate(server_id, event, detail)
        if told is None or not self._is_ours(server_id):
            return
        key = (server_id, told.kind)
        if self._hidden[key] > 0 and told.detail in ("", "user"):
            self._hidden[key] -= 1
            return
        if told.kind in OFF:                                   # it will not tell what was to be hidden
            for kind in (EventKind.PAUSED, EventKind.RESUMED):
                self._hidden.pop((server_id, kind), None)
        self.feed.tell(told)

    def _settle(self, server_id: str, alias: str, gone: bool) -> None:
        future = self._removals.get((server_id, alias))
        if future is not None and not future.done():
            future.set_result(gone)
        disk = disk_of_alias(alias)
        if gone and disk and self._is_ours(server_id):
            self.feed.tell(DomainEvent(EventKind.DISK_GONE, server_id, disk))
