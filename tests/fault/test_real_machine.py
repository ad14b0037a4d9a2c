"""A real cloud that loses its daemon, its libvirt or its power: nothing is stuck, lost or left over, guests go on."""

import asyncio
import os

import pytest

from tests.fault.real import IMAGE, household
from tests.realtenant import C, N, links, short_name, until

pytestmark = [pytest.mark.timeout(240), pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
              pytest.mark.skipif(not IMAGE.exists(), reason=f"no test guest: {IMAGE} is made by `make guest`")]
CREATE, DELETE = "compute.server.create", "compute.server.delete"
# what a boot leaves on the machine, one after the other, most of it before its job saves anything; the numbers of a deletion's steps:
# definition, wiring, disks, rows
BOOT_MOMENTS, DELETE_MOMENTS = ("ordered", "disk", "domain", "tap", "process", "done"), range(4)


@pytest.fixture(scope="module")
async def house():
    async with household() as made:
        yield made


async def come_to(house, server: str, moment: str) -> None:
    """Wait until a boot has come so far."""
    tap = (await house.tenant.ports(server))[0]["id"][:11]

    def come() -> bool:
        tenant, cloud = house.tenant, house.cloud
        return {"ordered": True, "disk": (cloud.state / "instances" / server / "root").exists(),
                "domain": server in tenant.domain_names(), "tap": f"tap{tap}" in links(cloud.host) | links(cloud.node),
                "process": tenant.qemu(server) is not None,
                "done": any(kind == CREATE and state == "done" for kind, state, _ in tenant.jobs(server))}[moment]
    await until(lambda: asyncio.to_thread(come), 60)


async def killed_at(house, server: str, kind: str, step: int) -> None:
    """End the daemon, unasked, as soon as this job has come to this step."""
    async def come() -> bool:
        return any(found == kind and (at >= step or state not in ("queued", "running"))
                   for found, state, at in house.tenant.jobs(server))
    await until(come)
    await house.kill()


@pytest.mark.parametrize("moment", BOOT_MOMENTS)
async def test_killed_while_a_server_is_built(house, moment):
    process, before = house.tenant.qemu(house.runs), await asyncio.to_thread(house.tenant.traces)
    server = await house.tenant.create(short_name("built"), config_drive=True)
    await come_to(house, server, moment)
    await house.kill()
    await house.start()
    shown = await house.tenant.becomes(server, "ACTIVE")
    assert shown["OS-EXT-STS:power_state"] == 1 and house.tenant.qemu(server)
    assert [port["status"] for port in await house.tenant.ports(server)] == ["ACTIVE"]
    await house.require_unharmed(process)
    await house.tenant.delete(server)
    await house.require_as(before)


@pytest.mark.parametrize("step", DELETE_MOMENTS)
async def test_killed_while_a_server_is_deleted(house, step):
    process, before = house.tenant.qemu(house.runs), await asyncio.to_thread(house.tenant.traces)
    ports = (await house.tenant.demo.get(f"{N}/ports")).body["ports"]
    server = await house.tenant.create(short_name("deleted"), config_drive=True)
    await house.tenant.becomes(server, "ACTIVE")
    assert (await house.tenant.demo.delete(f"{C}/servers/{server}")).status == 204
    await killed_at(house, server, DELETE, step)
    await house.start()
    await house.tenant.becomes(server, None)
    await house.require_unharmed(process)
    await house.require_as(before)
    assert (await house.tenant.demo.get(f"{N}/ports")).body["ports"] == ports


@pytest.mark.parametrize("moment", ["ordered", "domain", "tap", "process"])
async def test_killed_while_a_server_is_built_and_ordered_to_go(house, moment):
    """The building is undone, then the rest deleted, over the daemon's end."""
    process, before = house.tenant.qemu(house.runs), await asyncio.to_thread(house.tenant.traces)
    server = await house.tenant.create(short_name("dropped"))
    await come_to(house, server, moment)
    assert (await house.tenant.demo.delete(f"{C}/servers/{server}")).status == 204
    await house.kill()
    await house.start()
    await house.tenant.becomes(server, None)
    await house.require_unharmed(process)
    await house.require_as(before)


async def test_killed_when_nothing_is_done_changes_nothing(house):
    process, before = house.tenant.qemu(house.runs), await asyncio.to_thread(house.tenant.traces)
    await house.kill()
    await house.start()
    await house.require_unharmed(process)
    await house.require_as(before)
    assert (await house.tenant.show(house.off))["status"] == "SHUTOFF"


async def test_init_again_changes_nothing(house):
    paths = ("/image/v2/images", f"{N}/networks", f"{N}/subnets", f"{N}/routers", f"{N}/ports", f"{N}/security-groups",
             f"{C}/flavors", f"{C}/os-keypairs", f"{C}/servers")

    async def rows():
        return [(await house.tenant.admin.get(path)).body for path in paths], (await house.tenant.demo.get(f"{C}/os-keypairs")).body
    before, traces = await rows(), await asyncio.to_thread(house.tenant.traces)
    await asyncio.to_thread(house.cloud.daemon.init, "--no-guest", "--guest-image", str(IMAGE))
    assert await rows() == before
    await house.require_as(traces)


