"""Making what lies in a back end a volume or a snapshot of ours: the row is written down, a job takes the thing over."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block import quotas, states
from cloudd.block.backends import Backends
from cloudd.block.config import CONFIG
from cloudd.block.events import tell
from cloudd.block.models import Snapshot, Volume, VolumeMetadata
from cloudd.block.snapshots.create import write_down
from cloudd.block.types import find as types
from cloudd.core import ids, jobs
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Unavailable


def place(there: Backends, host: str | None) -> str:
    """The pool that a request names. Raises BadRequest without one, Unavailable for one that is not here."""
    if not host:
        raise BadRequest("Invalid input received: host is missing: it is HOST@BACKEND#POOL.")
    found = there.at(host)
    if found is None:
        raise Unavailable(f"Host '{host}' not found: there are {', '.join(f'{CONFIG.host}@{name}' for name in there.by_name)}.")
    return found


def reference(ref: Any) -> str:
    """What a driver calls the thing, or the id that is part of that."""
    if isinstance(ref, Mapping):
        ref = ref.get("source-name") or ref.get("source-id")
    if not ref or not isinstance(ref, str):
        raise BadRequest('Invalid input received: ref names the thing, as {"source-name": NAME}, or {"source-id": ID}.')
    return ref


async def manage(context: Context, tx: AsyncSession, host: str, ref: str, *, name: str | None, description: str | None,
                 volume_type: str | None, metadata: Mapping[str, str], zone: str | None, bootable: bool) -> Volume:
    """The size is known when the thing is looked at."""
    if zone and zone != CONFIG.zone:
        raise BadRequest(f"Availability zone '{zone}' is invalid: there is {CONFIG.zone}.", type="InvalidAvailabilityZone")
    kind = await types.find(tx, context, volume_type) if volume_type else await types.default(tx, context)
    await quotas.require(tx, context.project_id or "", kind.id, volumes=1)
    volume = Volume(id=ids.new_uuid(), project_id=context.project_id, user_id=context.user_id, name=name, description=description, size=0,
                    status=states.MANAGING, attach_status=states.DETACHED, volume_type_id=kind.id, availability_zone=CONFIG.zone,
                    multiattach=types.says_yes((await types.specs(tx, kind.id)).get("multiattach")), bootable=bootable, host=host,
                    created_at=context.now())
    tx.add(volume)
    tx.add_all(VolumeMetadata(volume_id=volume.id, key=key, value=value) for key, value in metadata.items())
    await tx.flush()
    await tell(tx, context, volume, "manage_existing.start")
    await jobs.ask(tx, context, "block.volume.manage", locks=[volume.id], volume=volume.id, reference=ref)
    return volume


async def manage_snapshot(context: Context, tx: AsyncSession, volume: Volume, ref: str, *, name: str | None, description: str | None,
                          metadata: Mapping[str, str]) -> Snapshot:
    snapshot = await write_down(context, tx, volume, name=name, description=description, metadata=metadata, in_use=True)
    await tell(tx, context, snapshot, "manage_existing.start")
    await jobs.ask(tx, context, "block.snapshot.manage", locks=[snapshot.id, volume.id], resource=snapshot.id, snapshot=snapshot.id,
                   reference=ref)
    return snapshot
