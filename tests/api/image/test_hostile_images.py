"""The corpus through the API: by upload, by import, by location, as a guest's disk. Nothing stays, nothing else is read."""

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from cloudd.drivers.store.base import Store
from cloudd.image.staging import Staging
from tests import disk_images as disks
from tests.api.compute import rooms
from tests.api.conftest import make_settings, run_cloud
from tests.hostile_images import CLAIMS, HOSTILE, NAMES_A_FILE, POLYGLOTS, SOUND
from tests.opened import watched
from tests.unit.image.test_disk_images import changed
from tests.waiting import until

BYTES = {"Content-Type": "application/octet-stream"}
SECRET = b"what nobody else may read "
SOME = [*list(NAMES_A_FILE)[::5], *list(POLYGLOTS)[::4], "qcow2 l1 entries", "vhdx metadata far away"]
DISKS = ("qcow2", "vmdk", "vhd", "vhdx", "vdi", "raw", "iso", "ploop")


@pytest.fixture(scope="module")
async def mirror():
    """Somebody's web server, which gives what was put into it."""
    class Mirror:
        data = b""
    mirror = Mirror()

    async def disk(request):
        return web.Response(body=mirror.data)
    app = web.Application()
    app.router.add_get("/disk.img", disk)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    mirror.host = f"127.0.0.1:{runner.addresses[0][1]}"
    mirror.url = f"http://{mirror.host}/disk.img"
    yield mirror
    await runner.cleanup()


@pytest.fixture(scope="module")
async def cloud(mirror, tmp_path_factory):
    text = f"[image]\nimport_hosts = {mirror.host}\nstores = web=http:\n"
    async for running in run_cloud(make_settings(tmp_path_factory.mktemp("cloud"), text)):
        yield running


async def make(client, format, **members):
    body = {"name": "one", "disk_format": format, "container_format": "bare", **members}
    answer = await client.post("/image/v2/images", body)
    assert answer.status == 201, answer.content
    return answer.body["id"]


async def send(client, image, data, where="file"):
    return await client.request("PUT", f"/image/v2/images/{image}/{where}", data=data, headers=BYTES)


async def show(client, image):
    return (await client.get(f"/image/v2/images/{image}")).body


async def imported(client, image, method) -> tuple[str, str]:
    """The image's status and the task's message after an import."""
    assert (await client.post(f"/image/v2/images/{image}/import", {"method": method})).status == 202

    async def ended():
        return (await show(client, image))["status"] not in ("importing", "uploading")
    await until(ended)
    return (await show(client, image))["status"], (await client.get(f"/image/v2/images/{image}/tasks")).body["tasks"][0]["message"]


async def blobs(cloud) -> set[str]:
    return {*await cloud.parts.driver(Store).keys(), *await cloud.parts.service(Staging).store.keys()}


def matches(words: str, message: str) -> bool:
    return any(part.replace("\\", "") in message for part in words.split("|"))


@pytest.mark.parametrize("name", {**HOSTILE, **CLAIMS})
async def test_uploads_are_refused_and_told_why(cloud, name):
    format, data, words = {**HOSTILE, **CLAIMS}[name]
    before = await blobs(cloud)
    image = await make(cloud.demo, format)
    answer = await send(cloud.demo, image, data)
    assert answer.status == 415 and matches(words, answer.body["message"]), answer.body
    assert (await show(cloud.demo, image))["status"] == "queued"
    assert (await cloud.demo.get(f"/image/v2/images/{image}/file")).status == 204
    assert await blobs(cloud) == before


@pytest.mark.parametrize("name", [name for name, one in HOSTILE.items() if name in NAMES_A_FILE])
async def test_no_other_name_makes_them_welcome(cloud, name):
    """Neither as another format nor as another container."""
    _, data, _ = HOSTILE[name]
    for format in DISKS:
        image = await make(cloud.demo, format)
        assert (await send(cloud.demo, image, data)).status == 415
    image = await make(cloud.demo, "qcow2", container_format="ovf")
    assert (await send(cloud.demo, image, data)).status == 415


@pytest.mark.parametrize("name", SOUND)
async def test_sound_images_are_taken(cloud, name):
    format, data, size = SOUND[name]
    image = await make(cloud.demo, format)
    answer = await send(cloud.demo, image, data)
    assert answer.status == 204, answer.body
    shown = await show(cloud.demo, image)
    assert (shown["status"], shown["virtual_size"]) == ("active", size)
    assert (await cloud.demo.get(f"/image/v2/images/{image}/file")).content == data


@pytest.mark.parametrize("name", SOME)
async def test_imports_are_refused_and_told_why(cloud, mirror, name):
    format, data, words = HOSTILE[name]
    before = await blobs(cloud)
    direct, web_ = await make(cloud.demo, format), await make(cloud.demo, format)
    assert (await send(cloud.demo, direct, data, "stage")).status == 204
    status, message = await imported(cloud.demo, direct, {"name": "glance-direct"})
    assert status == "queued" and matches(words, message), message
    mirror.data = data
    status, message = await imported(cloud.demo, web_, {"name": "web-download", "uri": mirror.url})
    assert status == "queued" and matches(words, message), message
    await cloud.settled()
    assert await blobs(cloud) == before


