"""`cloudd purge`: what a cloud has on the machine is gone, volumes as well."""

import asyncio
from pathlib import Path

import openstack

from cloudd.drivers.volume.base import VolumeConfig
from cloudd.drivers.volume.file import FileVolumes
from tests.api.command.test_command import Home
from tests.api.command.test_identity_command import Daemon, password_of
from tests.api.conftest import free_port


async def held(directory: Path, state: Path) -> tuple[str, ...]:
    driver = FileVolumes(VolumeConfig("disks", str(directory), str(state)))
    await driver.open()
    inventory = await driver.list()
    await driver.close()
    return (*(one.id for one in inventory.volumes), *(one.id for one in inventory.snapshots), *inventory.leftovers)


def test_a_cloud_with_volumes_is_purged(tmp_path, monkeypatch):
    disks, home = tmp_path / "disks", Home(tmp_path / "state", free_port())
    monkeypatch.setenv("CLOUDD_VOLUME_BACKENDS", f"disks=file:{disks}")
    with Daemon(home):
        cinder = openstack.connect(auth_url=f"http://127.0.0.1:{home.port}/identity", username="admin", password=password_of(home),
                                   project_name="admin", user_domain_id="default", project_domain_id="default").block_storage
        cinder.create_type(name="disks", extra_specs={"volume_backend_name": "disks"})
        volume = cinder.wait_for_status(cinder.create_volume(size=1, volume_type="disks"), "available", wait=30)
        snapshot = cinder.wait_for_status(cinder.create_snapshot(volume_id=volume.id), "available", wait=30)
    assert set(asyncio.run(held(disks, tmp_path))) == {volume.id, snapshot.id}
    purged = home.run("purge")
    assert purged.returncode == 0 and "are gone from this machine" in purged.stdout, purged.stderr
    assert asyncio.run(held(disks, tmp_path)) == ()
