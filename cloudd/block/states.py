"""The lives of volumes, snapshots and attachments, in Cinder's words. What is refused is a bad request there, not a conflict."""

from typing import Any

from cloudd.block.models import Snapshot, Volume
from cloudd.core.errors import BadRequest, CloudError
from cloudd.core.states import Machine, Move

CREATING, AVAILABLE, IN_USE, ERROR, DELETING, ERROR_DELETING = ("creating", "available", "in-use", "error", "deleting",
                                                                "error_deleting")
RESERVED, ATTACHING, DETACHING, MAINTENANCE = "reserved", "attaching", "detaching", "maintenance"
EXTENDING, ERROR_EXTENDING, UPLOADING, DOWNLOADING, RETYPING = ("extending", "error_extending", "uploading", "downloading",
                                                                "retyping")
MANAGING, ERROR_MANAGING, UNMANAGING = "managing", "error_managing", "unmanaging"
REVERTING, BACKING_UP, RESTORING_BACKUP, ERROR_RESTORING, ERROR_BACKING_UP = ("reverting", "backing-up", "restoring-backup",
                                                                              "error_restoring", "error_backing-up")
AWAITING_TRANSFER = "awaiting-transfer"
VOLUME_STATUSES = (CREATING, AVAILABLE, DELETING, ERROR, ERROR_DELETING, ERROR_MANAGING, MANAGING, ATTACHING, IN_USE, DETACHING,
                   MAINTENANCE, RESTORING_BACKUP, ERROR_RESTORING, RESERVED, AWAITING_TRANSFER, BACKING_UP, ERROR_BACKING_UP,
                   ERROR_EXTENDING, DOWNLOADING, UPLOADING, RETYPING, EXTENDING, UNMANAGING, REVERTING)
ATTACHED, DETACHED, ERROR_ATTACHING, ERROR_DETACHING = "attached", "detached", "error_attaching", "error_detaching"
DELETABLE = (AVAILABLE, ERROR, ERROR_RESTORING, ERROR_EXTENDING, ERROR_MANAGING, ERROR_BACKING_UP, ERROR_DELETING)


def _refusal(kind: str) -> Any:
    def refuse(row: Any, move: Move) -> CloudError:
        return BadRequest(f"Invalid {kind}: {kind.capitalize()} {row.id} status must be {' or '.join(sorted(move.sources))} to "
                          f"{move.name}, but it is {row.status}.", type=f"Invalid{kind.capitalize()}")
    return refuse


VOLUME = Machine(Volume.status, conflict=_refusal("volume"), moves=[
    Move("create", {CREATING}, CREATING, AVAILABLE),
])
SNAPSHOT = Machine(Snapshot.status, conflict=_refusal("snapshot"), moves=[
    Move("create", {CREATING}, CREATING, AVAILABLE),
])
