"""The rules of image records: creating, patching, deleting."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import events, ids, jobs
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Conflict, Forbidden, NotFound
from cloudd.image import blobs, states
from cloudd.image.models import Image, ImageMember, ImageProperty, ImageTag, visible

CONTAINERS = ("ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed")
DISKS = ("ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop")
VISIBILITIES = ("public", "private", "shared", "community")
READONLY = frozenset({"created_at", "updated_at", "status", "checksum", "os_hash_algo", "os_hash_value", "size", "virtual_size",
                      "direct_url", "self", "file", "schema", "stores", "id"})
BASE = READONLY | {"name", "visibility", "protected", "os_hidden", "container_format", "disk_format", "min_disk", "min_ram",
                   "tags", "owner", "locations"}
RESERVED = ("os_glance_",)
NULLABLE = frozenset({"kernel_id", "ramdisk_id"})             # the properties that may be null, as Glance's schema has them


@dataclass(frozen=True)
class ImageChanged(events.Event):
    """An image was created, updated, uploaded, deleted: the name says which."""

    resource_id: str
    image: dict[str, Any] = field(default_factory=dict)
    event: str = "image.update"

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.event


async def tell(tx: AsyncSession, context: Context, image: Image, event: str) -> None:
    """Emit an event under upstream's notification name (`image.create`, `image.upload`, ...)."""
    facts = {name: getattr(image, name) for name in ("name", "status", "visibility", "size", "disk_format", "container_format")}
    await events.emit(tx, context, ImageChanged(image.id, facts, event), project_id=image.project_id)


async def find(tx: AsyncSession, context: Context, image_id: str) -> Image:
    """The image, if the caller may show it. Raises NotFound."""
    image = (await tx.execute(visible(context).where(Image.id == image_id))).scalar()
    if image is None:
        raise NotFound(f"No image found with ID {image_id}", type="ImageNotFound")
    return image


async def create(tx: AsyncSession, context: Context, values: Mapping[str, Any]) -> Image:
    """Make the record of an image, `queued`. `values` has base members by name, all others are custom properties."""
    image_id = values.get("id") or ids.new_uuid()
    if await tx.get(Image, image_id) is not None:
        raise Conflict(f"Image ID {image_id} already exists!", type="Duplicate")
    properties = {name: value for name, value in values.items() if name not in BASE}
    check_properties(properties)
    moment = context.now()
    image = Image(id=image_id, project_id=values.get("owner") or context.project_id, status=states.QUEUED,
                  visibility=values.get("visibility", "shared"), created_at=moment, updated_at=moment, tags=[],
                  property_rows=[ImageProperty(name=name, value=value) for name, value in properties.items()], tag_rows=[],
                  locations=[],
                  **{name: values[name] for name in ("name", "protected", "os_hidden", "container_format", "disk_format",
                                                     "min_disk", "min_ram") if name in values})
    tx.add(image)
    await tx.flush()
    await set_tags(tx, image, values.get("tags", []))
    await tell(tx, context, image, "image.create")
    return image


def check_properties(properties: Mapping[str, Any]) -> None:
    """Raise Forbidden for names that are Glance's own, BadRequest for what is not text."""
    for name, value in properties.items():
        if name.startswith(RESERVED):
            raise Forbidden(f"Attribute '{name}' is reserved.", type="ReservedProperty")
        if not isinstance(value, str) and (value is not None or name not in NULLABLE):
            raise BadRequest(f"The value of the property {name} is not text: {value!r}. Custom properties are text.")
        if not name or len(name) > 255:
            raise BadRequest(f"A property's name has 1 to 255 characters: {name[:60]!r}.")


async def set_tags(tx: AsyncSession, image: Image, tags: list[str]) -> None:
    """Replace the tags; doubles count once."""
    wanted = list(dict.fromkeys(tags))
    if bad := [tag for tag in wanted if not isinstance(tag, str) or not 0 < len(tag) <= 255]:
        raise BadRequest(f"A tag is text of 1 to 255 characters, not {bad[0]!r}.")
    await tx.execute(ImageTag.__table__.delete().where(ImageTag.image_id == image.id))
    for tag in wanted:
        tx.add(ImageTag(image_id=image.id, tag=tag))
    image.tags = wanted
    await tx.flush()


async def update(tx: AsyncSession, context: Context, image: Image, changes: Mapping[str, Any], removed: set[str]) -> Image:
    """Set base members and custom properties to new values; `removed` are properties to drop."""
    properties = {**image.properties, **{name: value for name, value in changes.items() if name not in BASE}}
    check_properties({name: value for name, value in changes.items() if name not in BASE})
    image.set_properties({name: value for name, value in properties.items() if name not in removed})
    for name in BASE & changes.keys():
        if name == "tags":
            await set_tags(tx, image, changes["tags"])
        else:
            setattr(image, "project_id" if name == "owner" else name, changes[name])
    image.updated_at = context.now()
    await tx.flush()
    await tell(tx, context, image, "image.update")
    return image


async def delete(tx: AsyncSession, context: Context, image: Image) -> None:
    """Remove the record; a job removes the data. Raises Forbidden for a protected image."""
    if image.protected:
        raise Forbidden(f"Image {image.id} is protected and cannot be deleted. Unprotect it first: "
                        "openstack image set --unprotected ID.", type="ProtectedImageDelete")
    await tell(tx, context, image, "image.delete")
    if image.locations or image.status in (states.UPLOADING, states.IMPORTING):
        await jobs.cancel(tx, image.id, ("image.import", "image.copy", "image.sum_location"))
        gone = [await blobs.let_go(tx, image, location) for location in list(image.locations)]
        await jobs.ask(tx, context, "image.delete_data", locks=[image.id], blobs=gone, image=image.id)
    await tx.delete(image)
    await tx.flush()


async def set_active(tx: AsyncSession, context: Context, image: Image, move: str) -> None:
    """Deactivate or reactivate."""
    if image.status not in (states.ACTIVE, states.DEACTIVATED):
        raise Forbidden(f"Not allowed to {move} image in status '{image.status}'", type="Forbidden")
    await states.IMAGE.enter(tx, image, move)
    image.updated_at = context.now()
    await tell(tx, context, image, f"image.{move}")


async def members_of(tx: AsyncSession, image: Image) -> list[ImageMember]:
    query = select(ImageMember).where(ImageMember.image_id == image.id).order_by(ImageMember.member_id)
    return list((await tx.execute(query)).scalars())
