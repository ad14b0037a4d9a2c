"""What a domain does, and what happens to it."""

from dataclasses import dataclass
from enum import StrEnum


class DomainState(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    SHUTOFF = "shutoff"
    SUSPENDED = "suspended"          # off, with its memory saved: `restore` goes on from there
    CRASHED = "crashed"


class EventKind(StrEnum):
    STARTED = "started"
    STOPPED = "stopped"              # detail: "shutdown" (by the guest itself), "destroyed", "failed", "shutoff"
    PAUSED = "paused"                # detail: "user", "ioerror", "watchdog", …
    RESUMED = "resumed"
    SUSPENDED = "suspended"          # memory saved, domain off
    CRASHED = "crashed"
    DISK_GONE = "disk_gone"          # detail: the disk's id; the guest let go of it, be it late: `detach_disk` then ends at once
    DISCONNECTED = "disconnected"    # no server: the hypervisor is out of reach; events may be missed until…
    RECONNECTED = "reconnected"      # …now: compare all states with `list()`


@dataclass(frozen=True)
class DomainEvent:
    kind: EventKind
    server_id: str | None = None
    detail: str = ""


@dataclass(frozen=True)
class DomainStatus:
    server_id: str
    state: DomainState
