"""OpenStack's security advisories about images, 2014 to 2026 (security.openstack.org), and the test that shows each not to be ours.

Glance
OSSA-2014-004  Swift store password leaks       test_ossa_2014_004_secrets_of_stores_are_never_told
OSSA-2014-012  commands by location (Sheepdog)  test_ossa_2014_012_locations_run_nothing
OSSA-2014-028  size limit not honoured          test_ossa_2014_028_uploads_end_at_the_largest_size
OSSA-2014-041  location of a local file         test_ossa_2014_041_and_2015_002_files_are_no_locations
OSSA-2015-002  the same by filesystem://        test_ossa_2014_041_and_2015_002_files_are_no_locations
OSSA-2015-003  deleted uploads stay             test_ossa_2015_003_and_2015_020_deleted_uploads_leave_nothing
OSSA-2015-004  deleted imports stay             test_ossa_2015_004_and_2015_013_deleted_imports_leave_nothing
OSSA-2015-013  the same in the import task      test_ossa_2015_004_and_2015_013_deleted_imports_leave_nothing
OSSA-2015-014  qcow2 backing file               tests/api/image/test_hostile_images.py::test_imports_are_refused_and_told_why
OSSA-2015-019  status set by a user             test_ossa_2015_019_nobody_sets_a_status
OSSA-2015-020  uploads outlive their token      test_ossa_2015_003_and_2015_020_deleted_uploads_leave_nothing
OSSA-2016-006  removing the last location       test_ossa_2016_006_the_last_location_stays
OSSA-2026-004  web-download goes inside         test_ossa_2026_004_imports_go_nowhere_inside
OSSA-2026-004  glance-download, too             test_ossa_2026_004_another_glance_sends_nobody_inside
Glance, Nova and Cinder
OSSA-2016-012  qemu-img eats all                tests/unit/drivers/test_hostile_boot.py::test_a_tool_has_limits
OSSA-2023-002  vmdk flat descriptor             tests/api/image/test_hostile_images.py::test_uploads_are_refused_and_told_why
OSSA-2024-001  qcow2 external data file         tests/api/image/test_hostile_images.py::test_no_other_name_makes_them_welcome
Nova
OSSA-2014-001  snapshots in an open directory   test_ossa_2014_001_nobody_else_reads_the_images
OSSA-2014-009  rescue reads a guest's header    tests/unit/drivers/test_hostile_boot.py::test_what_a_guest_writes_to_its_disk_stays_bytes
OSSA-2015-017  deleting a resized server        test_ossa_2015_017_and_2016_011_a_server_deleted_while_resized_leaves_no_disk
OSSA-2016-001  snapshot reads a guest's header  tests/unit/drivers/test_hostile_boot.py::test_what_a_guest_writes_to_its_disk_stays_bytes
OSSA-2016-007  resize reads a guest's header    tests/unit/drivers/test_hostile_boot.py::test_what_a_guest_writes_to_its_disk_stays_bytes
OSSA-2016-011  2015-017 once more               test_ossa_2015_017_and_2016_011_a_server_deleted_while_resized_leaves_no_disk
OSSA-2017-005  rebuild goes around the checks   test_ossa_2017_005_a_rebuild_is_checked_as_a_creation_is
OSSA-2017-006  rebuild counts twice             test_ossa_2017_006_a_rebuild_is_not_counted_twice
OSSA-2019-003  faults tell of the host          test_ossa_2019_003_faults_tell_no_path
OSSA-2024-002  the above, declared raw          tests/unit/drivers/test_hostile_boot.py::test_an_image_said_to_be_raw_is_raw_all_the_way
OSSA-2026-002  resize guesses the format        tests/unit/drivers/test_hostile_boot.py::test_what_a_guest_writes_to_its_disk_stays_bytes
Cinder
OSSA-2014-033  a volume with a qcow2 header     tests/unit/drivers/test_hostile_boot.py::test_what_a_guest_writes_to_its_disk_stays_bytes
OSSA-2015-011  qcow2 backing file               tests/api/image/test_hostile_images.py::test_no_other_name_makes_them_welcome
Ironic, which reads the same images
OSSA-2024-003  qemu-img on unchecked images     tests/unit/drivers/test_hostile_boot.py::test_images_that_name_files_are_refused_unopened
OSSA-2024-004  checksums not verified           test_ossa_2024_004_a_checksum_that_is_given_is_proved
OSSA-2025-001  file:// addresses                test_ossa_2025_001_files_are_no_addresses

Not ours
OSSA-2014-003  live migration mixes disks up: there is one host, and nothing migrates
OSSA-2014-017, OSSA-2014-032  VMware's driver: there is none
OSSA-2018-001  encrypted volumes read raw: no volume is encrypted by the hypervisor
OSSA-2023-003  deleted volume attachments: connections of volumes, no images; the block module's tests
"""

