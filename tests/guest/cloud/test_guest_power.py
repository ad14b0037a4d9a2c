"""A real guest's power: what it does by itself is seen, what is asked of it is done."""

import asyncio

import paramiko
import pytest

from tests.realtenant import until


async def off(tenant, guest):
    shown = await tenant.becomes(guest.id, "SHUTOFF")
    assert shown["OS-EXT-STS:power_state"] == 4

    async def down() -> bool:
        return [port["status"] for port in await tenant.ports(guest.id)] == ["DOWN"]
    await until(down)
    assert tenant.qemu(guest.id) is None


async def test_pause_holds_it_and_suspend_keeps_its_memory(tenant, guest):
    boot, process = await guest.boot_id(), tenant.qemu(guest.id)
    await tenant.act(guest.id, "pause")
    await tenant.becomes(guest.id, "PAUSED")
    with pytest.raises((OSError, EOFError, paramiko.SSHException)):
        await tenant.ssh(guest.address, "true")
    await tenant.act(guest.id, "unpause")
    await tenant.becomes(guest.id, "ACTIVE")
    assert (await guest.boot_id(), tenant.qemu(guest.id)) == (boot, process)
    await tenant.act(guest.id, "suspend")
    shown = await tenant.becomes(guest.id, "SUSPENDED")
    assert shown["OS-EXT-STS:vm_state"] == "suspended" and tenant.qemu(guest.id) is None
    await tenant.act(guest.id, "resume")
    await tenant.becomes(guest.id, "ACTIVE")
    assert await guest.boot_id() == boot


async def test_poweroff_inside_is_shutoff_within_seconds(tenant, guest):
    before = await guest.boot_id()
    await tenant.ssh(guest.address, "poweroff -d 1 >/dev/null 2>&1 &")

    await tenant.becomes(guest.id, "SHUTOFF", 60)

    async def ended() -> bool:
        return tenant.qemu(guest.id) is None
    await until(ended, 10)
    await off(tenant, guest)
    assert not await tenant.is_open(guest.address)
    await tenant.act(guest.id, "os-start")
    await tenant.becomes(guest.id, "ACTIVE")
    await guest.boots_again(before)


async def test_soft_reboot_asks_the_guest_and_hard_reboot_does_not(tenant, guest):
    first = await guest.boot_id()
    await guest.run("touch /root/kept; sync")
    await tenant.act(guest.id, "reboot", {"type": "SOFT"})
    await tenant.becomes(guest.id, "ACTIVE")
    second = await guest.boots_again(first)
    assert "testguest: shutting down" in await tenant.console(guest.id)
    await tenant.act(guest.id, "reboot", {"type": "HARD"})
    await tenant.becomes(guest.id, "ACTIVE")
    await guest.boots_again(second)
    assert await guest.run("ls /root/kept") == "/root/kept"


async def test_stop_and_rebuild_with_a_new_disk(tenant, guest):
    before = await guest.boot_id()
    await guest.run("touch /root/gone; sync")
    ports = await tenant.ports(guest.id)
    await tenant.act(guest.id, "os-stop")
    await off(tenant, guest)
    assert "acpi: power button" in await tenant.console(guest.id)
    await tenant.act(guest.id, "os-start")
    await tenant.becomes(guest.id, "ACTIVE")
    image = await tenant.named("/image/v2/images", "images", "testguest")
    await tenant.act(guest.id, "rebuild", {"imageRef": image, "name": "rebuilt"})
    assert (await tenant.becomes(guest.id, "ACTIVE"))["name"] == "rebuilt"
    await guest.boots_again(before)
    assert await guest.run("ls /root") == "" and await guest.run("hostname") == "guest"      # a name is no host name
    kept = await tenant.ports(guest.id)
    assert [(port["id"], port["mac_address"], port["fixed_ips"], port["status"]) for port in kept] \
        == [(port["id"], port["mac_address"], port["fixed_ips"], "ACTIVE") for port in ports]
    assert await asyncio.to_thread(tenant.qemu, guest.id)
