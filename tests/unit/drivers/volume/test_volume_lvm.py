"""The LVM driver's commands, on reports that were recorded from LVM 2.03.16: what a verb asks for, and how what was cut short is met."""

import asyncio
import json
from dataclasses import replace

import pytest
import pytest_asyncio

from cloudd.core.confined import ENVIRONMENT
from cloudd.drivers.volume.base import (
    BackendDown,
    BackendFull,
    FromImage,
    FromSnapshot,
    VolumeBusy,
    VolumeConfig,
    VolumeError,
    VolumeMissing,
    VolumeRef,
    VolumeSpec,
)
from cloudd.drivers.volume.lvm import LvmVolumes, host
from tests.unit.drivers.volume.lvm_fake import GIB, MIB, A, B, C, D, E, F, FakeLvm, FakeMapper, driver, recorded
from tests.unit.drivers.volume.volume_rig import new_id

GROUP, POOL = "cloud-vg", "cloud-vg/pool"


@pytest.fixture
def lvm():
    return FakeLvm()


@pytest.fixture
def mapper():
    return FakeMapper()


@pytest_asyncio.fixture
async def volumes(lvm, mapper, tmp_path):
    made = driver(lvm, mapper, tmp_path)
    await made.open()
    lvm.commands()
    return made


def tags(command):
    return {command[at + 1] for at, word in enumerate(command) if word == "--addtag"}


# -- what is there ------------------------------------------------------------------------------------------------------


async def test_what_a_report_of_lvm_tells(volumes):
    there = await volumes.list()
    assert {one.id: one.size for one in there.volumes} == {A: GIB, C: 2 * GIB, D: 8 * MIB, F: 8 * MIB}
    assert [(one.id, one.volume_id, one.size) for one in there.snapshots] == [(B, A, GIB)]
    assert [(one.id, one.size) for one in there.images] == [(E, MIB)] and there.images[0].allocated >= MIB
    assert (await volumes.volume(D)).allocated == 8 * MIB and not there.leftovers


async def test_only_what_is_tagged_is_ours(volumes, lvm):
    found = {one.reference: one for one in await volumes.manageable()}
    assert found["somebodys"].safe and not found["root"].safe and "thin" in found["root"].reason
    assert not found[f"volume-{A}"].safe and found[f"_snapshot-{B}"].of_volume == A
    with pytest.raises(VolumeMissing):
        await volumes.manage_volume(new_id(), f"volume-{A}")
    lvm.row(f"volume-{A}")["lv_name"] = "another-name"
    assert (await volumes.list()).volumes[0].id == A


async def test_a_group_that_is_not_there_or_there_twice(lvm, mapper, tmp_path):
    lvm.rows = json.loads(recorded("pools.json"))
    lvm.row("pool")["lv_name"] = "other"
    with pytest.raises(BackendDown, match="lvcreate --type thin-pool -L SIZE -n pool cloud-vg"):
        await driver(lvm, mapper, tmp_path).open()
    devices = json.loads(lvm.devices)
    devices["report"][0]["pv"].append({**devices["report"][0]["pv"][0], "pv_name": "/dev/vdz", "vg_uuid": "another"})
    lvm.devices = json.dumps(devices)
    with pytest.raises(BackendDown, match="two volume groups"):
        await driver(lvm, mapper, tmp_path).open()
    lvm.devices = '{"report": [{"pv": []}]}'
    with pytest.raises(BackendDown, match="no volume group cloud-vg"):
        await driver(lvm, mapper, tmp_path).open()


@pytest.mark.parametrize("address", ["", "vg", "vg/", "/dev/vg", "vg/a/b", "-vg/pool", "vg/po ol"])
def test_an_address_that_is_no_pool(address):
    with pytest.raises(ValueError, match="VOLUME_GROUP/POOL"):
        LvmVolumes(VolumeConfig("fast", address, ""))


# -- commands -----------------------------------------------------------------------------------------------------------