async def test_a_guest_that_ended_while_nobody_looked(house):
    """It powered itself off while the daemon was gone: it was wanted, so it is started again."""
    await house.kill()
    process = house.tenant.qemu(house.runs)
    await house.tenant.ssh(house.address, "poweroff -f >/dev/null 2>&1 &")

    async def ended() -> bool:
        return house.tenant.qemu(house.runs) is None
    await until(ended, 60)
    await house.start()
    await house.tenant.becomes(house.runs, "ACTIVE")
    again = await house.tenant.reaches(house.address)
    assert again != house.boot and house.tenant.qemu(house.runs) not in (None, process)
    house.boot = again


async def test_libvirt_is_restarted_while_servers_are_built_and_switched(house):
    """As an update of its package does it: nobody learns of it but by the clock."""
    process, before = house.tenant.qemu(house.runs), await asyncio.to_thread(house.tenant.traces)
    await asyncio.to_thread(house.cloud.libvirt.stop)
    server = await house.tenant.create(short_name("patient"))
    assert (await house.tenant.demo.post(f"{C}/servers/{house.off}/action", {"os-start": None})).status == 202
    await asyncio.sleep(1)
    assert (await house.tenant.show(server))["status"] == "BUILD"
    await asyncio.to_thread(house.cloud.libvirt.start)
    await house.tenant.becomes(server, "ACTIVE")
    await house.tenant.becomes(house.off, "ACTIVE")
    assert (await house.tenant.demo.post(f"{C}/servers/{house.off}/action", {"os-stop": None})).status == 202
    await house.tenant.becomes(house.off, "SHUTOFF", 120)
    await house.tenant.delete(server)
    await house.require_unharmed(process)
    await house.require_as(before)


async def test_libvirt_is_gone_for_a_while(house):
    """Said in words, nothing hangs, nothing breaks; then all is as before by itself."""
    process = house.tenant.qemu(house.runs)
    await asyncio.to_thread(house.cloud.libvirt.stop)

    async def healthy(expected: int) -> bool:
        return (await house.tenant.admin.get("/healthz")).status == expected
    await until(lambda: healthy(503))
    said = (await house.tenant.admin.get("/healthz")).body
    assert "out of reach" in said["hypervisor"] and said["database"] == said["network"] == "ok"
    async with asyncio.timeout(20):
        assert (await house.tenant.demo.get(f"{C}/servers/detail")).status == 200
        assert (await house.tenant.admin.get(f"{C}/os-hypervisors/detail")).status == 200
        server = await house.tenant.create(short_name("unlucky"))
        for path, body in ((f"/servers/{house.runs}/action", {"os-getConsoleOutput": {}}),
                           (f"/servers/{house.off}/action", {"os-start": None})):
            answer = await house.tenant.demo.post(C + path, body)
            assert answer.status in (200, 202, 409, 503), (path, answer.status, answer.content)
        diagnosed = await house.tenant.admin.get(f"{C}/servers/{house.runs}/diagnostics")
        assert diagnosed.status in (409, 503), diagnosed.content
    shown = await house.tenant.becomes(server, "ERROR")
    assert "libvirt" in shown["fault"]["message"] and "out of reach" in shown["fault"]["message"]
    assert (await house.tenant.demo.delete(f"{C}/servers/{server}")).status == 204
    shown = await house.tenant.becomes(server, "ERROR")
    assert shown["fault"]["message"].startswith("The server could not be deleted")
    await asyncio.to_thread(house.cloud.libvirt.start)
    await until(lambda: healthy(200))
    await house.require_unharmed(process)
    await house.tenant.delete(server)
    assert (await house.tenant.becomes(house.off, "SHUTOFF"))["OS-EXT-STS:power_state"] == 4
    before = await asyncio.to_thread(house.tenant.traces)
    assert not [one for one in before if server in one]


async def test_the_host_lost_its_power(house):
    """Networks are made again, what ran runs again, what was off stays so."""
    before = await asyncio.to_thread(house.tenant.traces)
    await asyncio.to_thread(house.cloud.lose_power)
    assert house.tenant.qemu(house.runs) is None and not house.cloud.own_namespaces()
    await asyncio.to_thread(house.cloud.libvirt.start)
    await house.start()
    await house.tenant.becomes(house.runs, "ACTIVE")
    assert house.tenant.qemu(house.runs)
    again = await house.tenant.reaches(house.address)
    assert again != house.boot
    house.boot = again
    assert (await house.tenant.show(house.off))["status"] == "SHUTOFF" and house.tenant.qemu(house.off) is None
    assert {port["status"] for port in await house.tenant.ports(house.runs)} == {"ACTIVE"}
    now = await asyncio.to_thread(house.tenant.traces)
    assert {one for one in before - now if "link" in one or "table" in one} == set(), "the network is not as it was"
