"""The disks of a new server: the root, ephemeral ones and swap, from the flavor or from block_device_mapping_v2."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cloudd.compute.models import BlockDevice, Server
from cloudd.core import ids
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest

GIB = 1 << 30
MOST_LOCAL = 3                                                 # Nova's default of max_local_block_devices
NO_VOLUMES = ("Block device mapping is invalid: this cloud has no block storage service yet, so {what} cannot be used. Boot from "
              "an image (source_type image, destination_type local) instead.")


@dataclass(frozen=True, slots=True)
class Disk:
    """One local disk as it is to be made. `size` is in GiB, for swap in MiB."""

    name: str                                                  # root, ephemeral0, swap
    size: int
    image_id: str | None = None
    boot_index: int = -1
    bus: str | None = None
    device_type: str = "disk"
    device_name: str | None = None
    guest_format: str | None = None
    tag: str | None = None

    def row(self, context: Context, server: Server, number: int) -> BlockDevice:
        return BlockDevice(id=ids.new_uuid(), server_id=server.id, number=number, name=self.name,
                           source_type="image" if self.image_id else "blank", destination_type="local",
                           device_type=self.device_type, disk_bus=self.bus, device_name=self.device_name,
                           boot_index=self.boot_index, guest_format=self.guest_format, image_id=self.image_id,
                           volume_size=self.size, tag=self.tag, delete_on_termination=True, created_at=context.now())


def read(asked: Sequence[dict[str, Any]], flavor: dict[str, Any], image_id: str | None) -> list[Disk]:
    """The disks that a request for a server comes to. Raises BadRequest."""
    mapped = [_one(item) for item in asked if not item.get("no_device")]
    roots = [disk for disk in mapped if disk.boot_index == 0]
    if len(roots) > 1:
        raise BadRequest("Block Device Mapping is Invalid: Boot sequence for the instance and image/block device mapping "
                         "combination is not valid: several devices have boot_index 0.")
    disks = list(mapped)
    if roots:
        if image_id and roots[0].image_id and roots[0].image_id != image_id:
            raise BadRequest("Block Device Mapping is Invalid: imageRef and the device with boot_index 0 name different images.")
    elif image_id:
        disks.insert(0, Disk("root", flavor["disk"], image_id, 0))
    else:
        raise BadRequest("Block Device Mapping is Invalid: You must specify the boot device with boot_index=0, or an imageRef.")
    if len(disks) > MOST_LOCAL:
        raise BadRequest("Block Device Mapping is Invalid: You specified more local devices than the limit allows: "
                         f"{len(disks)} of at most {MOST_LOCAL}.")
    return _named([*disks, *_of_flavor(disks, flavor)], flavor)


def _one(item: dict[str, Any]) -> Disk:
    source, target = item.get("source_type", "volume"), item.get("destination_type")
    if target is None:
        target = "local" if source in ("image", "blank") and not (source == "image" and item.get("volume_size")) else "volume"
    if source in ("volume", "snapshot") or target == "volume":
        raise BadRequest(NO_VOLUMES.format(what=f"source_type {source} with destination_type {target}"))
    boot_index = item.get("boot_index")
    boot_index = -1 if boot_index in (None, "", "None", "none") else int(boot_index)
    if source == "image" and boot_index != 0:
        raise BadRequest("Block Device Mapping is Invalid: Mapping image to local is not supported except for the boot device "
                         "(boot_index 0).")
    if source == "image" and not item.get("uuid"):
        raise BadRequest("Block Device Mapping is Invalid: a device of source_type image needs the image's uuid.")
    if source == "blank" and item.get("uuid"):
        raise BadRequest("Block Device Mapping is Invalid: Invalid blank BDM: a device of source_type blank has no uuid.")
    swap = item.get("guest_format") == "swap"
    name = (item.get("device_name") or "").removeprefix("/dev/") or None
    return Disk("root" if boot_index == 0 else "swap" if swap else "ephemeral", int(item.get("volume_size") or 0),
                item.get("uuid"), boot_index, item.get("disk_bus"), item.get("device_type") or "disk", name,
                item.get("guest_format"), item.get("tag"))


def _of_flavor(disks: list[Disk], flavor: dict[str, Any]) -> list[Disk]:
    """What the flavor brings that the request did not speak of."""
    more = []
    if flavor["ephemeral"] and not any(disk.name == "ephemeral" for disk in disks):
        more.append(Disk("ephemeral", flavor["ephemeral"]))
    if flavor["swap"] and not any(disk.name == "swap" for disk in disks):
        more.append(Disk("swap", flavor["swap"], guest_format="swap"))
    return more


def _named(disks: list[Disk], flavor: dict[str, Any]) -> list[Disk]:
    """Each with its file's name and size; what is more than the flavor has is refused."""
    ephemerals = [disk for disk in disks if disk.name == "ephemeral"]
    if sum(disk.size for disk in ephemerals) > flavor["ephemeral"]:
        raise BadRequest(f"Ephemeral disks requested are larger than the instance type allows: "
                         f"{sum(disk.size for disk in ephemerals)} GiB of {flavor['ephemeral']} GiB.")
    swaps = [disk for disk in disks if disk.name == "swap"]
    if len(swaps) > 1 or (swaps and swaps[0].size > flavor["swap"]):
        raise BadRequest(f"Swap drive requested is larger than instance type allows: {flavor['swap']} MiB in one device.")
    named, number = [], 0
    for disk in disks:
        size = disk.size
        if disk.name == "root":
            size = flavor["disk"]
        elif disk.name == "ephemeral":
            size = size or flavor["ephemeral"] if len(ephemerals) == 1 else size
        elif disk.name == "swap":
            size = size or flavor["swap"]
        name = disk.name if disk.name != "ephemeral" else f"ephemeral{number}"
        number += disk.name == "ephemeral"
        named.append(Disk(name, size, disk.image_id, disk.boot_index, disk.bus, disk.device_type, disk.device_name,
                          disk.guest_format, disk.tag))
    return named
