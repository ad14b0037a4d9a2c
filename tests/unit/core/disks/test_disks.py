"""What core makes of disks by itself is what QEMU's own tools take it for."""

import asyncio
import os
import subprocess

import pytest

from cloudd.core.confined import ToolError
from cloudd.core.disks import files, locks, luks, nodes, qcow2, server
from cloudd.core.disks.nbd import NbdError
from cloudd.core.disks.secrets import handed

MIB = 1 << 20
SECRET = b"0123456789abcdef0123456789abcdef"


def tool(*command: str, files: tuple[int, ...] = ()) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, pass_fds=files).stdout


@pytest.mark.parametrize("size", [512, MIB, 8 << 40, 64 << 40])
def test_layers_are_sound_and_small_whatever_their_size(size, tmp_path):
    one, other = tmp_path / "one.qcow2", tmp_path / "other.qcow2"
    qcow2.make_layer(one, size)
    qcow2.make_layer(other, size, one.name, "qcow2")
    for path in (one, other):
        tool("qemu-img", "check", "-f", "qcow2", str(path))
        assert f"({size} bytes)" in tool("qemu-img", "info", "-f", "qcow2", str(path)) and qcow2.size_of(path) == size
        assert path.stat().st_blocks * 512 < MIB
    told = tool("qemu-img", "info", "-f", "qcow2", str(other))
    assert "backing file: one.qcow2" in told and "backing file format: qcow2" in told and "extended l2: true" in told


def test_a_layer_grows_by_its_header_alone_as_far_as_its_tables_go(tmp_path):
    path = tmp_path / "one.qcow2"
    qcow2.make_layer(path, MIB)
    with path.open("r+b") as file:
        assert qcow2.grow(file.fileno(), 16 << 40) and not qcow2.grow(file.fileno(), 17 << 40)
    assert f"({16 << 40} bytes)" in tool("qemu-img", "info", "-f", "qcow2", str(path))
    tool("qemu-io", "-f", "qcow2", "-c", f"write -P 1 {(16 << 40) - 4096} 4k", str(path))
    tool("qemu-img", "check", "-f", "qcow2", str(path))


def test_a_layer_is_said_to_stand_on_another_file_or_on_none(tmp_path):
    path = tmp_path / "one.qcow2"
    qcow2.make_layer(path, MIB, "first.raw", "raw", luks.header(SECRET, "aes-xts-plain64", 256))
    crypto = qcow2.crypto_header(path)
    for name, format in (("another-name-that-is-longer.qcow2", "qcow2"), ("x", "raw"), ("", "")):
        qcow2.stand_on(path, name, format)
        with handed({"k": SECRET}) as secret:
            told = tool("qemu-img", "info", *secret.words, "--image-opts",
                        f"driver=qcow2,encrypt.key-secret=k,backing=,file.filename={path}", files=secret.files) if not name else ""
        assert "backing file" not in told and qcow2.crypto_header(path) == crypto
        head = path.read_bytes()[:4096]
        assert not name or (name.encode() in head and format.encode() in head)


@pytest.mark.parametrize(("cipher", "size"), [(cipher, size) for cipher, sizes in luks.CIPHERS.items() for size in sizes])
async def test_qemu_opens_the_luks_that_is_made_here_by_its_passphrase_only(cipher, size, tmp_path):
    header = luks.header(SECRET, cipher, size)
    raw = tmp_path / "one.raw"
    raw.write_bytes(header)
    os.truncate(raw, len(header) + 8 * MIB)
    layer = tmp_path / "one.qcow2"
    qcow2.make_layer(layer, 8 * MIB, crypto=header)
    for disk in ((nodes.File(raw, "raw", True),), (nodes.File(layer, "qcow2", True),)):
        served = await server.serve(disk, tmp_path, write=True, keys={nodes.KEY: SECRET})
        await served.client.write(MIB, b"clear text" * 512)
        assert served.client.size == 8 * MIB and bytes(await served.client.read(MIB, 5120)) == b"clear text" * 512
        await served.close()
        assert b"clear text" not in disk[0].path.read_bytes()
        with pytest.raises(ToolError, match="Invalid password"):
            await server.serve(disk, tmp_path, write=False, keys={nodes.KEY: b"another"})
    assert header != luks.header(SECRET, cipher, size)


