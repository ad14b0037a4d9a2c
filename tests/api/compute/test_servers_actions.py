"""What is done to servers: each action's way there and back, its refusals, its record; and what guests do by themselves."""

import pytest

from cloudd.compute.servers import guests
from cloudd.core.runner import Runner
from cloudd.drivers.hypervisor.base import DomainState, Hypervisor
from tests.api.compute.rooms import C, make_room
from tests.waiting import until


@pytest.fixture
async def room(cloud):
    return await make_room(cloud)


@pytest.fixture
async def server(room):
    return await room.server()


async def actions_of(room, server):
    answer = await room.user.get(f"{C}/servers/{server}/os-instance-actions")
    return [(row["action"], row["message"]) for row in answer.body["instanceActions"]]


ROUNDS = [
    [("os-stop", None, "SHUTOFF"), ("os-start", None, "ACTIVE")],
    [("reboot", {"type": "SOFT"}, "ACTIVE"), ("reboot", {"type": "HARD"}, "ACTIVE")],
    [("pause", None, "PAUSED"), ("unpause", None, "ACTIVE")],
    [("suspend", None, "SUSPENDED"), ("resume", None, "ACTIVE")],
    [("rescue", None, "RESCUE"), ("unrescue", None, "ACTIVE")],
    [("suspend", None, "SUSPENDED"), ("reboot", {"type": "HARD"}, "ACTIVE")],
]


@pytest.mark.parametrize("steps", ROUNDS)
async def test_there_and_back(room, server, steps):
    for action, value, status in steps:
        answer = await room.act(server, action, value)
        assert answer.status == (200 if action == "rescue" else 202), answer.content
        shown = await room.show(server)
        assert (shown["status"], shown["OS-EXT-STS:task_state"], shown.get("fault")) == (status, None, None)
    done = [action for action, _ in await actions_of(room, server)]
    assert done == [*(action.removeprefix("os-") for action, _, _ in reversed(steps)), "create"]


REFUSED = [("os-start", None, "start"), ("unpause", None, "unpause"), ("resume", None, "resume"), ("unrescue", None, "unrescue"),
           ("confirmResize", None, "confirmResize"), ("revertResize", None, "revertResize")]


@pytest.mark.parametrize(("action", "value", "name"), REFUSED)
async def test_what_a_state_does_not_allow(room, server, action, value, name):
    answer = await room.act(server, action, value)
    assert (answer.status, answer.body["conflictingRequest"]["message"]) == (
        409, f"Cannot '{name}' instance {server} while it is in vm_state active")


async def test_what_is_under_way_is_told(room, server):
    assert (await room.act(server, "os-stop", wait=False)).status == 202
    answer = await room.act(server, "os-stop", wait=False)
    await room.cloud.settled()
    assert answer.status == 409
    assert answer.body["conflictingRequest"]["message"] == (
        f"Cannot 'stop' instance {server} while it is in task_state powering-off")


async def test_ports_go_down_with_the_server_and_come_back(room, server):
    async def port():
        return (await room.user.get(f"/networking/v2.0/ports?device_id={server}")).body["ports"][0]["status"]
    await room.act(server, "os-stop")
    assert await port() == "DOWN"
    await room.act(server, "os-start")
    assert await port() == "ACTIVE"


async def test_lock_holds_off_the_owner(room, server):
    assert (await room.act(server, "lock", {"locked_reason": "busy"}, client=room.user.at("2.73"))).status == 202
    shown = await room.show(server, "2.73")
    assert (shown["locked"], shown["locked_reason"]) == (True, "busy")
    # the user is no administrator, so his own lock stops him too
    for action in ("os-stop", "pause"):
        answer = await room.act(server, action)
        assert (answer.status, answer.body["conflictingRequest"]["message"]) == (409, f"Instance {server} is locked")
    assert (await room.user.delete(f"{C}/servers/{server}")).status == 409
    assert (await room.act(server, "os-stop", client=room.cloud.admin)).status == 202
    assert (await room.act(server, "unlock")).status == 202
    assert (await room.show(server, "2.73"))["locked"] is False


