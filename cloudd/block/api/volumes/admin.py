"""What only administrators do with volumes: statuses set by hand, deleting whatever is under way."""

from typing import Any

from cloudd.block import states
from cloudd.block import versions as v
from cloudd.block.api import API
from cloudd.block.models import Volume
from cloudd.block.volumes import delete as volumes_delete
from cloudd.block.volumes import reset
from cloudd.core.errors import BadRequest
from cloudd.core.http import Field, Request, Shape
from cloudd.core.http import types as t
from cloudd.core.http.microversions import Version

RULE = "volume_extension:volume_admin_actions:"


class Reset(Shape):
    """One of its members at least, in words of any case."""

    def read(self, body: Any, version: Version, use: str = "create") -> dict[str, Any]:
        lifted = {name: value.lower() for name, value in super().read(body, version, use).items() if value is not None}
        if not lifted:
            raise BadRequest("Must specify 'status', 'attach_status' or 'migration_status' for update.")
        known = {"status": reset.STATUSES, "attach_status": reset.ATTACH_STATUSES, "migration_status": reset.MIGRATION_STATUSES}
        for name, value in lifted.items():
            if value not in known[name]:
                raise BadRequest(f"Invalid input for field/attribute {name}. Value: {value[:50]}. It must be one of "
                                 f"{', '.join(known[name])}.", type="ValidationError")
        return lifted


RESET = Reset("os-reset_status", *(Field(name, t.Text(0, 255, null=True)) for name in ("status", "attach_status", "migration_status")))
COMPLETION = Shape("os-extend_volume_completion", Field("error", t.Raw({"type": ["string", "null", "boolean"]})))
actions = API.resource("/volumes/{volume}/action", status=202)


@actions.post(action="os-reset_status", policy=RULE + "reset_status", body=RESET)
async def reset_status(request: Request, tx: Any, volume: Volume, body: dict[str, Any]) -> None:
    """Say what status a volume has."""
    await reset.reset(request.context, tx, volume, **body)


@actions.post(action="os-force_delete", policy=RULE + "force_delete")
async def force_delete(request: Request, tx: Any, volume: Volume) -> None:
    """Delete a volume, whatever its status."""
    await volumes_delete.delete(request.context, tx, volume, force=True)


@actions.post(action="os-extend_volume_completion", policy=RULE + "extend_volume_completion", body=COMPLETION, since=v.EXTEND_COMPLETION)
async def extend_completed(request: Request, tx: Any, volume: Volume, body: dict[str, Any]) -> None:
    """Say that the guest has seen the new size. A volume that is being extended here is a job's, which sees that by itself."""
    if volume.status != states.EXTENDING:
        raise BadRequest("Invalid volume: Volume is not being extended.", type="InvalidVolume")
    raise BadRequest(f"Invalid volume: nobody waits to hear that volume {volume.id} was extended: cloudd finishes that by itself.",
                     type="InvalidVolume")
