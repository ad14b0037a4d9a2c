"""Asking for a volume: blank, or from an image, a snapshot, another volume. What it shall be is decided here, a job makes it."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd import image as images
from cloudd.block import quotas, states
from cloudd.block.config import CONFIG
from cloudd.block.events import tell
from cloudd.block.models import Snapshot, Volume, VolumeMetadata, VolumeType
from cloudd.block.snapshots.find import find as find_snapshot
from cloudd.block.types import encryption
from cloudd.block.types import find as types
from cloudd.block.types import specs as type_specs
from cloudd.block.volumes import images as image_rules
from cloudd.block.volumes.find import find, image_metadata_of
from cloudd.core import ids, jobs
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Forbidden, NotFound

JOB = "block.volume.create"
CLONED_FROM = (states.AVAILABLE, states.IN_USE)


@dataclass(frozen=True)
class Order:
    """What is asked for. At most one of `image`, `snapshot_id` and `source_id`; `size` in GiB, None: the source's."""

    size: int | None = None
    name: str | None = None
    description: str | None = None
    image: str | None = None
    snapshot_id: str | None = None
    source_id: str | None = None
    volume_type: str | None = None
    zone: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    hints: dict[str, Any] = field(default_factory=dict)
    may_multiattach: bool = True
    images_of_servers: bool = True           # an image that stands for a snapshot is taken for that


@dataclass
class Source:
    """Where the data comes from, as rows."""

    image: images.Image | None = None
    snapshot: Snapshot | None = None
    volume: Volume | None = None             # the one to be copied, or the snapshot's

    @property
    def copied(self) -> Volume | None:
        return self.volume if self.snapshot is None else None

    @property
    def size(self) -> int | None:
        if self.snapshot is not None:
            return self.snapshot.volume_size
        return self.volume.size if self.volume is not None else None


async def create(context: Context, tx: AsyncSession, order: Order) -> Volume:
    """Write down the volume and have it made. Raises BadRequest, NotFound, OverQuota."""
    source = await _source(context, tx, order)
    size = _size(order, source)
    if source.image is not None:
        image_rules.require_fit(source.image, size)
    kind = await _type(context, tx, order, source)
    zone = _zone(order, source)
    asked = await types.specs(tx, kind.id)
    type_specs.require_fit(kind, asked, size=size, zone=zone)
    await encryption.require_none(tx, kind)
    multiattach = types.says_yes(asked.get("multiattach"))
    if multiattach and not order.may_multiattach:
        raise Forbidden("Policy doesn't allow volume:multiattach to be performed.", type="PolicyNotAuthorized")
    await quotas.require_size(tx, context.project_id or "", size)
    await quotas.require(tx, context.project_id or "", kind.id, volumes=1, gigabytes=size)
    volume = Volume(
        id=ids.new_uuid(), project_id=context.project_id, user_id=context.user_id, name=order.name, description=order.description,
        size=size, status=states.CREATING, attach_status=states.DETACHED, volume_type_id=kind.id, availability_zone=zone,
        multiattach=multiattach, bootable=source.volume is not None and source.volume.bootable, snapshot_id=order.snapshot_id or
        (source.snapshot.id if source.snapshot else None), source_volid=source.copied.id if source.copied else None,
        created_at=context.now(), updated_at=None)
    tx.add(volume)
    tx.add_all(VolumeMetadata(volume_id=volume.id, key=key, value=value) for key, value in order.metadata.items())
    await tx.flush()
    await _keep_of_image(tx, volume, source)
    await tell(tx, context, volume, "create.start")
    await _ask(context, tx, volume, source, await _places(context, tx, order.hints))
    return volume


async def _ask(context: Context, tx: AsyncSession, volume: Volume, source: Source, places: dict[str, list[str]]) -> None:
    """The job holds its source, too, so that neither goes while the other is made."""
    image_id = source.image.id if source.image else None
    held = [row.id for row in (source.snapshot, source.copied) if row is not None]
    await jobs.ask(tx, context, JOB, locks=[volume.id, *held], resource=volume.id, volume=volume.id, image=image_id,
                   snapshot=source.snapshot.id if source.snapshot else None, source=source.copied.id if source.copied else None,
                   at=source.volume.host if source.volume else None, **places)


