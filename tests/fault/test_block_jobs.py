"""Jobs of volumes and snapshots: failing, killed before and after each save, done again. In the end what lies in the back end is what
the rows say, nothing is on its way, and everything can be deleted."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import select

from cloudd.block.backends import Backends, place
from cloudd.block.models import Snapshot, Volume
from cloudd.block.service import BlockModule
from cloudd.block.states import PASSING, SNAPSHOT_PASSING
from cloudd.core import database
from cloudd.core.jobs import Registry
from cloudd.core.work.deadlines import SECONDS
from cloudd.drivers.volume.base import VolumeRef
from tests.fault.lives import FAILS, HOWS, Finger, Lives

assert BlockModule
V, V2, BYTES = "/volume/v3", "/image/v2/images", {"Content-Type": "application/octet-stream"}
NEWEST = {"OpenStack-API-Version": "volume 3.71"}
DATA = b"\7" * 8192
GIB = 1 << 30
PREFIX = "block."


class Scene:
    """What is there before, the order that makes the job, and what has to be so afterwards."""

    def __init__(self):
        self.volume = self.snapshot = ""

    async def prepare(self, cloud):
        self.volume = await self.create(cloud)

    async def ask(self, cloud):
        raise NotImplementedError

    async def check(self, cloud, failed):
        raise NotImplementedError

    async def post(self, cloud, path, body, status=202):
        answer = await cloud.admin.post(f"{V}{path}", body, headers=NEWEST)
        assert answer.status == status, answer.content
        return answer.body

    async def act(self, cloud, action, value=None):
        return await self.post(cloud, f"/volumes/{self.volume}/action", {action: value})

    async def create(self, cloud, **values):
        made = (await self.post(cloud, "/volumes", {"volume": {"size": 1, **values}}))["volume"]["id"]
        await cloud.settled()
        return made

    async def snap(self, cloud):
        made = (await self.post(cloud, "/snapshots", {"snapshot": {"volume_id": self.volume}}))["snapshot"]["id"]
        await cloud.settled()
        return made

    async def image(self, cloud):
        made = (await cloud.admin.post(V2, {"name": "one", "disk_format": "raw", "container_format": "bare"})).body["id"]
        assert (await cloud.admin.request("PUT", f"{V2}/{made}/file", data=DATA, headers=BYTES)).status == 204
        return made

    async def show(self, cloud, kind="volume", row=""):
        answer = await cloud.admin.get(f"{V}/{kind}s/{row or getattr(self, kind)}", headers=NEWEST)
        return answer.body[kind] if answer.status == 200 else None

    async def status(self, cloud, kind="volume"):
        shown = await self.show(cloud, kind)
        return shown and shown["status"]

    async def begins_with(self, cloud, data):
        disk = await driver_of(cloud).open_disk(VolumeRef(self.volume))
        assert await disk.read(0, len(data)) == data
        await disk.close()


class Create(Scene):
    async def prepare(self, cloud):
        self.image_id = await self.image(cloud)

    async def ask(self, cloud):
        self.volume = (await self.post(cloud, "/volumes", {"volume": {"size": 1, "imageRef": self.image_id}}))["volume"]["id"]

    async def check(self, cloud, failed):
        assert await self.status(cloud) == ("error" if failed else "available")
        if not failed:
            await self.begins_with(cloud, DATA)


class Delete(Scene):
    async def ask(self, cloud):
        assert (await cloud.admin.delete(f"{V}/volumes/{self.volume}")).status == 202

    async def check(self, cloud, failed):
        assert await self.status(cloud) == ("error_deleting" if failed else None)


class Unmanage(Scene):
    async def ask(self, cloud):
        await self.act(cloud, "os-unmanage")

    async def check(self, cloud, failed):
        assert await self.status(cloud) == ("error" if failed else None)


class Manage(Scene):
    async def prepare(self, cloud):
        path = Path(cloud.parts.settings.server.state_dir) / "simulated-volumes" / "simulated" / "loose" / "found"
        path.write_bytes(DATA)

    async def ask(self, cloud):
        body = {"volume": {"host": place("simulated"), "ref": {"source-name": "found"}}}
        self.volume = (await self.post(cloud, "/manageable_volumes", body))["volume"]["id"]

    async def check(self, cloud, failed):
        assert await self.status(cloud) == ("error" if failed else "available")
        if not failed:
            await self.begins_with(cloud, DATA)


class Extend(Scene):
    async def ask(self, cloud):
        await self.act(cloud, "os-extend", {"new_size": 2})

    async def check(self, cloud, failed):
        shown = await self.show(cloud)
        assert (shown["status"], shown["size"]) == ("available", 1 if failed else 2)


class Upload(Scene):
    async def ask(self, cloud):
        told = await self.act(cloud, "os-volume_upload_image", {"image_name": "copy", "disk_format": "qcow2"})
        self.image_id = told["os-volume_upload_image"]["image_id"]

    async def check(self, cloud, failed):
        assert await self.status(cloud) == "available"
        answer = await cloud.admin.get(f"{V2}/{self.image_id}")
        whole = answer.status == 200 and answer.body["status"] == "active"
        assert whole or (failed and answer.status == 404)     # never half of one; a whole one stays


class Revert(Scene):
    async def prepare(self, cloud):
        self.volume = await self.create(cloud, imageRef=await self.image(cloud))
        self.snapshot = await self.snap(cloud)
        disk = await driver_of(cloud).open_disk(VolumeRef(self.volume), write=True)
        await disk.write(0, b"\1" * 8192)
        await disk.close()

    async def ask(self, cloud):
        await self.act(cloud, "revert", {"snapshot_id": self.snapshot})

    async def check(self, cloud, failed):
        assert (await self.status(cloud), await self.status(cloud, "snapshot")) == ("available", "available")
        if not failed:
            await self.begins_with(cloud, DATA)


class Reimage(Scene):
    async def prepare(self, cloud):
        await super().prepare(cloud)
        self.image_id = await self.image(cloud)

    async def ask(self, cloud):
        await self.act(cloud, "os-reimage", {"image_id": self.image_id})

    async def check(self, cloud, failed):
        assert await self.status(cloud) == ("error" if failed else "available")
        if not failed:
            await self.begins_with(cloud, DATA)


class TakeSnapshot(Scene):
    async def ask(self, cloud):
        self.snapshot = (await self.post(cloud, "/snapshots", {"snapshot": {"volume_id": self.volume}}))["snapshot"]["id"]

    async def check(self, cloud, failed):
        assert await self.status(cloud, "snapshot") == ("error" if failed else "available")


class DeleteSnapshot(Scene):
    async def prepare(self, cloud):
        await super().prepare(cloud)
        self.snapshot = await self.snap(cloud)

    async def ask(self, cloud):
        assert (await cloud.admin.delete(f"{V}/snapshots/{self.snapshot}")).status == 202

    async def check(self, cloud, failed):
        assert await self.status(cloud, "snapshot") == ("error_deleting" if failed else None)


class UnmanageSnapshot(DeleteSnapshot):
    async def ask(self, cloud):
        await self.post(cloud, f"/snapshots/{self.snapshot}/action", {"os-unmanage": None})

    async def check(self, cloud, failed):
        assert await self.status(cloud, "snapshot") == ("error" if failed else None)


class ManageSnapshot(DeleteSnapshot):
    async def prepare(self, cloud):
        await super().prepare(cloud)
        await UnmanageSnapshot.ask(self, cloud)
        await cloud.settled()

    async def ask(self, cloud):
        body = {"snapshot": {"volume_id": self.volume, "ref": {"source-name": f"snapshot-{self.snapshot}-of-{self.volume}"}}}
        self.snapshot = (await self.post(cloud, "/manageable_snapshots", body))["snapshot"]["id"]

    async def check(self, cloud, failed):
        assert await self.status(cloud, "snapshot") == ("error" if failed else "available")


SCENES = {"block.volume.create": Create, "block.volume.delete": Delete, "block.volume.unmanage": Unmanage, "block.volume.manage": Manage,
          "block.volume.extend": Extend, "block.volume.upload": Upload, "block.volume.revert": Revert, "block.volume.reimage": Reimage,
          "block.snapshot.create": TakeSnapshot, "block.snapshot.delete": DeleteSnapshot, "block.snapshot.unmanage": UnmanageSnapshot,
          "block.snapshot.manage": ManageSnapshot}
HANGS = {"block.volume.create": "cache_image", "block.volume.delete": "delete_volume", "block.volume.unmanage": "unmanage",
         "block.volume.manage": "manage_volume", "block.volume.extend": "extend_volume", "block.volume.upload": "export",
         "block.volume.revert": "revert_volume", "block.volume.reimage": "open_disk", "block.snapshot.create": "create_snapshot",
         "block.snapshot.delete": "delete_snapshot", "block.snapshot.unmanage": "unmanage", "block.snapshot.manage": "manage_snapshot"}
"""The call of a back end that never returns, for each kind of job."""
STEPS = [(kind, number) for kind in sorted(SCENES) for number in range(len(Registry[kind].steps))]


def driver_of(cloud):
    return cloud.parts.service(Backends).by_name["simulated"]


async def nothing_is_left_over(cloud):
    """What the back end holds is what the rows say; nobody waits for anything; nothing lies in the staging area."""
    async with cloud.parts.database.read() as tx:
        volumes, snapshots = [list((await tx.execute(select(model))).scalars()) for model in (Volume, Snapshot)]
    assert not [row.status for row in volumes if row.status in PASSING]
    assert not [row.status for row in snapshots if row.status in SNAPSHOT_PASSING]
    inventory = await driver_of(cloud).list()
    there, broken = {info.id for info in inventory.volumes}, ("error", "error_managing", "error_deleting")
    assert {row.id for row in volumes if row.status not in broken} <= there <= {row.id for row in volumes}
    kept = {info.id for info in inventory.snapshots}
    assert {row.id for row in snapshots if row.status == "available"} <= kept <= {row.id for row in snapshots}
    assert not inventory.leftovers and not list(cloud.parts.service(Backends).staging.iterdir())


async def everything_can_be_deleted(cloud):
    for volume in (await cloud.admin.get(f"{V}/volumes")).body["volumes"]:
        answer = await cloud.admin.delete(f"{V}/volumes/{volume['id']}?cascade=true")
        assert answer.status == 202, answer.content
    await cloud.settled()
    assert (await cloud.admin.get(f"{V}/volumes")).body["volumes"] == []
    inventory = await driver_of(cloud).list()
    assert (inventory.volumes, inventory.snapshots) == ((), ())


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize(("kind", "step"), STEPS, ids=[f"{kind}-{Registry[kind].steps[step].name}" for kind, step in STEPS])
async def test_survives(tmp_path, kind, step, how):
    lives, scene = Lives(tmp_path, ""), SCENES[kind]()
    await asyncio.to_thread(database.upgrade, lives.settings.database.url)
    finger = Finger(kind, step, how)
    try:
        cloud = await lives.meet(finger, scene)
        await scene.check(cloud, how == FAILS)
        await nothing_is_left_over(cloud)
        await everything_can_be_deleted(cloud)
    finally:
        await lives.stack.aclose()


@pytest.mark.parametrize("kind", sorted(SCENES))
async def test_a_back_end_that_hangs_is_given_up_and_the_fault_names_the_call(tmp_path, kind):
    quick = ", ".join(f"{name}=0.3" for name in SECONDS if name.startswith("volume") and name not in ("volume.open", "volume.list"))
    lives = Lives(tmp_path, f"[jobs]\ndeadlines = {quick}\n")
    await asyncio.to_thread(database.upgrade, lives.settings.database.url)
    scene, finger = SCENES[kind](), Finger(kind, 0, FAILS)
    finger.left = 0
    try:
        cloud = await lives.start(finger)
        await scene.prepare(cloud)
        driver_of(cloud).hang(HANGS[kind])
        await scene.ask(cloud)
        await cloud.settled()
        driver_of(cloud).heal()
        async with cloud.parts.database.read() as tx:
            rows = [*(await tx.execute(select(Volume))).scalars(), *(await tx.execute(select(Snapshot))).scalars()]
        assert any(f"volume.{HANGS[kind]} did not end" in (row.fault or "") for row in rows), [row.fault for row in rows]
        await everything_can_be_deleted(cloud)
    finally:
        await lives.stack.aclose()


def test_every_job_of_volumes_has_its_scene():
    assert {kind for kind in Registry if kind.startswith(PREFIX)} == set(SCENES) == set(HANGS)
