"""Every step of every job of servers: failing, killed before and after its save, done again. Nothing is stuck or left over."""

import asyncio

import pytest

from cloudd.compute import jobs as compute_jobs
from cloudd.core.errors import Conflict
from cloudd.core.jobs import Registry
from cloudd.core.runner import Runner
from tests.fault.house import Killed, build, copy
from tests.fault.scenes import SCENES, action

assert compute_jobs
PREFIX = "compute.server."
FAILS, KILLED_BEFORE_SAVE, KILLED_AFTER_SAVE, TWICE = "fails", "killed before save", "killed after save", "twice"
KILLS = {KILLED_BEFORE_SAVE: 1, KILLED_AFTER_SAVE: 1, TWICE: 2}
WAYS = (FAILS, *KILLS)


def every_job_step_and_fault():
    for kind, job in sorted(Registry.items()):
        if kind.startswith(PREFIX):
            for number, step in enumerate(job.steps):
                for how in WAYS:
                    yield pytest.param(kind.removeprefix(PREFIX), number, how, id=f"{kind.removeprefix(PREFIX)}-{number}-"
                                                                                f"{step.name}-{how.replace(' ', '-')}")


@pytest.fixture(scope="module")
async def houses(tmp_path_factory):
    """Stopped houses with a server in them, by what was done to it: made once, copied for each test."""
    made = {}

    async def get(given):
        if given not in made:
            made[given] = await _prepare(tmp_path_factory.mktemp("house"), given)
        return made[given]
    return get


async def _prepare(directory, given):
    house = await build(directory)
    larger = {"flavor": {"name": "larger", "id": "larger", "ram": 256, "vcpus": 2, "disk": 2}}
    await house.cloud.admin.post("/compute/v2.1/flavors", larger)
    server = await house.room.server()
    for name in given:
        if name == "lose":
            await house.stop()
            for path in (directory / "state" / "instances" / ".simulated").iterdir():
                path.unlink()
            return house, server
        await action(name)(house, server)
        await house.cloud.settled()
    await house.stop()
    return house, server


class Finger:
    """Put on one step of one kind of job: it makes it fail once, or kills the daemon there, as often as it is told."""

    def __init__(self, kind, number, how):
        self.kind, self.number, self.how = PREFIX + kind, number, how
        self.left = KILLS.get(how, 1)
        self.killed = asyncio.Event()

    async def __call__(self, run, name, when):
        wanted = "saved" if self.how == KILLED_AFTER_SAVE else "done"
        here = run.row.step - (wanted == "saved") == self.number
        if run.row.kind != self.kind or when != wanted or not run.forward or not here or not self.left:
            return
        self.left -= 1
        if self.how == FAILS:
            raise Conflict("told to fail")
        run.parts.service(Runner)._stopping = True
        self.killed.set()
        raise Killed


async def killed_or_settled(house, finger):
    waits = {asyncio.ensure_future(finger.killed.wait()), asyncio.ensure_future(house.cloud.settled())}
    _, rest = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for one in rest:
        one.cancel()


@pytest.mark.parametrize(("job", "number", "how"), every_job_step_and_fault())
async def test_survives(houses, tmp_path, job, number, how):
    scene = SCENES[job]
    template, server = await houses(scene.given)
    house = await copy(template, tmp_path)
    finger = Finger(job, number, how)
    await house.start(finger)
    try:
        server = await scene.ask(house, server)
        if job == "observe":
            await _followed(house, finger)
        while how != FAILS and finger.left + 1 > 0 and not finger.killed.is_set():
            await killed_or_settled(house, finger)
            if not finger.killed.is_set():
                break
        for _ in range(KILLS.get(how, 0)):
            await finger.killed.wait()
            finger.killed.clear()
            await house.again(finger)
            await killed_or_settled(house, finger)
        await house.cloud.settled()
        assert finger.left == 0, "the step was never reached"
        await _agreed(house, scene, server, how)
        if how == FAILS:
            await house.again()
            await house.cloud.settled()
            await _agreed(house, scene, server, how)
        await _can_be_deleted(house, server)
    finally:
        await house.stop()


async def _followed(house, finger):
    """The guest's own doing comes as an event, so its job is not there at once."""
    async with asyncio.timeout(20):
        while finger.left == (KILLS.get(finger.how, 1)):
            await asyncio.wait({asyncio.ensure_future(finger.killed.wait())}, timeout=0.05)


async def _agreed(house, scene, server, how):
    status = await house.status(server)
    if how == FAILS:
        assert scene.fits(status), (scene.job, status)
    else:
        assert status == scene.done, (scene.job, status)
    if not (scene.job == "observe" and how == FAILS):
        await house.require_agreement(server, status)


async def _can_be_deleted(house, server):
    answer = await house.cloud.admin.delete(f"/compute/v2.1/servers/{server}")
    assert answer.status in (204, 404)
    await house.cloud.settled()
    await house.require_agreement(server, await house.status(server))
    assert await house.status(server) is None


def test_every_job_of_servers_has_its_scene():
    assert {kind.removeprefix(PREFIX) for kind in Registry if kind.startswith(PREFIX)} == set(SCENES)
