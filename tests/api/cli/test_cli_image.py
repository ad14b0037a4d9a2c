"""`openstack` commands of the image service."""

import filecmp
from collections.abc import Callable
from pathlib import Path

import pytest
from openstack_cli import Cli

Later = Callable[..., None]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    path = tmp_path / "disk.raw"
    path.write_bytes(bytes(range(256)) * 4096)
    return path


@pytest.mark.parametrize("form", ["qcow2", "raw"])
def test_upload_show_save_delete(demo: Cli, name: str, qcow2: Path, raw: Path, tmp_path: Path, form: str, later: Later) -> None:
    file = qcow2 if form == "qcow2" else raw
    image = demo.json("image create --container-format bare --progress", "--disk-format", form, "--file", file, name)
    later(demo, "image delete", image["id"])
    assert image["status"] == "active" and image["size"] == file.stat().st_size
    shown = demo.json("image show", name)
    assert shown["disk_format"] == form and shown["container_format"] == "bare" and len(shown["checksum"]) == 32
    assert shown["properties"]["os_hash_algo"] == "sha512"
    demo("image save", "--file", tmp_path / "saved", image["id"])
    assert filecmp.cmp(file, tmp_path / "saved", shallow=False)
    demo("image delete", name)
    assert "No Image found" in demo.fails("image show", name)


def test_list(demo: Cli, image: str) -> None:
    rows = {row["ID"]: row for row in demo.json("image list")}
    assert rows[image]["Name"] == "cli-image" and rows[image]["Status"] == "active"
    assert [row["ID"] for row in demo.json("image list --public --name cli-image")] == [image]
    assert demo.json("image list --status queued --name cli-image") == []
    assert demo.json("image list --long --name cli-image")[0]["Visibility"] == "public"


def test_set_and_unset(demo: Cli, name: str, raw: Path, later: Later) -> None:
    image = demo.value("image create --disk-format raw", "id", "--file", raw, name)
    later(demo, "image delete", image)
    demo("image set --property hw_disk_bus=scsi --tag blue --min-disk 3 --min-ram 256", "--name", name + "-new", image)
    shown = demo.json("image show", image)
    assert shown["name"] == name + "-new" and shown["min_disk"] == 3 and shown["min_ram"] == 256
    assert shown["properties"]["hw_disk_bus"] == "scsi" and shown["tags"] == ["blue"]
    demo("image unset --property hw_disk_bus --tag blue", image)
    shown = demo.json("image show", image)
    assert "hw_disk_bus" not in shown["properties"] and shown["tags"] == []


def test_protected_and_foreign_images(admin: Cli, demo: Cli, name: str, raw: Path, later: Later) -> None:
    image = admin.value("image create --disk-format raw --private --protected", "id", "--file", raw, name)
    later(admin, "image delete", image)
    later(admin, "image set --unprotected", image)
    assert "403" in admin.fails("image delete", image)
    assert "No Image found" in demo.fails("image show", image)
    assert "403" in demo.fails("image create --public --disk-format raw", "--file", raw, name)
