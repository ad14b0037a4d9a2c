"""`openstack` commands of volumes, snapshots, attachments and transfers."""

import time
import uuid
from collections.abc import Callable

import openstack
import pytest
from openstack_cli import Cli

Later = Callable[..., None]
VERSION = "--os-volume-api-version"
SECONDS = 30


def become(cli: Cli, kind: str, row: str, status: str) -> None:
    """Wait until a volume or a snapshot is in a status."""
    until = time.monotonic() + SECONDS
    while (seen := cli.value(f"{kind} show", "status", row)) != status:
        assert time.monotonic() < until and seen != "error", seen
        time.sleep(0.1)


def gone(cli: Cli, kind: str, row: str) -> None:
    until = time.monotonic() + SECONDS
    while row in [found["ID"] for found in cli.json(f"{kind} list")]:
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.fixture
def volume(demo: Cli, name: str, later: Later) -> str:
    made = demo.value("volume create --size 1", "id", name)
    later(demo, "volume delete", made)
    become(demo, "volume", made, "available")
    return made


def test_create_show_set_list_delete(demo: Cli, name: str, later: Later) -> None:
    made = demo.json("volume create --size 1 --description words --property a=b --property c=d --bootable --read-only", name)
    later(demo, "volume delete", made["id"])
    become(demo, "volume", made["id"], "available")
    shown = demo.json("volume show", name)
    assert (shown["size"], shown["description"], shown["type"], shown["bootable"]) == (1, "words", "__DEFAULT__", True)
    assert {**shown["properties"], "readonly": "True"} == {"a": "b", "c": "d", "readonly": "True"}
    demo("volume set --description other --property e=f --non-bootable --read-write --size 3", "--name", name + "-new", name)
    become(demo, "volume", made["id"], "available")
    demo("volume unset --property a", made["id"])
    shown = demo.json("volume show", made["id"])
    assert (shown["name"], shown["size"], shown["bootable"]) == (name + "-new", 3, False)
    assert (shown["properties"]["e"], "a" in shown["properties"]) == ("f", False)
    rows = {row["ID"]: row for row in demo.json("volume list --long --name", name + "-new")}
    assert rows[made["id"]]["Status"] == "available" and rows[made["id"]]["Size"] == 3
    assert demo.json("volume list --status error --name", name + "-new") == []
    assert len(demo.json("volume list --limit 1")) == 1
    assert demo.json("volume summary")["Total Count"] >= 1
    demo("volume delete", name + "-new")
    gone(demo, "volume", made["id"])


def test_from_an_image_and_an_image_of_it(demo: Cli, image: str, name: str, later: Later) -> None:
    made = demo.value("volume create --size 1", "id", "--image", image, name)
    later(demo, "volume delete", made)
    become(demo, "volume", made, "available")
    shown = demo.json("volume show", made)
    assert shown["bootable"] is True and shown["volume_image_metadata"]["image_id"] == image
    copy = demo.json("image create --disk-format qcow2", "--volume", name, name + "-image")
    later(demo, "image delete", copy["image_id"])
    become(demo, "volume", made, "available")
    assert demo.value("image show", "status", copy["image_id"]) == "active"
    demo("volume set --image-property x=y", made)
    assert demo.json("volume show", made)["volume_image_metadata"]["x"] == "y"
    demo("volume unset --image-property x", made)


def test_snapshots_and_clones(demo: Cli, volume: str, name: str, later: Later) -> None:
    snapshot = demo.json("volume snapshot create --description then --property a=b", "--volume", volume, name)
    later(demo, "volume snapshot delete", snapshot["id"])
    become(demo, "volume snapshot", snapshot["id"], "available")
    demo("volume snapshot set --property c=d --description later", "--name", name + "-new", snapshot["id"])
    demo("volume snapshot unset --property a", snapshot["id"])
    shown = demo.json("volume snapshot show", snapshot["id"])
    assert (shown["name"], shown["description"], shown["properties"]) == (name + "-new", "later", {"c": "d"})
    assert [row["ID"] for row in demo.json("volume snapshot list --volume", volume)] == [snapshot["id"]]
    for option, row in (("--snapshot", snapshot["id"]), ("--source", volume)):
        clone = demo.value("volume create", "id", option, row, name + option)
        later(demo, "volume delete", clone)
        become(demo, "volume", clone, "available")
    demo(f"{VERSION} 3.40 volume revert", snapshot["id"])
    become(demo, "volume", volume, "available")
    assert "cascade" in demo.fails("volume delete", volume)
    demo("volume delete --purge", volume)
    gone(demo, "volume", volume)


def test_what_administrators_do(admin: Cli, demo: Cli, volume: str) -> None:
    admin("volume set --state error", volume)
    assert admin.value("volume show", "status", volume) == "error"
    admin("volume set --state available --detached", volume)
    assert volume in [row["ID"] for row in admin.json("volume list --all-projects")]
    assert "@simulated#simulated" in admin.json("volume show", volume)["os-vol-host-attr:host"]
    assert "403" in demo.fails("volume delete --force", volume)
    admin("volume delete --force", volume)
    gone(demo, "volume", volume)


def test_transfers(admin: Cli, demo: Cli, volume: str, name: str, later: Later) -> None:
    offered = demo.json(f"{VERSION} 3.55 volume transfer request create", "--name", name, volume)
    later(demo, "volume transfer request delete", offered["id"])
    assert [row["ID"] for row in demo.json("volume transfer request list") if row["Name"] == name] == [offered["id"]]
    assert demo.json("volume transfer request show", name)["volume_id"] == volume
    assert "400" in admin.fails("volume transfer request accept --auth-key wrong", offered["id"])
    admin("volume transfer request accept", "--auth-key", offered["auth_key"], offered["id"])
    later(admin, "volume delete", volume)
    assert volume in [row["ID"] for row in admin.json("volume list")]
    assert "No Volume found" in demo.fails("volume show", volume)


def test_attachments(demo: Cli, volume: str) -> None:
    server = str(uuid.uuid4())
    newest = f"{VERSION} 3.54"
    made = demo.json(f"{newest} volume attachment list")
    assert made == []
    block = openstack.connect(cloud="demo").block_storage
    attachment = block.post("/attachments", json={"attachment": {"volume_uuid": volume, "instance_uuid": server}},
                            microversion="3.54").json()["attachment"]
    assert demo.json(f"{newest} volume attachment show", attachment["id"])["Status"] == "reserved"
    demo(f"{newest} volume attachment set --host node --mountpoint /dev/vdb", attachment["id"])
    demo(f"{newest} volume attachment complete", attachment["id"])
    assert demo.value("volume show", "status", volume) == "in-use"
    assert [row["ID"] for row in demo.json(f"{newest} volume attachment list")] == [attachment["id"]]
    demo(f"{newest} volume attachment delete", attachment["id"])
    assert demo.value("volume show", "status", volume) == "available"