import asyncio
import hashlib
import re
import stat
from pathlib import Path

import pytest
from aiohttp import web

from cloudd.core.diskimages import UnsafeImage
from cloudd.core.disks import qemu_img
from cloudd.drivers.hypervisor.base import Hypervisor
from cloudd.drivers.store.base import Store
from cloudd.drivers.store.s3 import S3Store
from cloudd.image.staging import Staging
from tests import disk_images as disks
from tests.api.compute import rooms
from tests.api.conftest import make_settings, run_cloud
from tests.waiting import until

BYTES = {"Content-Type": "application/octet-stream"}
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
DATA = b"\x07" * 700_000
ROOT = Path(__file__).parents[3]
MOVED, THERE = "1" * 8 + "-1111-1111-1111-111111111111", "2" * 8 + "-2222-2222-2222-222222222222"


@pytest.fixture(scope="module")
async def elsewhere():
    """A web server that sends on (/away?to=), and one that waits (/slow) until `go`."""
    class Elsewhere:
        go = asyncio.Event()
        data = DATA

    async def away(request):
        raise web.HTTPFound(request.query["to"])

    async def slow(request):
        await Elsewhere.go.wait()
        return web.Response(body=DATA)

    async def disk(request):
        return web.Response(body=Elsewhere.data)
    app = web.Application()

    async def facts(request):
        if request.match_info["image"] == MOVED:
            raise web.HTTPFound("http://127.0.0.1:9/facts")
        return web.json_response({"status": "active", "size": 5, "disk_format": "raw", "container_format": "bare"})

    async def data(request):
        raise web.HTTPFound("http://127.0.0.1:9/data")
    app.add_routes([web.get("/away", away), web.get("/slow", slow), web.get("/disk", disk), web.get("/v2/images/{image}", facts),
                    web.get("/v2/images/{image}/file", data)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    Elsewhere.host = f"127.0.0.1:{runner.addresses[0][1]}"
    yield Elsewhere
    await runner.cleanup()


@pytest.fixture(scope="module")
async def cloud(elsewhere, tmp_path_factory):
    text = f"[image]\nimport_hosts = {elsewhere.host}\nstores = web=http:\nshow_multiple_locations = on\nmax_image_size = 10000000\n"
    async for running in run_cloud(make_settings(tmp_path_factory.mktemp("cloud"), text)):
        yield running


async def make(client, **members):
    body = {"name": "one", "disk_format": "raw", "container_format": "bare", **members}
    return (await client.post("/image/v2/images", body)).body["id"]


async def show(client, image):
    return (await client.get(f"/image/v2/images/{image}")).body


async def send(client, image, data=DATA, **headers):
    return await client.request("PUT", f"/image/v2/images/{image}/file", data=data, headers={**BYTES, **headers})


async def fetched(cloud, uri) -> tuple[int, str]:
    """The status of the answer to an import from an address, and the words why it was refused, there or in the task."""
    image = await make(cloud.demo)
    answer = await cloud.demo.post(f"/image/v2/images/{image}/import", {"method": {"name": "web-download", "uri": uri}})
    if answer.status != 202:
        return answer.status, answer.body["message"]
    await cloud.settled()
    assert (await show(cloud.demo, image))["status"] == "queued"
    return 202, (await cloud.demo.get(f"/image/v2/images/{image}/tasks")).body["tasks"][0]["message"]


async def blobs(cloud):
    return {*await cloud.parts.driver(Store).keys(), *await cloud.parts.service(Staging).store.keys()}


def test_every_test_of_the_table_is_there():
    told = re.findall(r"^OSSA-\d{4}-\d{3} .*?((?:tests/\S+::)?test_\w+)$", __doc__, re.MULTILINE)
    assert len(told) == 33
    for name in told:
        path, _, test = name.rpartition("::")
        assert f"def {test}(" in (ROOT / path if path else Path(__file__)).read_text(), name


async def test_ossa_2014_001_nobody_else_reads_the_images(cloud):
    image = await make(cloud.demo)
    await send(cloud.demo, image)
    for store in (cloud.parts.driver(Store), cloud.parts.service(Staging).store):
        folder = Path(store.directory)
        closed = [path for path in (folder, *folder.parents) if not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)]
        assert closed, f"everybody may walk to {folder}"


def test_ossa_2014_004_secrets_of_stores_are_never_told():
    store = S3Store("https://WHO:HUSH@s3.example.org/bucket", "far")
    assert "HUSH" not in store.url("x" * 32) and "WHO" not in store.url("x" * 32)
    for bad in ("https://WHO:HUSH@/bucket", "ftp://WHO:HUSH@s3.example.org/bucket", "https://WHO:HUSH@s3.example.org/b?x=1"):
        with pytest.raises(ValueError) as told:
            S3Store(bad, "far")
        assert "HUSH" not in str(told.value)


@pytest.mark.parametrize("url", ["sheepdog://x;touch /tmp/pwned", "sheepdog://127.0.0.1:7000:$(id)", "rbd://a/b/c/d", "cinder://x"])
async def test_ossa_2014_012_locations_run_nothing(cloud, url):
    image = await make(cloud.demo)
    answer = await cloud.demo.post(f"/image/v2/images/{image}/locations", {"url": url})
    assert answer.status == 400 and (await show(cloud.demo, image))["status"] == "queued"


async def test_ossa_2014_028_uploads_end_at_the_largest_size(cloud):
    async def endless():
        while True:
            yield b"z" * 1_000_000
    for data in (b"z" * 10_000_001, endless()):
        image = await make(cloud.demo)
        try:
            assert (await send(cloud.demo, image, data)).status == 413
        except OSError:                                       # it hung up on us, which is as well
            pass

        async def queued(image=image):
            return (await show(cloud.demo, image))["status"] == "queued"
        await until(queued)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "filesystem:///etc/passwd", "file://localhost/etc/passwd", "FILE:///etc/passwd",
                                 "/etc/passwd", "file:///../../etc/passwd"])
