"""The inspector tells formats by content and refuses what names other files."""

import struct
import subprocess

import pytest

from cloudd.core.errors import BadRequest
from cloudd.image.inspect import HEAD, Found, check_declared, inspect


def made(tmp_path, kind, *options):
    path = tmp_path / f"disk.{kind}"
    subprocess.run(["qemu-img", "create", "-q", "-f", kind, *options, path, "16M"], check=True, timeout=30)
    return path.read_bytes()


@pytest.mark.parametrize(("kind", "format"), [("qcow2", "qcow2"), ("vmdk", "vmdk"), ("vpc", "vhd"), ("vhdx", "vhdx"),
                                              ("vdi", "vdi"), ("raw", "raw")])
def test_real_images_are_told_apart(tmp_path, kind, format):
    data = made(tmp_path, kind)
    found = inspect(data[:HEAD], len(data))
    assert found.format == format
    if format in ("qcow2", "vmdk", "vdi", "raw"):
        assert found.virtual_size == 16 << 20


def test_a_backing_file_is_refused(tmp_path):
    (tmp_path / "base").write_bytes(b"\0" * 512)
    data = made(tmp_path, "qcow2", "-b", str(tmp_path / "base"), "-F", "raw")
    with pytest.raises(BadRequest, match="backing file"):
        inspect(data[:HEAD], len(data))


def test_an_external_data_file_is_refused(tmp_path):
    data = made(tmp_path, "qcow2", "-o", f"data_file={tmp_path}/data,data_file_raw=on")
    with pytest.raises(BadRequest, match="data file"):
        inspect(data[:HEAD], len(data))


def test_an_encrypted_qcow2_is_refused(tmp_path):
    data = bytearray(made(tmp_path, "qcow2"))
    struct.pack_into(">I", data, 32, 2)
    with pytest.raises(BadRequest, match="encrypted"):
        inspect(bytes(data[:HEAD]), len(data))


def test_a_vmdk_of_extents_is_refused(tmp_path):
    data = made(tmp_path, "vmdk", "-o", "subformat=monolithicFlat")
    with pytest.raises(BadRequest, match="vmdk"):
        inspect(data[:HEAD], len(data))


@pytest.mark.parametrize("size", [0, 1, 4, 20, 71, 103])
def test_cut_headers_are_refused_not_crashed_on(size):
    head = (b"QFI\xfb" + b"\0" * 200)[:size]
    try:
        assert inspect(head, size).format == "raw"
    except BadRequest:
        assert size >= 4


@pytest.mark.parametrize(("declared", "found", "good"), [
    ("qcow2", "qcow2", True), ("raw", "raw", True), ("raw", "qcow2", False), ("qcow2", "raw", False), ("aki", "raw", True),
    ("raw", "iso", True), (None, "qcow2", True), ("iso", "raw", False),
])
def test_the_declared_format_must_be_the_real_one(declared, found, good):
    if good:
        check_declared(declared, Found(found))
    else:
        with pytest.raises(BadRequest, match=f"it is {found}"):
            check_declared(declared, Found(found))
