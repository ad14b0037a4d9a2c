"""Headers that a guest, an image or a file wrote to have something else opened, in every way that a volume's data goes (OSSA-2014-033,
-036, 2015-011, 2016-012, 2023-002, 2024-001, 2026-002); and passphrases, which nobody but QEMU sees."""

import sys

import pytest

from cloudd.core.disks import qcow2
from cloudd.drivers.volume.base import (
    Access,
    BadImage,
    FromFile,
    FromImage,
    FromSnapshot,
    FromVolume,
    SnapshotRef,
    VolumeConfig,
    VolumeError,
    VolumeMissing,
    VolumeRef,
)
from cloudd.drivers.volume.file import FileVolumes
from tests.hostile_images import HOSTILE, NAMES_A_FILE
from tests.unit.drivers.test_hostile_boot import WORDS, made_by_qemu, naming, secret  # noqa: F401
from tests.unit.drivers.volume.volume_guest import opened
from tests.unit.drivers.volume.volume_rig import LUKS, MIB, SECRET, Rig, new_id, page, refused

CALLS: list[str] = []
LISTENING: list[bool] = []


@pytest.fixture
async def rig(tmp_path):
    config = VolumeConfig("file", str(tmp_path / "v"), str(tmp_path / "state"))
    (tmp_path / "files").mkdir()
    made = await Rig(FileVolumes, config, tmp_path / "files", tmp_path / "v", opened).open()
    yield made
    await made.driver.close()


async def everywhere(rig, volume_id: str, data: bytes) -> None:
    """All verbs that touch a volume's data; each time it is what the guest wrote."""
    driver, length = rig.driver, len(data)
    await driver.extend_volume(volume_id, 16 * MIB)
    snapshot_id = await rig.snapshot(volume_id)
    assert await rig.of_snapshot(snapshot_id, 0, length) == data
    copies = [await rig.volume(16 * MIB, FromSnapshot(snapshot_id)), await rig.volume(16 * MIB, FromVolume(volume_id)),
              await rig.volume(16 * MIB, FromVolume(volume_id), thick=True)]
    for copy in copies:
        assert await rig.read(copy.id, 0, length) == data
        await driver.merge_volume(copy.id, alone=True)
        assert await rig.read(copy.id, 0, length) == data
    await driver.revert_volume(volume_id, snapshot_id)
    for format in ("raw", "qcow2"):
        await driver.export(VolumeRef(volume_id), rig.folder / format, format)
        await driver.export(SnapshotRef(snapshot_id), rig.folder / format, format)
    assert (rig.folder / "raw").read_bytes()[:length] == data and WORDS not in (rig.folder / "qcow2").read_bytes()
    await driver.delete_snapshot(snapshot_id)
    await driver.merge_volume(volume_id)
    await rig.reopen()
    reference = await rig.driver.unmanage(VolumeRef(volume_id))
    await rig.driver.manageable()
    await rig.driver.manage_volume(volume_id, reference)
    assert await rig.read(volume_id, 0, length) == data
    connection = await rig.driver.connect(volume_id)
    async with opened(rig.driver, connection) as guest:
        assert bytes(await guest.read(0, length)) == data
    await rig.driver.disconnect(volume_id)


