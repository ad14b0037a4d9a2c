"""Images as servers use them: whether one may boot on a flavor, the copy that a server keeps, and images made of servers."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd import image as images
from cloudd.compute import states
from cloudd.compute.boot import spec as boot_spec
from cloudd.compute.boot.hardware import TRUE
from cloudd.compute.config import CONFIG
from cloudd.compute.hosts import demands
from cloudd.compute.models import Server
from cloudd.compute.quotas.values import QUOTAS
from cloudd.compute.servers import actions
from cloudd.compute.servers import change as servers
from cloudd.compute.servers.events import tell
from cloudd.core import jobs
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Conflict, NotFound, OverQuota

GIB = 1 << 30
RESERVED = {"id", "name", "owner", "status", "visibility", "protected", "tags", "min_disk", "min_ram", "size", "virtual_size",
            "checksum", "disk_format", "container_format", "os_hidden", "created_at", "updated_at", "locations"}
NO_KERNEL = "nokernel"                                         # EC2's word for an image that boots by its own loader
INHERITED = ("os_type", "os_distro", "os_version", "os_admin_user", "os_require_quiesce", "architecture", "kernel_id",
             "ramdisk_id", "vm_mode", "auto_disk_config")
"""Properties that an image of a server takes from the image that the server was made from, besides all `hw_…` and `img_…`."""


async def usable(context: Context, tx: AsyncSession, image_id: str, flavor: dict[str, Any]) -> dict[str, Any]:
    """The copy of an image that a server keeps. Raises BadRequest, NoCapacity when it cannot boot here on this flavor."""
    try:
        image = await images.get(context, tx, image_id)
    except NotFound as exc:
        raise BadRequest(f"Invalid imageRef provided: image {image_id} could not be found.", type="ImageNotFound") from exc
    if image.status != "active":
        raise BadRequest(f"Image {image_id} is not active: it is {image.status}.", type="ImageNotActive")
    if flavor["ram"] < (image.min_ram or 0):
        raise BadRequest(f"Flavor's memory is too small for requested image: it has {flavor['ram']} MiB, the image needs "
                         f"{image.min_ram} MiB.", type="FlavorMemoryTooSmall")
    if flavor["disk"]:
        _require_disk(image, flavor["disk"])
    kept = copy(image)
    await _require_boot_files(context, tx, kept)
    if CONFIG.caps is not None:
        boot_spec.require_possible(CONFIG.caps, flavor, kept["properties"])
    await demands.require(tx, flavor, kept["properties"])
    return kept


def boot_files(image: dict[str, Any]) -> dict[str, str | None]:
    """The columns of a server that name the kernel and ramdisk which its image boots with."""
    properties = image.get("properties") or {}
    own_loader = properties.get("kernel_id") == NO_KERNEL
    return {name: None if own_loader else properties.get(name) or None for name in ("kernel_id", "ramdisk_id")}


async def _require_boot_files(context: Context, tx: AsyncSession, image: dict[str, Any]) -> None:
    """An image's owner may name any id as its kernel: each is looked up as the caller sees it, like the image itself."""
    for name, image_id in boot_files(image).items():
        if image_id is None:
            continue
        try:
            found = await images.get(context, tx, image_id)
        except NotFound as exc:
            raise BadRequest(f"Image {image['id']} has {name} = {image_id}: image {image_id} could not be found.",
                             type="ImageNotFound") from exc
        if found.status != "active":
            raise BadRequest(f"Image {image['id']} has {name} = {image_id}: image {image_id} is not active, it is "
                             f"{found.status}.", type="ImageNotActive")


def copy(image: images.Image) -> dict[str, Any]:
    properties = {name: value for name, value in image.properties.items() if value is not None}
    return {"id": image.id, "name": image.name, "disk_format": image.disk_format, "container_format": image.container_format,
            "min_disk": image.min_disk or 0, "min_ram": image.min_ram or 0, "size": image.size,
            "virtual_size": image.virtual_size, "checksum": image.checksum, "properties": properties}


def _require_disk(image: images.Image, disk_gb: int) -> None:
    size = max(image.size or 0, image.virtual_size or 0)
    if size > disk_gb * GIB:
        raise BadRequest(f"Flavor's disk is too small for requested image. Flavor disk is {disk_gb * GIB} bytes, image is {size} "
                         "bytes.", type="FlavorDiskSmallerThanImage")
    if (image.min_disk or 0) > disk_gb:
        raise BadRequest("Flavor's disk is smaller than the minimum size specified in image metadata. Flavor disk is "
                         f"{disk_gb * GIB} bytes, minimum size is {image.min_disk * GIB} bytes.",
                         type="FlavorDiskSmallerThanMinDisk")


async def snapshot(context: Context, tx: AsyncSession, server: Server, name: str, metadata: dict[str, str], settings: Any) -> str:
    """Order an image of the server's root disk; its id. Raises OverQuota for too many metadata items, or properties of the image."""
    most = (await QUOTAS.limits(tx, context.project_id or ""))["metadata_items"]
    if 0 <= most < len(metadata):
        raise OverQuota(f"Quota exceeded, too many image metadata items: {len(metadata)} of at most {most}.", type="OverQuota")
    states.require_launched(server, "snapshot")
    was = server.vm_state
    await states.SERVER.enter(tx, server, "snapshot")
    base = server.image.get("properties", {})
    if was != states.STOPPED and str(base.get("os_require_quiesce", "")).lower() in TRUE:
        raise Conflict(f"The image of instance {server.id} has os_require_quiesce = {base['os_require_quiesce']}, and the file systems "
                       "of a running guest are not quiesced here; stop it first.", type="InstanceQuiesceNotSupported")
    properties = {key: value for key, value in base.items() if key.startswith(("hw_", "img_")) or key in INHERITED}
    properties |= {"image_type": "snapshot", "instance_uuid": server.id, "user_id": server.user_id, "owner_project_name": None,
                   "base_image_ref": server.image_id, "image_location": "snapshot", "image_state": "available",
                   "owner_id": server.project_id, **metadata}
    properties = {key: str(value) for key, value in properties.items()
                  if value is not None and key not in RESERVED and not key.startswith("os_glance")}
    images.require_properties(settings, properties)
    image = await images.create_for_server(context, tx, name, properties, min_disk=server.root_gb,
                                           min_ram=server.image.get("min_ram", 0))
    await servers.touch(context, tx, server)
    await actions.begin(tx, context, server, "createImage")
    await tell(tx, context, server, "snapshot.start")
    await jobs.ask(tx, context, "compute.server.snapshot", locks=[server.id], server=server.id, image=image.id)
    return image.id