async def test_ossa_2014_041_and_2015_002_files_are_no_locations(cloud, url):
    for client in (cloud.demo, cloud.admin):
        image = await make(client)
        assert (await client.post(f"/image/v2/images/{image}/locations", {"url": url})).status in (400, 403)
        change = [{"op": "add", "path": "/locations/-", "value": {"url": url, "metadata": {}}}]
        assert (await client.patch(f"/image/v2/images/{image}", change, headers=PATCH)).status in (400, 403)
        assert (await client.get(f"/image/v2/images/{image}/file")).status == 204


async def test_ossa_2015_003_and_2015_020_deleted_uploads_leave_nothing(cloud):
    before, go = await blobs(cloud), asyncio.Event()
    image = await make(cloud.demo)

    async def slowly():
        yield b"z" * 5_000_000
        await go.wait()
        yield b"z" * 1_000_000
    sending = asyncio.ensure_future(send(cloud.demo, image, slowly()))

    async def saving():
        return (await show(cloud.demo, image))["status"] == "saving"
    await until(saving)
    assert (await cloud.demo.delete(f"/image/v2/images/{image}")).status == 204
    go.set()
    assert (await sending).status == 410
    await cloud.settled()
    assert await blobs(cloud) == before


async def test_ossa_2015_004_and_2015_013_deleted_imports_leave_nothing(cloud, elsewhere):
    before = await blobs(cloud)
    images = [await make(cloud.demo) for _ in range(3)]
    elsewhere.go.clear()
    for image in images:
        body = {"method": {"name": "web-download", "uri": f"http://{elsewhere.host}/slow"}}
        assert (await cloud.demo.post(f"/image/v2/images/{image}/import", body)).status == 202
    for image in images:
        assert (await cloud.demo.delete(f"/image/v2/images/{image}")).status == 204
    elsewhere.go.set()
    await cloud.settled()
    assert await blobs(cloud) == before


