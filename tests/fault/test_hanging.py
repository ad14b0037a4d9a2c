"""A driver's call that never returns: every kind of job ends in a final state, with the call named, and other guests go on."""

import asyncio

import pytest
from sqlalchemy import select

from cloudd.compute import jobs as compute_jobs
from cloudd.core import jobs
from cloudd.core.context import internal
from cloudd.core.jobs import Registry
from cloudd.core.tables import JobRow
from cloudd.drivers.hypervisor.base import Hypervisor
from cloudd.drivers.network.simulated import SimulatedNetworkDriver
from tests.fault.house import C, build
from tests.fault.scenes import SCENES, action
from tests.waiting import until

assert compute_jobs
PREFIX = "compute.server."
SECONDS = "1"
DEADLINES = ", ".join(f"{name}={SECONDS}" for name in (
    "hypervisor", "hypervisor.start", "hypervisor.destroy", "hypervisor.undefine", "hypervisor.save", "hypervisor.restore",
    "hypervisor.detach_nic", "hypervisor.detach_disk", "hypervisor.export_disk", "hypervisor.disks", "hypervisor.disks.create_root_disk",
    "network"))
TEXT = f"[jobs]\npatience = 0\ndeadlines = {DEADLINES}\n"
HANGS = {
    "create": ("create_root_disk", "define", "start", "resume"),
    "delete": ("undefine", "delete"),
    "start": ("define", "start", "resume"),
    "stop": ("destroy", "state"),
    "reboot": ("destroy", "start"),
    "pause": ("pause",),
    "unpause": ("resume",),
    "suspend": ("save",),
    "resume": ("restore",),
    "rebuild": ("delete", "define"),
    "rescue": ("create_root_disk", "start"),
    "unrescue": ("destroy", "start"),
    "resize": ("destroy", "start"),
    "revert_resize": ("destroy", "start"),
    "snapshot": ("export_disk",),
    "attach_interface": ("attach_nic",),
    "detach_interface": ("detach_nic",),
    "attach_volume": ("attach_disk",),
    "detach_volume": ("detach_disk",),
    "observe": ("state",),
    "restore": ("start",),
}
DISKS = ("create_root_disk", "delete")
FINAL = {"ACTIVE", "SHUTOFF", "ERROR", "PAUSED", "SUSPENDED", "VERIFY_RESIZE", "RESCUE"}


@pytest.fixture(scope="module")
async def house(tmp_path_factory):
    made = await build(tmp_path_factory.mktemp("house"), text=TEXT)
    larger = {"flavor": {"name": "larger", "id": "larger", "ram": 256, "vcpus": 2, "disk": 2}}
    await made.cloud.admin.post("/compute/v2.1/flavors", larger)
    yield made
    await made.stop()


def every_call():
    return [pytest.param(kind, method, id=f"{kind}-{method}") for kind, methods in HANGS.items() for method in methods]


async def failures(house, kind, resource):
    query = select(JobRow.error).where(JobRow.kind == PREFIX + kind, JobRow.resource_id == resource, JobRow.state == "failed")
    async with house.cloud.parts.database.read() as tx:
        return list((await tx.execute(query)).scalars())


async def ask(house, kind, method):
    """A server in the state that the job needs, then the hang, then the job; its id."""
    scene = SCENES[kind]
    server = await house.room.server()
    for name in ("os-stop",) if kind == "restore" else scene.given:
        await action(name)(house, server)
        await house.cloud.settled()
    house.driver.hang(method)
    if kind == "restore":                                     # what the start asks for when the host came back without its guests
        async with house.cloud.parts.database.write() as tx:
            await jobs.ask(tx, internal(), PREFIX + kind, locks=[server], server=server)
        return server
    return await scene.ask(house, server)


@pytest.mark.parametrize(("kind", "method"), every_call())
async def test_a_job_whose_hypervisor_call_hangs_ends_and_names_it(house, kind, method):
    server = await ask(house, kind, method)
    name = f"hypervisor.{'disks.' if method in DISKS else ''}{method}"
    words = f"{name} did not end within {SECONDS} seconds and was given up"
    try:
        async def failed():
            await house.cloud.settled()
            return bool(await failures(house, kind, server))
        await until(failed, 40)
        assert [text for text in await failures(house, kind, server) if words in text]
        row = (await house.cloud.admin.get(f"{C}/servers/{server}")).body["server"]
        assert (row["OS-EXT-STS:task_state"], row["status"] in FINAL) == (None, True), row
        if row["status"] == "ERROR":
            assert words in row["fault"]["message"]
    finally:
        house.driver.heal()
    assert (await house.cloud.admin.delete(f"{C}/servers/{server}")).status == 204
    await house.cloud.settled()
    await house.require_agreement(server, await house.status(server))


async def test_while_one_guest_hangs_another_is_built(house):
    """The first one's call hangs; only its own is given up."""
    driver = house.cloud.parts.driver(Hypervisor)
    driver.hang("define")
    first = (await house.room.create(name="hangs")).body["server"]["id"]
    begun = asyncio.Event()
    hit = driver._faults.hit

    async def first_only(method):
        begun.set()
        if method == "define" and "define" in driver._faults._hung:
            driver._faults._hung.pop("define")
            await asyncio.Event().wait()
        await hit(method)
    driver._faults.hit = first_only
    try:
        second = (await house.room.create(name="goes on")).body["server"]["id"]
        await house.cloud.settled()
    finally:
        driver._faults.hit = hit
        driver.heal()
    assert sorted([await house.status(first), await house.status(second)]) == ["ACTIVE", "ERROR"]


@pytest.mark.parametrize("what", ["network", "port", "router", "group"])
async def test_a_job_whose_network_call_hangs_ends_and_names_it(house, what, monkeypatch):
    async def hang(driver, *_):
        await asyncio.Event().wait()
    method = {"group": "apply_security_group"}.get(what, f"apply_{what}")
    monkeypatch.setattr(SimulatedNetworkDriver, method, hang)
    made = await house.cloud.admin.post("/networking/v2.0/networks", {"network": {"name": "hangs"}})
    network = made.body["network"]["id"]
    if what == "port":
        await house.cloud.admin.post("/networking/v2.0/ports", {"port": {
            "network_id": network, "binding:host_id": "here", "device_owner": "compute:nova"}})
    if what == "router":
        await house.cloud.admin.post("/networking/v2.0/routers", {"router": {"name": "hangs"}})
    if what == "group":
        await house.cloud.admin.post("/networking/v2.0/security-groups", {"security_group": {"name": "hangs"}})
    await house.cloud.settled()
    kind = f"network.{what}.apply"
    async with house.cloud.parts.database.read() as tx:
        errors = list((await tx.execute(select(JobRow.error).where(JobRow.kind == kind, JobRow.state == "failed"))).scalars())
    assert [text for text in errors if f"network.{method} did not end within {SECONDS} seconds and was given up" in text], errors


def test_every_job_of_servers_has_a_call_that_hangs():
    assert {PREFIX + kind for kind in HANGS} == {kind for kind in Registry if kind.startswith(PREFIX)}
