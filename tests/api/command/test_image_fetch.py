"""`cloudd image fetch` against a web server of the test: whole, resumed, with a wrong checksum."""

import hashlib

import pytest
import yaml
from aiohttp import web

from cloudd.cli import image as command

DATA = b"\x05" * 300_000


@pytest.fixture
async def mirror():
    """Serves one image and its checksum list; breaks off the first `breaks` downloads half way."""
    state = {"breaks": 0, "sum": hashlib.sha512(DATA).hexdigest(), "ranges": []}

    async def file(request):
        state["ranges"].append(request.headers.get("Range"))
        start = int((request.headers.get("Range") or "bytes=0-")[6:-1])
        response = web.StreamResponse(status=206 if start else 200, headers={"Content-Length": str(len(DATA) - start)})
        await response.prepare(request)
        if state["breaks"]:
            state["breaks"] -= 1
            await response.write(DATA[start:start + 100_000])
            request.transport.abort()
            return response
        await response.write(DATA[start:])
        return response

    async def sums(request):
        return web.Response(text=f"0000  other.img\n{state['sum']}  disk.img\n")
    app = web.Application()
    app.router.add_get("/disk.img", file)
    app.router.add_get("/SUMS", sums)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    state["url"] = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield state
    await runner.cleanup()


@pytest.fixture
def catalogue(tmp_path, mirror):
    path = tmp_path / "catalogue.yaml"
    path.write_text(yaml.safe_dump({"test-1": {
        "title": "Test", "url": f"{mirror['url']}/disk.img", "sums": f"{mirror['url']}/SUMS", "algorithm": "sha512",
        "user": "tester", "min_disk": 1, "min_ram": 64, "distro": "test", "version": "1", "format": "raw"}}))
    return path


async def fetched(cloud):
    images = (await cloud.admin.get("/image/v2/images?name=test-1&sort=created_at:desc")).body["images"]
    return images[0] if images else None


@pytest.mark.parametrize("breaks", [0, 2])
async def test_an_image_is_downloaded_checked_and_registered(cloud, mirror, catalogue, breaks):
    mirror["breaks"] = breaks
    assert await command.fetch(cloud.daemon.settings, "test-1", "admin", catalogue) == 0
    image = await fetched(cloud)
    assert (image["status"], image["size"], image["os_admin_user"], image["visibility"]) == ("active", len(DATA), "tester", "public")
    if breaks:
        assert len(mirror["ranges"]) == 3 and all(one and one != "bytes=0-" for one in mirror["ranges"][1:])


async def test_a_wrong_checksum_registers_nothing(cloud, mirror, catalogue, capsys):
    before = await fetched(cloud)
    mirror["sum"] = "0" * 128
    assert await command.fetch(cloud.daemon.settings, "test-1", "admin", catalogue) == 1
    assert "says 000" in capsys.readouterr().err
    assert await fetched(cloud) == before


async def test_a_name_that_is_not_there(cloud, catalogue, capsys):
    assert await command.fetch(cloud.daemon.settings, "nothing", "admin", catalogue) == 1
    assert "there are: test-1" in capsys.readouterr().err


def test_the_catalogue_is_whole():
    entries = command.read_catalogue()
    assert {"debian-12", "ubuntu-24.04"} <= set(entries)
    for entry in entries.values():
        assert entry.url.startswith("https://") and entry.sums.startswith("https://") and entry.user
        hashlib.new(entry.algorithm)
