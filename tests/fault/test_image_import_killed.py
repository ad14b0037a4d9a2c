"""A daemon of its own, killed with SIGKILL while it imports: the next one goes on by itself, from the start of the data."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys

import aiohttp
import pytest
from aiohttp import web

from tests.api.conftest import free_port
from tests.fault.test_image_upload import login
from tests.waiting import until

DATA = os.urandom(1 << 20) * 24


@pytest.fixture
async def mirror():
    """Somebody's web server: the second half of its image comes only when `go` is set."""
    class Mirror:
        go, asked = asyncio.Event(), 0
    mirror = Mirror()

    async def disk(request):
        mirror.asked += 1
        response = web.StreamResponse(headers={"Content-Length": str(len(DATA))})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            await response.write(DATA[:len(DATA) // 2])
            await mirror.go.wait()
            await response.write(DATA[len(DATA) // 2:])
        return response
    app = web.Application()
    app.router.add_get("/disk.img", disk)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    mirror.host = f"127.0.0.1:{runner.addresses[0][1]}"
    yield mirror
    mirror.go.set()
    await runner.cleanup()


async def test_an_import_goes_on_after_kill_9(tmp_path, mirror):
    port, state = free_port(), tmp_path / "state"
    variables = {**os.environ, "CLOUDD_IMAGE_IMPORT_HOSTS": mirror.host}

    def start():
        return subprocess.Popen([sys.executable, "-m", "cloudd", "serve", "--simulated", "--state-dir", state, "--listen",
                                 f"127.0.0.1:{port}"], stderr=subprocess.DEVNULL, env=variables)
    daemon = start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            token = await login(session, state)
            body = {"name": "one", "disk_format": "raw", "container_format": "bare"}
            async with session.post("/image/v2/images", json=body, headers=token) as answer:
                image = (await answer.json())["id"]
            body = {"method": {"name": "web-download", "uri": f"http://{mirror.host}/disk.img"}}
            async with session.post(f"/image/v2/images/{image}/import", json=body, headers=token) as answer:
                assert answer.status == 202

            async def show():
                async with session.get(f"/image/v2/images/{image}", headers=token) as answer:
                    return await answer.json()

            async def half() -> bool:
                return (await show()).get("os_glance_progress", "").startswith("50 %")

            async def active() -> bool:
                return (await show())["status"] == "active"
            for _ in range(2):
                await until(half)
                daemon.send_signal(signal.SIGKILL)
                daemon.wait(10)
                daemon = start()
                token = await login(session, state)
            mirror.go.set()
            await until(active)
            assert mirror.asked == 3
            async with session.get(f"/image/v2/images/{image}/file", headers=token) as answer:
                assert await answer.read() == DATA
            assert os.listdir(state / "images-staging") == [] and len(os.listdir(state / "images")) == 1
    finally:
        daemon.terminate()
        daemon.wait(20)
