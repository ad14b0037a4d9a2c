"""The life of an image."""

from cloudd.core.errors import Conflict
from cloudd.core.states import Machine, Move
from cloudd.image.models import Image

QUEUED, SAVING, ACTIVE, DEACTIVATED = "queued", "saving", "active", "deactivated"
UPLOADING, IMPORTING = "uploading", "importing"


def _refusal(image: Image, move: Move) -> Conflict:
    return Conflict(f"Image status transition from {image.status} to {move.target} is not allowed: {move.name} is from "
                    f"{', '.join(sorted(move.sources))}.", type="InvalidImageStatusTransition")


IMAGE = Machine(Image.status, conflict=_refusal, moves=[
    Move("upload", {QUEUED}, target=SAVING),
    Move("stage", {QUEUED}, target=UPLOADING),
    Move("stage failed", {UPLOADING}, target=QUEUED),
    Move("import", {QUEUED, UPLOADING}, target=IMPORTING),
    Move("import failed", {IMPORTING}, target=QUEUED),
    Move("activate", {SAVING, IMPORTING}, target=ACTIVE),
    Move("locate", {QUEUED}, target=ACTIVE),
    Move("upload failed", {SAVING}, target=QUEUED),
    Move("deactivate", {ACTIVE, DEACTIVATED}, target=DEACTIVATED),
    Move("reactivate", {ACTIVE, DEACTIVATED}, target=ACTIVE),
])
