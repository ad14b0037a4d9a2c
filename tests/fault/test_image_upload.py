"""Uploads that end badly: the client goes, the daemon is killed, the disk is full. Nothing stays behind, nothing is stuck."""

import asyncio
import os
import signal
import subprocess
import sys

import aiohttp
import pytest
import yaml

from cloudd.drivers.store.base import Store, StoreFull
from cloudd.drivers.store.file import FileWriter
from tests.api.conftest import free_port, make_settings, run_cloud
from tests.waiting import until

BYTES = {"Content-Type": "application/octet-stream"}


async def make(client):
    body = {"name": "one", "disk_format": "raw", "container_format": "bare"}
    return (await client.post("/image/v2/images", body)).body["id"]


async def status(client, image):
    return (await client.get(f"/image/v2/images/{image}")).body["status"]


@pytest.fixture
async def cloud(tmp_path):
    async for running in run_cloud(make_settings(tmp_path)):
        yield running


def files(cloud):
    return sorted(os.listdir(cloud.parts.driver(Store).directory))


async def test_a_client_that_goes_leaves_nothing(cloud):
    image = await make(cloud.demo)
    reader, writer = await asyncio.open_connection("127.0.0.1", cloud.daemon.settings.server.addresses()[0][1])
    token = cloud.demo.headers["X-Auth-Token"]
    writer.write((f"PUT /image/v2/images/{image}/file HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {token}\r\n"
                  "Content-Type: application/octet-stream\r\nContent-Length: 50000000\r\n\r\n").encode() + b"z" * 9_000_000)
    await writer.drain()

    async def saving():
        return await status(cloud.demo, image) == "saving"

    async def queued():
        return await status(cloud.demo, image) == "queued" and files(cloud) == []
    await until(saving)
    writer.transport.abort()
    await until(queued)
    answer = await cloud.demo.request("PUT", f"/image/v2/images/{image}/file", data=b"z" * 100, headers=BYTES)
    assert answer.status == 204 and await status(cloud.demo, image) == "active"


async def test_a_full_disk_is_told_and_leaves_nothing(cloud, monkeypatch):
    async def full(self, data):
        raise StoreFull("no room is left in /images")
    image = await make(cloud.demo)
    monkeypatch.setattr(FileWriter, "write", full)
    answer = await cloud.demo.request("PUT", f"/image/v2/images/{image}/file", data=b"z" * 100, headers=BYTES)
    assert answer.status == 413 and "full" in answer.body["message"]
    assert await status(cloud.demo, image) == "queued" and files(cloud) == []


async def test_an_image_deleted_while_it_comes_in_leaves_nothing(cloud):
    image = await make(cloud.demo)
    go = asyncio.Event()

    async def slowly():
        yield b"z" * 5_000_000
        await go.wait()
        yield b"z" * 5_000_000
    sending = asyncio.ensure_future(cloud.demo.request("PUT", f"/image/v2/images/{image}/file", data=slowly(), headers=BYTES))

    async def saving():
        return await status(cloud.demo, image) == "saving"
    await until(saving)
    assert (await cloud.demo.delete(f"/image/v2/images/{image}")).status == 204
    go.set()
    assert (await sending).status == 410
    await cloud.settled()
    assert files(cloud) == []


async def test_killed_in_an_upload_the_image_is_queued_again(tmp_path):
    """A daemon of its own, killed with SIGKILL while data comes in, then started again."""
    port, state = free_port(), tmp_path / "state"

    def start():
        return subprocess.Popen([sys.executable, "-m", "cloudd", "serve", "--simulated", "--state-dir", state, "--listen",
                                 f"127.0.0.1:{port}"], stderr=subprocess.DEVNULL)
    daemon = start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            token = await login(session, state)
            body = {"name": "one", "disk_format": "raw", "container_format": "bare"}
            async with session.post("/image/v2/images", json=body, headers=token) as answer:
                image = (await answer.json())["id"]

            async def endless():
                while True:
                    yield b"z" * 5_000_000
            sending = asyncio.ensure_future(session.put(f"/image/v2/images/{image}/file", data=endless(), headers={**token, **BYTES}))

            async def now(wanted):
                async with session.get(f"/image/v2/images/{image}", headers=token) as answer:
                    return (await answer.json())["status"] == wanted
            await until(lambda: now("saving"))
            daemon.send_signal(signal.SIGKILL)
            daemon.wait(10)
            with pytest.raises(aiohttp.ClientError):
                await sending
            daemon = start()
            token = await login(session, state)
            assert await now("queued")
            assert os.listdir(state / "images") == []
    finally:
        daemon.terminate()
        daemon.wait(20)


async def login(session, state):
    """A token of demo, as soon as the daemon answers."""
    async def answers():
        try:
            async with session.get("/healthz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False
    await until(answers)
    auth = yaml.safe_load((state / "clouds.yaml").read_text())["clouds"]["demo"]["auth"]
    user = {"name": "demo", "domain": {"id": "default"}, "password": auth["password"]}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}},
                     "scope": {"project": {"name": "demo", "domain": {"id": "default"}}}}}
    async with session.post("/identity/v3/auth/tokens", json=body) as answer:
        return {"X-Auth-Token": answer.headers["X-Subject-Token"]}