async def test_an_administrators_lock_is_not_the_owners_to_open(room, server):
    await room.act(server, "lock", client=room.cloud.admin)
    assert (await room.act(server, "unlock")).status == 403
    assert (await room.act(server, "unlock", client=room.cloud.admin)).status == 202


async def test_rebuild_changes_what_it_is_told(room, server):
    answer = await room.act(server, "rebuild", {"imageRef": room.image, "name": "new", "metadata": {"a": "b"},
                                                "adminPass": "pass-pass"})
    assert answer.body["server"]["adminPass"] == "pass-pass"
    shown = await room.show(server)
    assert (shown["name"], shown["metadata"], shown["status"]) == ("new", {"a": "b"}, "ACTIVE")
    await room.act(server, "os-stop")
    await room.act(server, "rebuild", {"imageRef": room.image})
    assert await room.status(server) == "SHUTOFF"


async def test_resize_confirm_and_revert(room, server):
    larger = {"flavor": {"name": f"larger-{server}", "ram": 256, "vcpus": 2, "disk": 2}}
    flavor = (await room.cloud.admin.post(f"{C}/flavors", larger)).body["flavor"]["id"]
    assert (await room.act(server, "resize", {"flavorRef": room.flavor})).status == 400
    assert (await room.act(server, "resize", {"flavorRef": flavor})).status == 202
    shown = await room.show(server)
    assert (shown["status"], shown["flavor"]["id"]) == ("VERIFY_RESIZE", flavor)
    assert (await room.act(server, "revertResize")).status == 202
    shown = await room.show(server)
    assert (shown["status"], shown["flavor"]["id"]) == ("ACTIVE", room.flavor)
    await room.act(server, "resize", {"flavorRef": flavor})
    assert (await room.act(server, "confirmResize")).status == 204
    shown = await room.show(server)
    assert (shown["status"], shown["flavor"]["id"]) == ("ACTIVE", flavor)


async def test_an_image_is_made_of_a_server(room, server):
    answer = await room.act(server, "createImage", {"name": "snap", "metadata": {"why": "test", "visibility": "public"}})
    assert answer.status == 202
    image = answer.headers["Location"].rsplit("/", 1)[1]
    shown = (await room.user.get(f"/image/v2/images/{image}")).body
    assert (shown["status"], shown["name"], shown["why"], shown["visibility"]) == ("active", "snap", "test", "private")
    assert (shown["image_type"], shown["instance_uuid"]) == ("snapshot", server)
    answer = await room.act(server, "createImage", {"name": "two"}, client=room.user.at("2.45"))
    assert set(answer.body) == {"image_id"}
    assert await room.status(server) == "ACTIVE"


async def test_a_failed_image_leaves_the_server_and_no_image(room, server):
    room.cloud.parts.driver(Hypervisor).fail("export_disk")
    answer = await room.act(server, "createImage", {"name": "snap"}, client=room.user.at("2.45"))
    assert (await room.user.get(f"/image/v2/images/{answer.body['image_id']}")).status == 404
    assert await room.status(server) == "ACTIVE"
    assert ("createImage", "Error") in await actions_of(room, server)


async def test_reset_state_is_the_administrators(room, server):
    assert (await room.act(server, "os-resetState", {"state": "error"})).status == 403
    assert (await room.act(server, "os-resetState", {"state": "error"}, client=room.cloud.admin)).status == 202
    assert await room.status(server) == "ERROR"
    assert (await room.act(server, "reboot", {"type": "HARD"})).status == 202
    assert await room.status(server) == "ACTIVE"


async def test_the_password_goes_through_the_agent(room, server):
    answer = await room.act(server, "changePassword", {"adminPass": "new-secret"})
    shown = await room.show(server)
    assert answer.status in (202, 409), answer.content
    assert (shown["status"], shown["OS-EXT-STS:task_state"]) == ("ACTIVE", None)


async def test_diagnostics(room, server):
    assert (await room.user.get(f"{C}/servers/{server}/diagnostics")).status == 403
    admin = room.cloud.admin
    assert "cpu0_time" in (await admin.get(f"{C}/servers/{server}/diagnostics")).body
    standard = (await admin.at("2.48").get(f"{C}/servers/{server}/diagnostics")).body
    assert (standard["state"], standard["num_cpus"], standard["num_nics"]) == ("running", 1, 1)
    assert (await room.act(server, "trigger_crash_dump", client=room.user.at("2.17"))).status == 202
    assert (await room.act(server, "trigger_crash_dump")).status == 404


