"""Giving a volume another type, where its pool suits that one as well: nothing has to move."""

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block import quotas, specs, states
from cloudd.block.backends import name_of
from cloudd.block.events import tell
from cloudd.block.models import Volume
from cloudd.block.types import encryption
from cloudd.block.types import find as types
from cloudd.block.types import specs as type_specs
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Forbidden

RETYPED = (states.AVAILABLE, states.IN_USE)


async def retype(context: Context, tx: AsyncSession, volume: Volume, name: str, *, may_multiattach: bool) -> None:
    """Raises BadRequest where it cannot be, or where the volume would have to move for it."""
    kind = await types.find(tx, context, name)
    if volume.status not in RETYPED or volume.migration_status not in states.AT_REST or volume.group_id or kind.id == volume.volume_type_id:
        raise BadRequest(f"Invalid volume: Retype needs volume to be in available or in-use state, not be part of an active migration or a "
                         f"group, requested type has to be different that the one from the volume. Volume {volume.id} is {volume.status}"
                         f"{', and of that type already' if kind.id == volume.volume_type_id else ''}.", type="InvalidVolume")
    wanted = await types.specs(tx, kind.id)
    type_specs.require_fit(kind, wanted, size=volume.size, zone=volume.availability_zone)
    await encryption.require_none(tx, kind)
    multiattach = types.says_yes(wanted.get("multiattach"))
    if multiattach != volume.multiattach:
        _require_detached(volume)
        if multiattach and not may_multiattach:
            raise Forbidden("Policy doesn't allow volume:multiattach to be performed.", type="PolicyNotAuthorized")
    asked = wanted.get("volume_backend_name")
    if asked and not specs.met(name_of(volume.host or ""), asked):
        raise BadRequest(f"Invalid input received: volume {volume.id} lies in the back end {name_of(volume.host or '')}, the type "
                         f"{kind.name} asks for {asked}: it would have to move.")
    await quotas.require_type(tx, volume.project_id, kind.id, volumes=1, gigabytes=volume.size)
    volume.volume_type_id, volume.multiattach, volume.updated_at = kind.id, multiattach, context.now()
    await tell(tx, context, volume, "retype")


def _require_detached(volume: Volume) -> None:
    if volume.status != states.AVAILABLE:
        raise BadRequest("Invalid volume_type passed, retypes affecting multiattach are only allowed on available volumes, the specified "
                         f"volume however currently has a status of: {volume.status}.")