async def test_ossa_2015_017_and_2016_011_a_server_deleted_while_resized_leaves_no_disk(cloud):
    room = await rooms.make_room(cloud)
    body = {"server": {"name": "x", "imageRef": room.image, "flavorRef": room.flavor, "networks": [{"uuid": room.network}]}}
    server = (await room.user.post(f"{rooms.C}/servers", body)).body["server"]["id"]
    await cloud.settled()
    larger = {"flavor": {"name": "larger", "ram": 256, "vcpus": 1, "disk": 2}}
    flavor = (await cloud.admin.post(f"{rooms.C}/flavors", larger)).body["flavor"]["id"]
    assert (await room.act(server, "resize", {"flavorRef": flavor})).status == 202
    assert await room.status(server) == "VERIFY_RESIZE"
    assert (await room.user.delete(f"{rooms.C}/servers/{server}")).status == 204
    await cloud.settled()
    assert server not in await cloud.parts.driver(Hypervisor).disks.owners()


async def test_ossa_2015_019_nobody_sets_a_status(cloud):
    image = await make(cloud.demo)
    assert (await send(cloud.demo, image)).status == 204
    assert (await cloud.demo.request("PUT", f"/image/v2/images/{image}", headers={"x-image-meta-status": "queued"})).status in (404, 405)
    for client in (cloud.demo, cloud.admin):
        for operation in ("replace", "add", "remove"):
            change = [{"op": operation, "path": "/status", **({} if operation == "remove" else {"value": "queued"})}]
            assert (await client.patch(f"/image/v2/images/{image}", change, headers=PATCH)).status == 403
    assert (await send(cloud.demo, image, b"other", **{"x-image-meta-status": "queued"})).status == 409
    assert (await cloud.admin.post(f"/image/v2/images/{image}/actions/deactivate")).status == 204
    assert (await send(cloud.demo, image, b"other")).status == 409
    assert (await show(cloud.demo, image))["status"] == "deactivated"


async def test_ossa_2016_006_the_last_location_stays(cloud):
    image = await make(cloud.demo)
    assert (await send(cloud.demo, image)).status == 204
    for change in ({"op": "remove", "path": "/locations/0"}, {"op": "replace", "path": "/locations", "value": []}):
        assert (await cloud.demo.patch(f"/image/v2/images/{image}", [change], headers=PATCH)).status in (400, 403)
    assert (await show(cloud.demo, image))["status"] == "active"
    assert (await send(cloud.demo, image, b"other")).status == 409
    assert (await cloud.demo.get(f"/image/v2/images/{image}/file")).content == DATA


async def test_ossa_2017_005_a_rebuild_is_checked_as_a_creation_is(cloud):
    room = await rooms.make_room(cloud)
    body = {"server": {"name": "x", "imageRef": room.image, "flavorRef": room.flavor, "networks": [{"uuid": room.network}]}}
    server = (await room.user.post(f"{rooms.C}/servers", body)).body["server"]["id"]
    await cloud.settled()
    for more in ({"min_disk": 5}, {"min_ram": 4096}):
        image = await rooms.make_image(room.user, **more)
        assert (await room.act(server, "rebuild", {"imageRef": image})).status == 400
    huge = await make(room.user, disk_format="qcow2")
    assert (await send(room.user, huge, disks.qcow2(size=1 << 32, l1_entries=8))).status == 204
    assert (await room.act(server, "rebuild", {"imageRef": huge})).status == 400


