"""The database goes away, or cannot write, and comes back: requests are told so, jobs and events wait, nothing is stuck or lost."""

import asyncio
import itertools
import os
import subprocess

import pytest

from cloudd.core.jobs import Registry
from cloudd.core.runner import Runner
from cloudd.drivers.hypervisor.base import DomainState
from tests import postgres
from tests.fault.house import House, build
from tests.waiting import until

C = "/compute/v2.1"
CREATE = Registry["compute.server.create"]
NUMBERS = itertools.count()
MESSAGE = "The cloud's database does not work at the moment"
ASKED = {"/identity/v3/auth/projects": ("error", "message"), f"{C}/servers/detail": ("serviceUnavailable", "message"),
         "/image/v2/images": ("message",), "/networking/v2.0/networks": ("NeutronError", "message")}
"""What is asked of each service, and where its clients look for the message."""


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Background work tries again sooner than it does in life."""
    for module in ("cloudd.core.runner", "cloudd.core.events", "cloudd.compute.servers.guests", "cloudd.core.outage"):
        monkeypatch.setattr(f"{module}.RETRY_SECONDS", 0.2)


class Finger:
    """Stops the database's server when a job comes to this moment of this step."""

    def __init__(self, server, step, moment):
        self.server, self.step, self.moment, self.stopped = server, step, moment, asyncio.Event()

    async def __call__(self, run, name, when):
        here = run.row.step - (when == "saved") == self.step
        if run.row.kind == CREATE.kind and when == self.moment and here and not self.stopped.is_set():
            await asyncio.to_thread(self.server.stop)
            self.stopped.set()


@pytest.fixture(scope="module")
def server():
    with postgres.server() as made:
        yield made


@pytest.fixture
async def house(server, tmp_path):
    made = await build(tmp_path, await asyncio.to_thread(server.create, f"outage{next(NUMBERS)}"))
    yield made
    await made.stop()


async def require_refusals(house: House) -> None:
    for path, place in ASKED.items():
        answer = await house.room.user.get(path)
        assert (answer.status, answer.headers.get("Retry-After")) == (503, "5"), (path, answer.content)
        text = answer.body
        for name in place:
            text = text[name]
        assert text.startswith(MESSAGE), path
    refused = await house.room.user.post("/networking/v2.0/networks", {"network": {"name": "lost"}})
    assert refused.status == 503
    password = {"name": "admin", "domain": {"id": "default"}, "password": "wrong"}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": password}}}}
    assert (await house.room.user.post("/identity/v3/auth/tokens", body)).status == 503
    health = await house.room.user.get("/healthz")
    assert health.status == 503 and MESSAGE in health.body["database"]


@pytest.mark.parametrize("moment", ["begin", "done", "saved"])
@pytest.mark.parametrize("step", range(len(CREATE.steps)), ids=[step.name for step in CREATE.steps])
async def test_postgresql_crashes_while_a_server_is_built(server, house, step, moment):
    finger = Finger(server, step, moment)
    house.cloud.parts.service(Runner).probe = finger
    answer = await house.room.create(networks=[{"uuid": house.room.network}])
    assert answer.status == 202
    await asyncio.wait_for(finger.stopped.wait(), 20)
    try:
        await require_refusals(house)
    finally:
        await asyncio.to_thread(server.start)
    await house.cloud.settled()
    built = answer.body["server"]["id"]
    assert await house.status(built) == "ACTIVE"
    await house.require_agreement(built, "ACTIVE")
    names = [row["name"] for row in (await house.room.user.get("/networking/v2.0/networks")).body["networks"]]
    assert "lost" not in names
    assert (await house.room.user.get("/healthz")).status == 200