async def test_lvm_sees_the_groups_own_devices_only_and_speaks_one_language(volumes, lvm):
    await volumes.create_volume(VolumeSpec(new_id(), GIB))
    (command,) = lvm.asked
    config = command[command.index("--config") + 1]
    assert config.count('filter=[ "a|^/dev/vdc$|", "r|.*|" ]') == 2 and "scan_lvs=0" in config
    assert ENVIRONMENT["LC_ALL"] == "C"


async def test_a_blank_volume_a_snapshot_and_a_clone_are_one_command_each(volumes, lvm):
    blank, snapshot, clone = new_id(), new_id(), new_id()
    await volumes.create_volume(VolumeSpec(blank, 3 * MIB))
    await volumes.create_snapshot(blank, snapshot)
    await volumes.create_volume(VolumeSpec(clone, 4 * MIB), FromSnapshot(snapshot))
    made = lvm.commands()
    assert [command[0] for command in made] == ["lvcreate"] * 3
    assert made[0][:9] == ("lvcreate", "-y", "--type", "thin", "--thinpool", "pool", "-V", f"{4 * MIB}b", "-n")
    assert tags(made[0]) == {"cloudd", f"cloudd.volume={blank}"}
    assert made[1][-1] == f"{GROUP}/volume-{blank}" and {"-s", "-ky", "-pr"} < set(made[1])
    assert tags(made[1]) == {"cloudd", f"cloudd.snapshot={snapshot}", f"cloudd.of={blank}"}
    assert made[2][-1] == f"{GROUP}/_snapshot-{snapshot}" and {"-s", "-kn", "-ay"} < set(made[2])
    assert (await volumes.volume(clone)).size == 4 * MIB and not lvm.commands()


async def test_a_clone_that_is_longer_says_so_before_it_is(volumes, lvm):
    made = new_id()
    assert (await volumes.create_volume(VolumeSpec(made, 16 * MIB), FromImage(E))).size == 16 * MIB
    create, extend = lvm.commands()
    assert f"cloudd.least={16 * MIB}" in tags(create) and create[-1] == f"{GROUP}/image-{E}"
    assert extend == ("lvextend", "-L", f"{16 * MIB}b", f"{GROUP}/volume-{made}")


async def test_reverting_is_one_change_of_tags(volumes, lvm):
    await volumes.revert_volume(A, B)
    create, change, remove, rename = lvm.commands()
    new = f"{GROUP}/volume-{A}.reverted"
    assert {f"cloudd.new=volume:{A}"} < tags(create) and any(tag.startswith("cloudd.replaces=") for tag in tags(create))
    assert change == ("lvchange", "--deltag", f"cloudd.new=volume:{A}", "--addtag", f"cloudd.volume={A}", new)
    assert remove[0] == "lvremove" and remove[-1] == f"{GROUP}/volume-{A}"
    assert rename == ("lvrename", GROUP, f"volume-{A}.reverted", f"volume-{A}")


async def test_what_is_open_is_not_touched(volumes, lvm, mapper):
    mapper.open[f"cloud--vg-volume--{A.replace('-', '--')}"] = 1
    for call in (volumes.delete_volume(A), volumes.revert_volume(A, B), volumes.create_snapshot(A, new_id()),
                 volumes.unmanage(VolumeRef(A)), volumes.open_disk(VolumeRef(A), write=True)):
        with pytest.raises(VolumeBusy, match=A):
            await call
    assert {command[0] for command in lvm.commands()} <= {"lvs"}
    await volumes.create_snapshot(A, new_id(), in_use=True)
    assert [command[0] for command in lvm.commands()] == ["lvcreate"]


async def test_what_sleeps_is_woken_past_its_flag(volumes, lvm, mapper):
    mapper.open[f"cloud--vg-volume--{A.replace('-', '--')}"] = None
    connection = await volumes.connect(A)
    assert connection.path == f"/dev/{GROUP}/volume-{A}" and connection.format == "raw"
    assert lvm.commands() == [("lvchange", "-ay", "-K", f"{GROUP}/volume-{A}")]