async def test_the_file_that_an_image_names_is_never_opened(cloud, mirror, tmp_path):
    """By upload, import and download: the kernel saw nobody open it, and its words come out nowhere."""
    path = tmp_path / "secret"
    path.write_bytes(SECRET * 1000)
    attacks = [("qcow2", disks.qcow2_with_backing(str(path))), ("qcow2", disks.qcow2_with_data_file(str(path))),
               ("vmdk", disks.vmdk("monolithicFlat", f'RW 32768 FLAT "{path}" 0')),
               ("vmdk", disks.DESCRIPTOR.format(kind="monolithicFlat", extents=f'RW 32768 FLAT "{path}" 0').encode())]
    with watched(path) as watch:
        for format, data in attacks:
            for declared in (format, "raw"):
                image = await make(cloud.demo, declared)
                assert (await send(cloud.demo, image, data)).status == 415
                assert (await send(cloud.demo, image, data, "stage")).status == 204
                assert (await imported(cloud.demo, image, {"name": "glance-direct"}))[0] == "queued"
                assert SECRET not in (await cloud.demo.get(f"/image/v2/images/{image}/file")).content
        assert not watch.touched


@pytest.mark.parametrize("name", [name for name in SOME if HOSTILE[name][0] not in ("raw", "iso")])
async def test_an_image_that_came_by_its_location_does_not_become_a_disk(cloud, mirror, name):
    """Glance never sees such data before somebody reads it; the last door is the hypervisor's."""
    format, data, words = HOSTILE[name]
    room = await rooms.make_room(cloud)
    mirror.data = data
    image = await make(room.user, format, min_disk=0)
    answer = await room.user.post(f"/image/v2/images/{image}/locations", {"url": mirror.url})
    assert answer.status == 202, answer.content
    await cloud.settled()
    server = await room.user.post(f"{rooms.C}/servers", {"server": {"name": "x", "imageRef": image, "flavorRef": room.flavor,
                                                                  "networks": [{"uuid": room.network}]}})
    assert server.status == 202, server.content
    await cloud.settled()
    shown = (await cloud.admin.get(f"{rooms.C}/servers/{server.body['server']['id']}")).body["server"]
    assert shown["status"] == "ERROR"
    assert matches(words, shown["fault"]["message"] + shown["fault"].get("details", "")), shown["fault"]


async def test_the_size_of_a_disk_elsewhere_is_found_with_its_hash(cloud, mirror):
    """Where data lies elsewhere its claim is known before anybody makes a disk of it; what is no image claims nothing."""
    for data, size in ((disks.qcow2(), 16 << 20), (disks.qcow2_with_backing(), None)):
        mirror.data = data
        image = await make(cloud.demo, "qcow2")
        assert (await cloud.demo.post(f"/image/v2/images/{image}/locations", {"url": mirror.url})).status == 202
        await cloud.settled()
        shown = await show(cloud.demo, image)
        assert (shown["status"], shown["virtual_size"], shown["os_hash_algo"]) == ("active", size, "sha512")


MEMBERS = {name: one for name, one in SOUND.items() if one[0] not in ("raw", "iso")}
PLACES = some.one_of(some.integers(0, 1100), some.integers(192 << 10, (192 << 10) + 200), some.integers(2 << 20, (2 << 20) + 300))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(some.sampled_from(sorted(MEMBERS)), some.lists(some.tuples(PLACES, some.binary(min_size=1, max_size=8)), min_size=1, max_size=4))
async def test_mutations_are_taken_as_they_are_or_refused(cloud, name, changes):
    """Never an error of the server, and what is taken comes out as it went in."""
    format, data, _ = MEMBERS[name]
    data = changed(data, changes)
    image = await make(cloud.demo, format)
    answer = await send(cloud.demo, image, data)
    assert answer.status in (204, 415), answer.content
    fetched = await cloud.demo.get(f"/image/v2/images/{image}/file")
    assert fetched.content == (data if answer.status == 204 else b"")
    assert (await cloud.demo.delete(f"/image/v2/images/{image}")).status == 204


async def test_what_is_not_asked_for_is_not_refused(tmp_path):
    """With both settings off, data may be of another format than told; what is hostile stays out."""
    async for cloud in run_cloud(make_settings(tmp_path, "[image]\nrequire_format_match = off\ncheck_partitions = off\n")):
        for format, data in (("qcow2", b"\x07" * 1024), ("vhdx", disks.qcow2()), ("raw", disks.mbr((3, 3, 3)))):
            image = await make(cloud.demo, format)
            assert (await send(cloud.demo, image, data)).status == 204
            assert (await show(cloud.demo, image))["status"] == "active"
        image = await make(cloud.demo, "raw")
        assert (await send(cloud.demo, image, disks.qcow2_with_backing())).status == 415


async def test_the_claims_that_are_too_large_are_the_settings(tmp_path):
    async for cloud in run_cloud(make_settings(tmp_path, f"[image]\nmax_virtual_size = {8 << 20}\n")):
        image = await make(cloud.demo, "qcow2")
        answer = await send(cloud.demo, image, disks.qcow2())
        assert answer.status == 415 and "max_virtual_size" in answer.body["message"]