async def test_ossa_2017_006_a_rebuild_is_not_counted_twice(cloud):
    room = await rooms.make_room(cloud)
    body = {"server": {"name": "x", "imageRef": room.image, "flavorRef": room.flavor, "networks": [{"uuid": room.network}]}}
    server = (await room.user.post(f"{rooms.C}/servers", body)).body["server"]["id"]
    await cloud.settled()

    async def used():
        limits = (await room.user.get(f"{rooms.C}/limits")).body["limits"]["absolute"]
        return limits["totalInstancesUsed"], limits["totalCoresUsed"], limits["totalRAMUsed"]
    before = await used()
    assert (await room.act(server, "rebuild", {"imageRef": await rooms.make_image(room.user)})).status == 202
    assert await used() == before == (1, 1, 128)


async def test_ossa_2019_003_faults_tell_no_path(tmp_path):
    """What qemu-img says of a broken image names files of the host; the owner of the image does not hear them."""
    image = tmp_path / "image"
    image.write_bytes(disks.qcow2()[:4096] + b"\xff" * 200_000)
    with pytest.raises(UnsafeImage) as told:
        await qemu_img.flatten(image, "vmdk", tmp_path / "target")
    assert str(tmp_path) not in str(told.value) and "IMAGE" in str(told.value)


async def test_ossa_2024_004_a_checksum_that_is_given_is_proved(cloud, elsewhere):
    image = await make(cloud.demo)
    given = {"os_hash_algo": "sha512", "os_hash_value": hashlib.sha512(b"something else").hexdigest()}
    body = {"url": f"http://{elsewhere.host}/disk", "validation_data": given}
    assert (await cloud.demo.post(f"/image/v2/images/{image}/locations", body)).status == 202
    await cloud.settled()
    assert (await show(cloud.demo, image))["status"] == "queued"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "filesystem:///etc/passwd", "FILE:/etc/passwd", "ftp://example.org/x", "gopher://x/",
                                 "http://user:password@example.org/"])
async def test_ossa_2025_001_files_are_no_addresses(cloud, url):
    assert (await fetched(cloud, url))[0] == 400


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::1]",
                                  "[::ffff:127.0.0.1]", "169.254.169.254", "0.0.0.0", "[fe80::1]"])
async def test_ossa_2026_004_imports_go_nowhere_inside(cloud, elsewhere, host):
    """Neither at once nor by a redirect, however the address is written."""
    for uri in (f"http://{host}:9/latest", f"http://{elsewhere.host}/away?to=http://{host}:9/latest"):
        status, words = await fetched(cloud, uri)
        assert status in (400, 202) and ("inside this cloud" in words or "not a canonical IPv4 address" in words), words


async def test_ossa_2026_004_another_glance_sends_nobody_inside(cloud, elsewhere):
    """Neither for the facts of the image nor for its data."""
    services = (await cloud.admin.get("/identity/v3/services?type=image")).body["services"]
    await cloud.admin.post("/identity/v3/regions", {"region": {"id": "elsewhere"}})
    endpoint = {"service_id": services[0]["id"], "region_id": "elsewhere", "interface": "public", "url": f"http://{elsewhere.host}"}
    assert (await cloud.admin.post("/identity/v3/endpoints", {"endpoint": endpoint})).status == 201
    for source, words in ((MOVED, "answered 302"), (THERE, "inside this cloud")):
        image = await make(cloud.demo)
        method = {"name": "glance-download", "glance_region": "elsewhere", "glance_image_id": source}
        assert (await cloud.demo.post(f"/image/v2/images/{image}/import", {"method": method})).status == 202
        await cloud.settled()
        told = (await cloud.demo.get(f"/image/v2/images/{image}/tasks")).body["tasks"][0]["message"]
        assert words in told and (await show(cloud.demo, image))["status"] == "queued"