async def test_a_pool_that_waits_when_full_or_shows_old_blocks_is_told_otherwise(lvm, mapper, tmp_path):
    lvm.row("pool").update(lv_when_full="queue", zero="")
    await driver(lvm, mapper, tmp_path).open()
    asked = lvm.commands()
    assert ("lvchange", "--errorwhenfull", "y", POOL) in asked and ("lvchange", "-Zy", POOL) in asked


# -- failures -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("words", "kind"), [("error-full.txt", BackendFull), ("error-in-use.txt", VolumeBusy),
                                             ("error-filtered.txt", BackendDown), ("error-exists.txt", VolumeError)])
async def test_what_lvm_complains_of_is_told_by_meaning_and_without_paths(volumes, lvm, words, kind):
    lvm.fails["lvcreate"] = (5, recorded(words))
    with pytest.raises(kind) as caught:
        await volumes.create_volume(VolumeSpec(new_id(), GIB))
    assert type(caught.value) is kind and "/dev/" not in str(caught.value) and "WARNING" not in str(caught.value)


async def test_after_a_failure_the_group_is_looked_at_again(volumes, lvm):
    """A command that was cut short by a timeout, or ran twice: what it should have made is there."""
    made = new_id()
    lvm.fails["lvcreate"] = (5, recorded("error-exists.txt"))
    lvm.add(f"volume-{F}", lv_name=f"volume-{made}", lv_tags=f"cloudd,cloudd.volume={made}", lv_uuid="new")
    assert (await volumes.create_volume(VolumeSpec(made, 8 * MIB))).size == 8 * MIB
    assert [command[0] for command in lvm.commands()] == ["lvcreate", "lvs"]


async def test_who_goes_away_leaves_the_command_to_its_end(volumes, lvm):
    made = new_id()
    lvm.holds["lvcreate"] = asyncio.Event()
    asking = asyncio.ensure_future(volumes.create_volume(VolumeSpec(made, 8 * MIB)))
    while not lvm.asked:
        await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    waiting = asyncio.ensure_future(volumes.volume(made))
    await asyncio.sleep(0)
    assert not waiting.done()
    lvm.add(f"volume-{F}", lv_name=f"volume-{made}", lv_tags=f"cloudd,cloudd.volume={made}", lv_uuid="new")
    lvm.holds.pop("lvcreate").set()
    assert (await waiting).size == 8 * MIB
    assert [command[0] for command in lvm.commands()] == ["lvcreate", "lvs"]


async def test_many_at_once_do_not_lose_sight_of_the_group(volumes, lvm):
    made = [new_id() for _ in range(20)]
    await asyncio.gather(*(volumes.create_volume(VolumeSpec(id_, GIB)) for id_ in made))
    assert [command[0] for command in lvm.commands()] == ["lvcreate"] * 20
    assert [(await volumes.volume(id_)).size for id_ in made] == [GIB] * 20 and not lvm.commands()


async def test_a_device_that_an_operator_adds_is_found(volumes, lvm):
    devices = json.loads(lvm.devices)
    devices["report"][0]["pv"].append({**devices["report"][0]["pv"][0], "pv_name": "/dev/mapper/mpath+a"})
    lvm.devices = json.dumps(devices)
    lvm.fails["lvs"] = (5, recorded("error-filtered.txt"))
    with pytest.raises(BackendDown):
        await volumes.list()
    configs = [command[2] for command in lvm.asked if command[0] == "lvs"]
    assert len(configs) == 2 and '"a|^/dev/mapper/mpath.a$|"' in configs[1]


# -- what was cut short -------------------------------------------------------------------------------------------------