@pytest.fixture
def away(room, monkeypatch):
    """The hypervisor, for which nobody waits while it is away."""
    monkeypatch.setattr(room.cloud.parts.service(Runner), "patience", 0)
    driver = room.cloud.parts.driver(Hypervisor)
    yield driver
    driver.up()


async def test_a_guest_that_was_rebooted_hard_while_the_hypervisor_was_away_is_active_if_it_runs(room, server, away):
    away.down("libvirt is restarted")
    await room.act(server, "reboot", {"type": "HARD"})
    assert await room.status(server) == "ERROR"                           # nobody can say what the guest does
    away.up()

    async def settled():
        return await room.status(server) == "ACTIVE"
    await until(settled)
    assert (await actions_of(room, server))[0] == ("reboot", "Error")
    assert (await room.user.get(f"/networking/v2.0/ports?device_id={server}")).body["ports"][0]["status"] == "ACTIVE"


async def test_a_guest_that_went_off_in_a_reboot_that_failed_stays_in_error(room, server, away):
    away.fail("start")
    await room.act(server, "reboot", {"type": "HARD"})
    assert await room.status(server) == "ERROR"
    await guests.reconcile(room.cloud.parts)                              # as when it is there again
    await room.cloud.settled()
    assert await room.status(server) == "ERROR"


async def test_a_reboot_that_did_not_touch_its_guest_leaves_it_active_with_a_fault(room, server, away):
    away.fail("destroy")
    await room.act(server, "reboot", {"type": "HARD"})
    assert await room.status(server) == "ACTIVE"
    assert (await actions_of(room, server))[0] == ("reboot", "Error")


async def test_a_server_that_is_in_error_for_another_reason_is_not_made_active_by_its_guest(room, server, away):
    await room.act(server, "os-resetState", {"state": "error"}, client=room.cloud.admin)
    await guests.reconcile(room.cloud.parts)                              # as when it is there again
    await room.cloud.settled()
    assert await room.status(server) == "ERROR"


async def test_a_guest_that_switches_itself_off_is_shutoff(room, server):
    room.cloud.parts.driver(Hypervisor).guest_powers_off(server)

    async def off():
        return await room.status(server) == "SHUTOFF"
    await until(off)
    await room.cloud.settled()
    assert (await actions_of(room, server))[0] == ("stop", None)
    assert (await room.user.get(f"/networking/v2.0/ports?device_id={server}")).body["ports"][0]["status"] == "DOWN"
    await room.act(server, "os-start")
    assert await room.status(server) == "ACTIVE"


async def test_a_crashed_guest_tells_its_power_state(room, server):
    room.cloud.parts.driver(Hypervisor).guest_crashes(server)

    async def crashed():
        return (await room.show(server))["OS-EXT-STS:power_state"] == 6
    await until(crashed)


async def test_a_hard_reboot_ends_a_soft_one_that_takes_long(room, server):
    driver = room.cloud.parts.driver(Hypervisor)
    pressed = driver.shutdown

    async def deaf(server_id):
        """A guest that does not listen to its power button."""
    driver.shutdown = deaf
    try:
        assert (await room.act(server, "reboot", {"type": "SOFT"}, wait=False)).status == 202

        async def down():
            return (await room.show(server))["OS-EXT-STS:task_state"] == "reboot_started"
        await until(down)
        assert await room.status(server) == "REBOOT"
        assert (await room.act(server, "reboot", {"type": "HARD"})).status == 202
    finally:
        driver.shutdown = pressed
    assert await room.status(server) == "ACTIVE"
    assert await driver.state(server) is DomainState.RUNNING


async def test_a_failed_start_says_so_in_its_action(room, server):
    await room.act(server, "os-stop")
    room.cloud.parts.driver(Hypervisor).fail("start")
    await room.act(server, "os-start")
    assert await room.status(server) == "SHUTOFF"
    assert (await actions_of(room, server))[0] == ("start", "Error")
    await room.act(server, "os-start")
    assert await room.status(server) == "ACTIVE"
