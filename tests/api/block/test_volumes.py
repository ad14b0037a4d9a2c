"""Volumes: made from nothing, images, snapshots, each other; shown at every version; changed and deleted."""

import pytest

from tests.api.block.room import V

NOBODY = "00000000-0000-4000-8000-000000000000"


async def test_a_blank_volume_becomes_available(room):
    answer = await room.create(name="disk", description="mine", metadata={"a": "b"})
    assert answer.status == 202
    made = answer.body["volume"]
    assert (made["status"], made["size"], made["bootable"], made["encrypted"]) == ("creating", 1, "false", False)
    await room.cloud.settled()
    shown = await room.show(made["id"])
    assert shown["status"] == "available" and shown["metadata"] == {"a": "b"} and shown["volume_type"] == "__DEFAULT__"
    assert shown["os-vol-tenant-attr:tenant_id"] == room.user.project_id and "os-vol-host-attr:host" not in shown
    by_admin = (await room.admin.get(f"{V}/volumes/{made['id']}")).body["volume"]
    assert by_admin["os-vol-host-attr:host"].endswith("@simulated#simulated")


@pytest.mark.parametrize("size", [0, -1, "x", 2**31, 2**63, 1.5, True, None])
async def test_sizes_that_are_none_are_refused(room, size):
    answer = await room.create(size=size)
    assert answer.status == 400, answer.content
    assert (await room.user.get(f"{V}/volumes")).body["volumes"] == []


async def test_another_projects_volume_is_not_there(room, cloud):
    volume = await room.volume()
    assert (await cloud.demo.get(f"{V}/volumes/{volume}")).status == 404
    assert (await cloud.demo.delete(f"{V}/volumes/{volume}")).status == 404
    assert (await cloud.demo.post(f"{V}/volumes", {"volume": {"source_volid": volume, "size": 1}})).status == 404
    await room.user.delete(f"{V}/volumes/{volume}")
