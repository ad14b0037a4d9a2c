"""Every action in every status: accepted from where upstream accepts it, else refused with upstream's code and nothing changed."""

import pytest

from cloudd.block import states
from cloudd.block.models import Snapshot, Volume
from cloudd.block.quotas import QUOTAS
from tests.api.block.room import V

STATUSES = ("creating", "available", "deleting", "error", "error_deleting", "error_managing", "managing", "attaching", "in-use",
            "detaching", "maintenance", "restoring-backup", "error_restoring", "reserved", "awaiting-transfer", "backing-up",
            "error_backing-up", "error_extending", "downloading", "uploading", "retyping", "extending", "unmanaging", "reverting")
DELETABLE = ("available", "error", "error_restoring", "error_extending", "error_managing", "error_backing-up", "error_deleting")
IMAGE = "image"


def action(name, value=None, by="user"):
    async def send(room, volume, image):
        sent = {**value, "image_id": image} if isinstance(value, dict) and value.get("image_id") == IMAGE else value
        return await getattr(room, by).post(f"{V}/volumes/{volume}/action", {name: sent})
    return send


def post(path, kind, key, **values):
    async def send(room, volume, image):
        return await room.user.post(f"{V}/{path}", {kind: {key: volume, **values}})
    return send


async def delete(room, volume, image):
    return await room.user.delete(f"{V}/volumes/{volume}")


CASES = {
    "delete": (delete, DELETABLE, 400), "unmanage": (action("os-unmanage", {}, "admin"), DELETABLE, 400),
    "extend": (action("os-extend", {"new_size": 2}), ("available", "in-use"), 400),
    "reserve": (action("os-reserve"), ("available",), 400),
    "begin detaching": (action("os-begin_detaching"), (), 400),           # in-use, but for that it has to be attached
    "upload": (action("os-volume_upload_image", {"image_name": "i", "disk_format": "qcow2"}), ("available",), 400),
    "readonly": (action("os-update_readonly_flag", {"readonly": True}), ("available",), 400),
    "reimage": (action("os-reimage", {"image_id": IMAGE}), ("available", "error"), 400),
    "attachment": (post("attachments", "attachment", "volume_uuid"), ("available", "downloading"), 400),
    "clone": (post("volumes", "volume", "source_volid"), ("available", "in-use"), 400),
    "transfer": (post("volume-transfers", "transfer", "volume_id"), ("available",), 400),
    "snapshot": (post("snapshots", "snapshot", "volume_id"), ("available", "in-use"), 400),
    "bootable": (action("os-set_bootable", {"bootable": True}), tuple(one for one in STATUSES if one != "maintenance"), 400),
    "unreserve": (action("os-unreserve"), STATUSES, 400), "roll detaching": (action("os-roll_detaching"), STATUSES, 400),
    "image metadata": (action("os-set_image_metadata", {"metadata": {"a": "b"}}),
                       tuple(one for one in STATUSES if one not in ("maintenance", "uploading")), 400),
}


HARMLESS = ("readonly", "bootable", "unreserve", "roll detaching", "image metadata")


async def force(room, model, row, status):
    async with room.cloud.parts.database.write() as tx:
        found = await tx.get_one(model, row)
        found.status = status if model is Snapshot else found.status
        if model is Volume:
            states.settle(found, status)


@pytest.mark.parametrize("case", CASES)
async def test_volumes(room, case):
    send, allowed, code = CASES[case]
    async with room.cloud.parts.database.write() as tx:
        await QUOTAS.set(tx, room.user.project_id, {"volumes": -1})
    image, volume = await room.image(), await room.volume()
    for status in STATUSES:
        await force(room, Volume, volume, status)
        before = await room.show(volume)
        answer = await send(room, volume, image)
        if status not in allowed:
            assert answer.status == code, (case, status, answer.content)
            assert await room.show(volume) == before, (case, status)
            continue
        assert answer.status in (200, 202), (case, status, answer.content)
        await room.cloud.settled()
        volume = await room.volume()


async def test_reverts_are_conflicts(room):
    volume = await room.volume()
    snapshot = await room.snapshot(volume)
    for status in STATUSES:
        await force(room, Volume, volume, status)
        answer = await room.act(volume, "revert", {"snapshot_id": snapshot})
        assert answer.status == (202 if status == "available" else 409), (status, answer.content)
    await force(room, Volume, volume, "available")
    for status in ("error", "creating", "deleting", "restoring"):
        await force(room, Snapshot, snapshot, status)
        assert (await room.act(volume, "revert", {"snapshot_id": snapshot})).status == 409
        assert await room.status(volume) == "available"


@pytest.mark.parametrize("status", ["creating", "available", "deleting", "error", "error_deleting", "updating", "unmanaging", "backing-up",
                                    "restoring"])
async def test_snapshots(room, status):
    volume = await room.volume()
    snapshot = await room.snapshot(volume)
    await force(room, Snapshot, snapshot, status)
    clone = await room.create(snapshot_id=snapshot)
    assert clone.status == (202 if status == "available" else 400)
    await room.cloud.settled()
    answer = await room.user.delete(f"{V}/snapshots/{snapshot}")
    assert answer.status == (202 if status in ("available", "error", "error_deleting") else 400)
    await room.cloud.settled()
    if answer.status == 400:
        unmanaged = await room.admin.post(f"{V}/snapshots/{snapshot}/action", {"os-unmanage": None})
        assert unmanaged.status == 400
        assert (await room.user.delete(f"{V}/volumes/{volume}?cascade=true")).status == 400 or status == "deleting"