@pytest.mark.parametrize("kind", [{}, {"thick": True}, {"shared": True}])
async def test_a_header_that_a_guest_writes_is_data(rig, secret, tmp_path, kind):  # noqa: F811
    for name, (_, data) in made_by_qemu(secret, tmp_path).items():
        made = await rig.volume(8 * MIB, **kind)
        data = data[:MIB].ljust(-(-min(len(data), MIB) // 512) * 512, b"\0")
        await rig.write(made.id, data)
        assert not secret.touched
        await everywhere(rig, made.id, data)
        assert not secret.touched, name


async def test_an_image_said_to_be_raw_is_refused_or_data(rig, secret, tmp_path):  # noqa: F811
    for name, (format, data) in made_by_qemu(secret, tmp_path).items():
        path = rig.file("image", data)
        assert not secret.touched
        for said in ("raw", format, "iso"):
            with refused(BadImage):
                await rig.driver.cache_image("hostile", path, said)
            with refused(BadImage):
                await rig.volume(64 * MIB, FromFile(path, said))
        await rig.driver.cache_image("bytes", path, "ami")
        made = await rig.volume(64 * MIB, FromImage("bytes"))
        assert await rig.read(made.id, 0, 512) == data[:512].ljust(512, b"\0") and not secret.touched, name
        await rig.driver.drop_image("bytes")


@pytest.mark.parametrize("name", [name for name, (format, _, _) in HOSTILE.items() if format not in ("raw", "iso")])
async def test_the_whole_corpus_is_refused(rig, name):
    format, data, _ = HOSTILE[name]
    path = rig.file("image", data)
    with refused(BadImage):
        await rig.driver.cache_image("hostile", path, format)
    with refused(BadImage):
        await rig.volume(64 * MIB, FromFile(path, format))
    there = await rig.driver.list()
    assert not there.images and not there.volumes and not there.leftovers


async def test_files_to_manage_that_name_others_are_refused(rig, secret):  # noqa: F811
    for format, data, _ in NAMES_A_FILE.values():
        if format != "qcow2":
            continue
        (rig.loose / "bad.qcow2").write_bytes(naming(data, secret))
        assert not secret.touched
        told = {one.reference: one for one in await rig.driver.manageable()}["bad.qcow2"]
        assert not told.safe and told.reason
        with refused(BadImage):
            await rig.driver.manage_volume(new_id(), "bad.qcow2")
        assert not secret.touched


async def test_a_file_to_manage_is_what_its_name_says(rig, secret):  # noqa: F811
    """A raw one may begin with anything."""
    _, data, _ = NAMES_A_FILE["qcow2 backing file"]
    (rig.loose / "disk.raw").write_bytes(naming(data, secret))
    assert not secret.touched
    made = await rig.driver.manage_volume(new_id(), "disk.raw")
    snapshot_id = await rig.snapshot(made.id)
    assert (await rig.of_snapshot(snapshot_id)).startswith(qcow2.MAGIC) and not secret.touched


async def test_a_link_is_nothing_to_manage(rig, secret):  # noqa: F811
    (rig.loose / "link.raw").symlink_to(secret.path)
    assert not await rig.driver.manageable()
    with refused(VolumeMissing):
        await rig.driver.manage_volume(new_id(), "link.raw")
    assert not secret.touched


async def test_what_a_layers_header_says_is_not_followed(rig, secret):  # noqa: F811
    """Even where somebody got at the files themselves."""
    volume_id = await rig.written(page("a"))
    snapshot_id = await rig.snapshot(volume_id)
    for layer in rig.driver.layers:
        qcow2.stand_on(rig.driver.layers.path(layer), str(secret.path), "raw")
    assert not secret.touched
    assert await rig.read(volume_id, 0, 8192) == page("a") + bytes(4096) == await rig.of_snapshot(snapshot_id, 0, 8192)
    await rig.driver.export(VolumeRef(volume_id), rig.folder / "x")
    await rig.write(volume_id, page("b"), 4096)
    await rig.driver.delete_snapshot(snapshot_id)
    assert (await rig.driver.merge_volume(volume_id)).depth == 1
    assert await rig.read(volume_id, 0, 8192) == page("a") + page("b") and not secret.touched


async def test_layers_in_between_are_taken_in_by_what_we_know_of_them(rig, secret):  # noqa: F811
    """A chain that became too deep, and a merge upwards: both are asked of a tool that looks for files by their names."""
    rig.driver.maker.reflinks = False
    volume_id, snapshots = await rig.written(page("0")), []
    for number in range(1, 8):
        snapshots.append(await rig.snapshot(volume_id))
        await rig.write(volume_id, page(str(number)) * (16 if number == 3 else 1), number * MIB)

    def spoil() -> None:
        for layer in rig.driver.layers:
            qcow2.stand_on(rig.driver.layers.path(layer), str(secret.path), "qcow2" if len(layer.id) % 2 else "raw")
        assert not secret.touched
    spoil()
    await rig.driver.create_snapshot(volume_id, new_id())
    assert (await rig.driver.volume(volume_id)).depth == 2 and not secret.touched
    clone = await rig.volume(8 * MIB, FromSnapshot(snapshots[5]))
    await rig.driver.delete_snapshot(snapshots[1])
    await rig.driver.delete_snapshot(snapshots[4])
    spoil()
    depth = (await rig.driver.volume(clone.id)).depth
    assert (await rig.driver.merge_volume(clone.id)).depth == depth - 2 and not secret.touched
    assert await rig.read(volume_id, 7 * MIB, 4096) == page("7") and await rig.read(volume_id, 0, 4096) == page("0")
    assert [await rig.read(clone.id, number * MIB, 4096) for number in range(6)] == [page(str(number)) for number in range(6)]
    assert not secret.touched


async def test_errors_name_no_files(rig):
    volume_id = await rig.written(page("a"))
    layer = rig.driver.layers.of_volume(volume_id)
    rig.driver.layers.path(layer).write_bytes(b"damaged" * 1000)
    for call in (lambda: rig.read(volume_id), lambda: rig.driver.export(VolumeRef(volume_id), rig.folder / "x")):
        with refused(VolumeError) as caught:
            await call()
        assert str(rig.loose) not in str(caught[0]) and ".qcow2" not in str(caught[0])


# -- passphrases --------------------------------------------------------------------------------------------------------


def listen(event: str, args: tuple[object, ...]) -> None:
    if LISTENING and event in ("subprocess.Popen", "os.exec", "os.posix_spawn"):
        CALLS.append(repr(args))


sys.addaudithook(listen)


@pytest.mark.parametrize("thick", [False, True])
async def test_passphrases_and_what_they_hide_are_nowhere_to_be_read(rig, thick, caplog, request):
    caplog.set_level("DEBUG")
    CALLS.clear()
    LISTENING.append(True)
    request.addfinalizer(LISTENING.clear)
    data = page("what nobody") * 4
    await rig.driver.cache_image("image", rig.file("image", bytes(MIB)), "raw")
    volume_id = await rig.written(data, encryption=LUKS, thick=thick)
    snapshot_id = await rig.snapshot(volume_id)
    await rig.write(volume_id, data, MIB)
    clone = await rig.volume(8 * MIB, FromSnapshot(snapshot_id), encryption=LUKS)
    await rig.write(clone.id, data, 2 * MIB)
    await rig.driver.delete_snapshot(snapshot_id)
    for one in (volume_id, clone.id):
        await rig.driver.merge_volume(one, alone=True, passphrase=SECRET)
    from_image = await rig.volume(8 * MIB, FromImage("image"), encryption=LUKS)
    await rig.write(from_image.id, data)
    assert await rig.read(clone.id, 0, len(data)) == data == await rig.read(volume_id, MIB, len(data))
    mark, told = b"what nobody.....", repr((SECRET, LUKS, CALLS, caplog.text))
    for path in rig.loose.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert mark not in content and SECRET.value not in content, path.name
    assert SECRET.value.decode() not in told and CALLS


async def test_a_snapshot_of_an_encrypted_volume_needs_no_passphrase_and_is_as_closed_as_it(rig):
    volume_id = await rig.written(page("secret"), encryption=LUKS)
    for _ in range(3):
        await rig.driver.create_snapshot(volume_id, new_id())
        await rig.write(volume_id, page("more"), MIB)
    with refused(VolumeError, "passphrase"):
        await rig.read(volume_id, passphrase=None)
    connection = await rig.driver.connect(volume_id, Access(encryption=LUKS))
    async with opened(rig.driver, connection, {"key0": SECRET.value}) as guest:
        assert bytes(await guest.read(0, 4096)) == page("secret") and bytes(await guest.read(MIB, 4096)) == page("more")
    with refused(VolumeError):
        await rig.driver.connect(volume_id)
