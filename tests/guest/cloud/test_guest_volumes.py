"""A volume in real guests: found by its id, written, taken back, and read by the next guest."""

import pytest

from tests.realtenant import BOOT_SECONDS, C, until

V = "/volume/v3"


@pytest.fixture
async def volume(tenant):
    answer = await tenant.demo.post(f"{V}/volumes", {"volume": {"size": 1, "name": "data"}})
    assert answer.status == 202, answer.content
    volume = answer.body["volume"]["id"]
    await becomes(tenant, volume, "available")
    yield volume
    await tenant.demo.delete(f"{V}/volumes/{volume}")
    await becomes(tenant, volume, None)


async def status(tenant, volume):
    answer = await tenant.demo.get(f"{V}/volumes/{volume}")
    return answer.body["volume"]["status"] if answer.status == 200 else None


async def becomes(tenant, volume, wanted, seconds=90):
    async def there() -> bool:
        return await status(tenant, volume) == wanted
    await until(there, seconds)


async def attach(tenant, server, volume):
    answer = await tenant.demo.post(f"{C}/servers/{server}/os-volume_attachments", {"volumeAttachment": {"volumeId": volume}})
    assert answer.status == 200, answer.content
    await becomes(tenant, volume, "in-use")


async def detach(tenant, server, volume):
    assert (await tenant.demo.delete(f"{C}/servers/{server}/os-volume_attachments/{volume}")).status == 202
    await becomes(tenant, volume, "available")


async def device_of(run, volume):
    """The guest's name of the disk that has the volume's id."""
    return (await run(f"grep -l {volume[:20]} /sys/block/*/serial | cut -d/ -f4")).strip()


async def test_a_volume_goes_from_one_guest_to_another_with_what_was_written(tenant, guest, volume):
    await attach(tenant, guest.id, volume)
    disk = await device_of(guest.run, volume)
    assert int(await guest.run(f"cat /sys/block/{disk}/size")) * 512 == 1 << 30
    await guest.run(f"mkfs -t ext4 /dev/{disk} >/dev/null 2>&1; mkdir -p /mnt/v; mount /dev/{disk} /mnt/v; "
                    "echo written-by-one >/mnt/v/file; umount /mnt/v; sync")
    await detach(tenant, guest.id, volume)
    assert not await device_of(guest.run, volume)
    other = await tenant.create("other")
    try:
        await tenant.becomes(other, "ACTIVE")
        address = await tenant.floating_ip(other)
        await attach(tenant, other, volume)

        async def run(command: str) -> str:
            return await tenant.reaches(address, command)

        async def seen() -> bool:
            return bool(await device_of(run, volume))
        await until(seen, BOOT_SECONDS)
        disk = await device_of(run, volume)
        assert "written-by-one" in await run(f"mkdir -p /mnt/v; mount /dev/{disk} /mnt/v; cat /mnt/v/file; umount /mnt/v")
        await detach(tenant, other, volume)
    finally:
        await tenant.delete(other)