def test_ciphers_that_are_not_offered():
    for cipher, size in (("aes-xts-plain64", 128), ("aes-ecb", 256), ("twofish-xts-plain64", 512)):
        with pytest.raises(ValueError, match=cipher):
            luks.header(SECRET, cipher, size)


def test_secrets_are_gone_with_those_they_were_for():
    with handed({"a": b"first", "b": b"second"}) as secret:
        assert secret.words[1] == f"secret,id=a,file=/dev/fd/{secret.files[0]}" and len(secret.files) == 2
        assert os.pread(secret.files[1], 100, 0) == b"second"
    for handle in secret.files:
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(handle)


async def test_locks_are_those_of_qemu(tmp_path):
    path = tmp_path / "one.raw"
    path.write_bytes(bytes(MIB))
    disk = (nodes.File(path, "raw"),)
    assert not locks.is_open(path)
    reader = await server.serve(disk, tmp_path, write=False)
    assert locks.is_open(path) and not locks.is_written(path)
    with path.open("r+b") as mine:
        locks.hold(mine.fileno(), write=False)
    with path.open("r+b") as mine, pytest.raises(locks.Locked):
        locks.hold(mine.fileno(), write=True)
    await reader.close()
    writer = await server.serve(disk, tmp_path, write=True)
    assert locks.is_written(path)
    with path.open("rb") as mine, pytest.raises(locks.Locked):
        locks.hold(mine.fileno(), write=False)
    await writer.close()
    with path.open("r+b") as mine:
        locks.hold(mine.fileno(), write=True)
        for write in (False, True):
            with pytest.raises(ToolError, match="lock|another process"):
                await server.serve(disk, tmp_path, write=write)
    assert not locks.is_open(path) and not list(tmp_path.glob(".nbd*"))


async def test_a_block_server_that_dies_is_told_to_all_who_wait(tmp_path):
    path = tmp_path / "one.raw"
    path.write_bytes(bytes(MIB))
    served = await server.serve((nodes.File(path, "raw"),), tmp_path, write=False)
    served.client._writer.transport.abort()
    told = await asyncio.gather(*(served.client.read(0, 512) for _ in range(3)), return_exceptions=True)
    assert all(isinstance(one, NbdError) for one in told)
    await served.close()


async def test_what_the_server_refuses_hurts_nothing_else(tmp_path):
    path = tmp_path / "one.raw"
    path.write_bytes(b"x" * MIB)
    served = await server.serve((nodes.File(path, "raw"),), tmp_path, write=False)
    told = await asyncio.gather(served.client.read(MIB, 512), served.client.write(0, b"y" * 512), served.client.read(0, 4),
                                served.client.status(0, MIB), return_exceptions=True)
    assert isinstance(told[0], NbdError) and isinstance(told[1], NbdError) and told[2:] == [b"xxxx", [(MIB, True)]]
    await served.close()


def test_a_copy_keeps_holes_and_reads_none(tmp_path):
    source, target = tmp_path / "one", tmp_path / "other"
    with source.open("wb") as file:
        file.seek(1 << 40)
        file.write(b"end")
        file.truncate((1 << 40) + 3 * MIB)
    files.copy_sparse(source, target)
    assert target.stat().st_size == (1 << 40) + 3 * MIB and target.stat().st_blocks < 100
    with target.open("rb") as file:
        file.seek(1 << 40)
        assert file.read(4) == b"end\0"


def test_room_is_given_back(tmp_path):
    path = tmp_path / "one"
    path.write_bytes(b"x" * MIB)
    with path.open("r+b") as file:
        assert files.give_back(file.fileno(), 4096, MIB - 4096)
    assert path.stat().st_size == MIB and path.stat().st_blocks * 512 <= 8192 and path.read_bytes() == b"x" * 4096 + bytes(MIB - 4096)