async def test_what_was_never_finished_is_dropped_and_what_was_promised_is_done(lvm, mapper, tmp_path):
    lvm.add(f"volume-{F}", lv_name="volume-x", lv_tags="cloudd,cloudd.new=volume:x", lv_uuid="x")
    lvm.row(f"volume-{C}")["lv_size"] = str(GIB)
    made = driver(lvm, mapper, tmp_path)
    await made.open()
    asked = lvm.commands()
    assert ("lvremove", "-f", "-y", f"{GROUP}/volume-x") in asked
    assert ("lvextend", "-L", f"{2 * GIB}b", f"{GROUP}/volume-{C}") in asked
    assert not [command for command in asked if command[0] == "lvremove" and "volume-x" not in command[-1]]


async def test_of_two_that_say_they_are_one_volume_the_replacement_is(lvm, mapper, tmp_path):
    old = lvm.row(f"volume-{A}")
    lvm.add(f"volume-{A}", lv_name=f"volume-{A}.reverted", lv_uuid="new",
            lv_tags=f"cloudd,cloudd.volume={A},cloudd.replaces={old['lv_uuid']}")
    made = driver(lvm, mapper, tmp_path)
    await made.open()
    asked = lvm.commands()
    assert ("lvremove", "-f", "-y", f"{GROUP}/volume-{A}") in asked
    assert ("lvrename", GROUP, f"volume-{A}.reverted", f"volume-{A}") in asked


# -- room ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("data", "metadata", "warned", "refused"), [
    (0.79, 0.1, 0, False), (0.8, 0.1, 1, False), (0.1, 0.8, 1, False), (0.89, 0.89, 2, False), (0.9, 0.1, 1, True), (0.1, 0.9, 1, True)])
async def test_a_pool_that_gets_full_is_told_of_and_then_takes_nothing_new(volumes, mapper, data, metadata, warned, refused):
    mapper.filled(data, metadata)
    assert len((await volumes.stats()).warnings) == warned
    for promise in (volumes.create_volume(VolumeSpec(new_id(), GIB)), volumes.create_snapshot(A, new_id()),
                    volumes.extend_volume(A, 2 * GIB), volumes.create_volume(VolumeSpec(new_id(), GIB), FromSnapshot(B))):
        if refused:
            with pytest.raises(BackendFull, match="90% full: from 90% on nothing new is promised"):
                await promise
        else:
            await promise
    await volumes.delete_snapshot(B)


@pytest.mark.parametrize("mode", ["ro", "Fail"])
async def test_a_pool_that_wants_a_repair_is_down_and_says_how(volumes, mapper, mode):
    mapper.state = replace(mapper.state, mode=mode)
    with pytest.raises(BackendDown, match="lvconvert --repair cloud-vg/pool"):
        await volumes.health()
    with pytest.raises(BackendDown):
        await volumes.create_volume(VolumeSpec(new_id(), GIB))


async def test_the_room_of_a_thick_volume_is_there_or_it_is_refused(volumes, lvm):
    with pytest.raises(BackendFull, match=f"{4 * GIB} bytes were asked for"):
        await volumes.create_volume(VolumeSpec(new_id(), 4 * GIB, thick=True))
    assert not lvm.commands()


# -- the host -----------------------------------------------------------------------------------------------------------


async def test_groups_that_the_hosts_lvm_finds_within_volumes(lvm):
    async def run(words):
        rows = {"lvs": ("lv", [{"lv_name": f"volume-{A}", "lv_path": f"/dev/{GROUP}/volume-{A}"}]),
                "pvs": ("pv", [{"pv_name": "/dev/vdc", "vg_name": GROUP}, {"pv_name": f"/dev/{GROUP}/volume-{A}", "vg_name": "guests"}])}
        assert "--config" not in words                       # with the host's own configuration
        kind, found = rows[words[0]]
        return 0, json.dumps({"report": [{kind: found}]}), ""
    assert await host.groups_inside(GROUP, run) == [host.Inside("guests", f"{GROUP}/volume-{A}")]


async def test_looking_at_a_pool_changes_nothing(lvm, mapper):
    mapper.filled(0.85)
    assert "85% full" in (await host.look(POOL, lvm, mapper))[0]
    assert {command[0] for command in lvm.commands()} == {"pvs", "lvs"}