async def test_what_a_guest_does_while_postgresql_is_away_is_learned_after_it(server, house):
    guest = await house.room.server()
    await asyncio.to_thread(server.stop)
    try:
        await house.driver.destroy(guest)
        assert await house.domain(guest) is DomainState.SHUTOFF
        await asyncio.sleep(0.5)
        await require_refusals(house)
    finally:
        await asyncio.to_thread(server.start)

    async def off() -> bool:
        answer = await house.cloud.admin.get(f"{C}/servers/{guest}")
        return answer.status == 200 and answer.body["server"]["status"] == "SHUTOFF"
    await until(off)
    await house.cloud.settled()
    await house.require_agreement(guest, "SHUTOFF")


@pytest.mark.parametrize("path", ["file", "stage"])
async def test_postgresql_is_away_when_the_data_of_an_image_has_come(server, house, path):
    """The upload is refused; as soon as the database is back the image is queued, nothing is left of the data, and it can be sent again."""
    image = {"name": "away", "disk_format": "raw", "container_format": "bare"}
    there = f"/image/v2/images/{(await house.room.user.post('/image/v2/images', image)).body['id']}"
    store = house.directory / "state" / "images"
    before = set(store.iterdir())

    async def data():
        yield b"first" * 100_000
        await asyncio.to_thread(server.stop)
        yield b"last"
    stream = {"Content-Type": "application/octet-stream"}
    try:
        answer = await house.room.user.put(f"{there}/{path}", data=data(), headers=stream)
        assert answer.status == 503 and MESSAGE in answer.body["message"]
    finally:
        await asyncio.to_thread(server.start)

    async def queued() -> bool:
        return (await house.room.user.get(there)).body.get("status") == "queued"
    await until(queued)

    async def clean() -> bool:
        return set(store.iterdir()) == before
    await until(clean)
    assert (await house.room.user.put(f"{there}/{path}", data=b"again", headers=stream)).status == 204


@pytest.fixture
def small_disk(tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m,mode=0700", "tmpfs", str(state)], check=True, timeout=30)
    yield state
    subprocess.run(["umount", str(state)], check=True, timeout=30)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small disk: needs root")
async def test_the_disk_of_the_database_is_full(tmp_path, small_disk):
    """SQLite on a small tmpfs: what is there is read, changes are refused, jobs wait; with room again all goes on."""
    house = await build(tmp_path)
    try:
        await fill_and_free(house, small_disk)
    finally:
        await house.stop()


async def fill_and_free(house: House, state) -> None:
    ballast = state / "ballast"
    begun, filled = asyncio.Event(), asyncio.Event()

    async def probe(run, name, when):
        # the hypervisor's own files are written by then: that it finds no room is another matter, and fails the server
        if run.row.kind == CREATE.kind and name == "define" and when == "done" and not begun.is_set():
            begun.set()
            await filled.wait()
    house.cloud.parts.service(Runner).probe = probe
    answer = await house.room.create()
    assert answer.status == 202
    await asyncio.wait_for(begun.wait(), 20)
    await asyncio.to_thread(fill, ballast)
    filled.set()
    refused = await change_until_refused(house)
    assert refused.status == 503
    assert refused.body["NeutronError"]["message"] == (
        "The cloud's database does not work at the moment (the disk is full), so this was not finished. Try again in a moment.")
    shown = await house.room.user.get(f"{C}/servers/{answer.body['server']['id']}")
    assert (shown.status, shown.body["server"]["status"]) == (200, "BUILD")
    ballast.unlink()
    await house.cloud.settled()
    await house.require_agreement(answer.body["server"]["id"], "ACTIVE")
    assert (await house.room.user.post("/networking/v2.0/networks", {"network": {"name": "after"}})).status == 201


async def change_until_refused(house: House):
    """A log that has room for some more changes takes them."""
    for number in range(300):
        body = {"network": {"name": f"full-{number}", "description": "x" * 200}}
        answer = await house.room.user.post("/networking/v2.0/networks", body)
        if answer.status != 201:
            return answer
    raise AssertionError("a full disk took 300 changes")


def fill(path) -> None:
    with path.open("wb", buffering=0) as file:           # what found no room is not tried again at the close
        try:
            while True:
                file.write(bytes(1 << 16))
        except OSError:
            return
