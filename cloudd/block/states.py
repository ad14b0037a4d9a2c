"""The lives of volumes and snapshots, in Cinder's words. What is refused is a bad request there, but for two a conflict."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block.models import Snapshot, Volume
from cloudd.core.errors import BadRequest, CloudError, Conflict
from cloudd.core.states import Machine, Move

CREATING, AVAILABLE, IN_USE, ERROR, DELETING, ERROR_DELETING = ("creating", "available", "in-use", "error", "deleting",
                                                                "error_deleting")
RESERVED, ATTACHING, DETACHING, MAINTENANCE = "reserved", "attaching", "detaching", "maintenance"
EXTENDING, ERROR_EXTENDING, UPLOADING, DOWNLOADING, RETYPING = ("extending", "error_extending", "uploading", "downloading",
                                                                "retyping")
MANAGING, ERROR_MANAGING, UNMANAGING = "managing", "error_managing", "unmanaging"
REVERTING, BACKING_UP, RESTORING_BACKUP, ERROR_RESTORING, ERROR_BACKING_UP = ("reverting", "backing-up", "restoring-backup",
                                                                              "error_restoring", "error_backing-up")
AWAITING_TRANSFER, RESTORING = "awaiting-transfer", "restoring"
ATTACHED, DETACHED, ERROR_ATTACHING, ERROR_DETACHING = "attached", "detached", "error_attaching", "error_detaching"

DELETABLE = (AVAILABLE, ERROR, ERROR_RESTORING, ERROR_EXTENDING, ERROR_MANAGING, ERROR_BACKING_UP, ERROR_DELETING)
AT_REST = (None, "none", ERROR, "success", DELETING)
"""What migration_status says when nothing moves."""
PASSING = (CREATING, DELETING, EXTENDING, UPLOADING, DOWNLOADING, RETYPING, MANAGING, UNMANAGING, REVERTING, BACKING_UP,
           RESTORING_BACKUP)
"""The statuses of volumes that a job has set and will take away."""
SNAPSHOT_PASSING = (CREATING, DELETING, UNMANAGING, RESTORING)
CONFLICTS = {"revert"}


def _refusal(kind: str) -> Any:
    def refuse(row: Any, move: Move) -> CloudError:
        text = (f"Invalid {kind}: {kind.capitalize()} {row.id} status must be {' or '.join(sorted(move.sources))} to {move.name}, but "
                f"the current status is {row.status}.")
        return Conflict(text) if move.name in CONFLICTS else BadRequest(text, type=f"Invalid{kind.capitalize()}")
    return refuse


VOLUME = Machine(Volume.status, conflict=_refusal("volume"), moves=[
    Move("delete", DELETABLE, DELETING),
    Move("unmanage", DELETABLE, UNMANAGING),
    Move("extend", {AVAILABLE}, EXTENDING),
    Move("extend attached", {IN_USE}, EXTENDING),
    Move("upload", {AVAILABLE}, UPLOADING),
    Move("upload attached", {AVAILABLE, IN_USE}, UPLOADING),
    Move("revert", {AVAILABLE}, REVERTING),
    Move("reimage", {AVAILABLE, ERROR}, DOWNLOADING),
    Move("reimage reserved", {AVAILABLE, ERROR, RESERVED}, DOWNLOADING),
    Move("offer", {AVAILABLE}, target=AWAITING_TRANSFER),
    Move("withdraw", {AWAITING_TRANSFER}, target=AVAILABLE),
    Move("reserve", {AVAILABLE}, target=ATTACHING),
    Move("reserve another", {AVAILABLE, IN_USE}, target=ATTACHING),
    Move("attach", {AVAILABLE, DOWNLOADING}, target=RESERVED),
    Move("attach another", {AVAILABLE, IN_USE, DOWNLOADING}, target=RESERVED),
    Move("claim", {AVAILABLE, CREATING, DOWNLOADING}, target=RESERVED),
    Move("claim another", {AVAILABLE, IN_USE, CREATING, DOWNLOADING}, target=RESERVED),
    Move("begin detaching", {IN_USE}, target=DETACHING),
])
SNAPSHOT = Machine(Snapshot.status, conflict=_refusal("snapshot"), moves=[
    Move("delete", {AVAILABLE, ERROR, ERROR_DELETING}, DELETING),
    Move("unmanage", {AVAILABLE, ERROR}, UNMANAGING),
    Move("revert", {AVAILABLE}, RESTORING),
])


async def begin(tx: AsyncSession, volume: Volume, move: str) -> None:
    """Begin a move of a volume that ends where it came from."""
    before = volume.status
    await VOLUME.enter(tx, volume, move)
    volume.previous_status = before


def settle(volume: Volume, status: str | None = None, **values: Any) -> None:
    """The work on a volume has ended: in `status`, or where it was before."""
    VOLUME.force(volume, state=status or volume.previous_status or AVAILABLE, previous_status=None, **values)


def settle_snapshot(snapshot: Snapshot, status: str, **values: Any) -> None:
    SNAPSHOT.force(snapshot, state=status, **values)


def attached(volume: Volume, status: str, attach_status: str) -> None:
    """Its attachments have changed; what a job does with it meanwhile ends in the new status."""
    volume.attach_status = attach_status
    if volume.status in PASSING:
        volume.previous_status = status
    else:
        VOLUME.force(volume, state=status)