async def _source(context: Context, tx: AsyncSession, order: Order) -> Source:
    given = {"snapshot": order.snapshot_id, "imageRef": order.image, "source_volume": order.source_id}
    if len([value for value in given.values() if value]) > 1:
        raise BadRequest(f"Invalid input received: May specify only one of {', '.join(name for name, value in given.items() if value)}.")
    if order.image:
        return await _of_image(context, tx, await image_rules.meant(context, tx, order.image), order)
    if order.snapshot_id:
        return await _of_snapshot(context, tx, order.snapshot_id)
    if order.source_id:
        volume = await find(tx, context, order.source_id)
        if volume.status not in CLONED_FROM:
            raise BadRequest(f"Invalid volume: Originating source volume status must be one of '{', '.join(CLONED_FROM)}' values, but it "
                             f"is {volume.status}.", type="InvalidVolume")
        return Source(volume=volume)
    return Source()


async def _of_snapshot(context: Context, tx: AsyncSession, snapshot_id: str) -> Source:
    snapshot = await find_snapshot(tx, context, snapshot_id)
    if snapshot.status != states.AVAILABLE:
        raise BadRequest(f"Invalid snapshot: Originating snapshot status must be one of 'available' values, but it is "
                         f"{snapshot.status}.", type="InvalidSnapshot")
    return Source(snapshot=snapshot, volume=await tx.get(Volume, snapshot.volume_id))


async def _of_image(context: Context, tx: AsyncSession, image: images.Image, order: Order) -> Source:
    device = image_rules.snapshot_in(image) if order.images_of_servers else None
    if device is None:
        return Source(image=image)
    try:
        return await _of_snapshot(context, tx, str(device["snapshot_id"]))
    except NotFound as exc:
        raise NotFound(f"Nova specific image is found, but boot volume snapshot id:{device['snapshot_id']} not found.") from exc


def _size(order: Order, source: Source) -> int:
    size = order.size or source.size
    if not size:
        raise BadRequest(f"Invalid input received: Volume size '{order.size}' must be an integer and greater than 0.")
    least, what = source.size or 0, "the snapshot size" if source.snapshot else "original volume size"
    if size < least:
        raise BadRequest(f"Invalid input received: Volume size '{size}'GB cannot be smaller than {what} {least}GB. They must be >= "
                         f"{what}.")
    return size


async def _type(context: Context, tx: AsyncSession, order: Order, source: Source) -> VolumeType:
    """As asked, else the source's, else the image's, else the usual one."""
    if order.volume_type:
        return await types.find(tx, context, order.volume_type)
    if source.volume is not None:
        return await tx.get_one(VolumeType, (source.snapshot or source.volume).volume_type_id)
    if source.image is not None and (named := source.image.properties.get(image_rules.TYPE)):
        return await types.find(tx, context, named)
    return await types.default(tx, context)


def _zone(order: Order, source: Source) -> str:
    zone = order.zone or (source.volume.availability_zone if source.volume else None) or CONFIG.zone
    if zone != CONFIG.zone:
        raise BadRequest(f"Availability zone '{zone}' is invalid: there is {CONFIG.zone}.", type="InvalidAvailabilityZone")
    return zone


async def _keep_of_image(tx: AsyncSession, volume: Volume, source: Source) -> None:
    if source.image is not None:
        await image_rules.keep(tx, volume, image_rules.kept(source.image))
    elif source.volume is not None:
        texts = (await image_metadata_of(tx, [source.volume.id])).get(source.volume.id, {})
        await image_rules.keep(tx, volume, texts)


async def _places(context: Context, tx: AsyncSession, hints: dict[str, Any]) -> dict[str, list[str]]:
    """The places that the hints `same_host` and `different_host` mean: where those volumes lie."""
    return {"same": await _hosts(context, tx, hints.get("same_host")), "different": await _hosts(context, tx, hints.get("different_host"))}


async def _hosts(context: Context, tx: AsyncSession, volume_ids: Any) -> list[str]:
    if not volume_ids:
        return []
    wanted = volume_ids if isinstance(volume_ids, list) else [volume_ids]
    if not all(ids.is_uuid(one) for one in wanted):
        raise BadRequest(f"Invalid scheduler hints: {volume_ids} are no ids of volumes.")
    rows = [await find(tx, context, one) for one in wanted]
    return sorted({row.host for row in rows if row.host})
