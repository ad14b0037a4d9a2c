"""Quota sets and classes, of all volumes and of each type; limits; extensions; what lists may be filtered by."""

import itertools

import pytest

from cloudd.block.models import Snapshot, Volume
from cloudd.core import clock
from cloudd.core.ids import new_uuid
from tests.api.block.forms import B, at, fits, words

NUMBERS = itertools.count()
KEYS = {"volumes", "snapshots", "gigabytes", "backups", "backup_gigabytes", "groups", "per_volume_gigabytes"}


@pytest.fixture
async def user(cloud):
    return await cloud.project_user(f"block-quota-{cloud.parts.database.queries}-{next(NUMBERS)}")


async def make_type(cloud):
    return (await cloud.admin.post(f"{B}/types", {"volume_type": {"name": f"quota-type-{next(NUMBERS)}"}})).body["volume_type"]


async def fill(cloud, user, type_id):
    """A volume of 3 GiB with a snapshot of 2 GiB, as rows: quotas are counted from nothing else."""
    now, volume = clock.now(), new_uuid()
    owned = {"project_id": user.project_id, "user_id": user.user_id, "volume_type_id": type_id, "status": "available", "created_at": now}
    async with cloud.parts.database.write() as tx:
        tx.add(Volume(id=volume, size=3, availability_zone="nova", **owned))
        tx.add(Snapshot(id=new_uuid(), volume_id=volume, volume_size=2, **owned))


async def empty(cloud, user):
    from sqlalchemy import delete
    async with cloud.parts.database.write() as tx:
        for model in (Snapshot, Volume):
            await tx.execute(delete(model).where(model.project_id == user.project_id))


async def test_every_reply_has_tempests_form(cloud, user):
    path = f"{B}/os-quota-sets/{user.project_id}"
    shown = fits(await user.get(path), "quotas", "show_quota_set")["quota_set"]
    assert set(shown) >= KEYS and (shown["volumes"], shown["gigabytes"], shown["per_volume_gigabytes"]) == (10, 1000, -1)
    usage = fits(await user.get(f"{path}?usage=True"), "quotas", "show_quota_set_usage")["quota_set"]
    assert usage["volumes"] == {"limit": 10, "in_use": 0, "reserved": 0}
    fits(await user.get(f"{path}/defaults"), "quotas", "show_quota_set")
    changed = fits(await cloud.admin.put(path, {"quota_set": {"volumes": 11, "gigabytes": "1009"}}), "quotas", "update_quota_set")
    assert (changed["quota_set"]["volumes"], changed["quota_set"]["gigabytes"]) == (11, 1009)
    assert (await user.get(path)).body["quota_set"]["volumes"] == 11
    assert (await user.get(f"{path}/defaults")).body["quota_set"]["volumes"] == 10
    fits(await cloud.admin.delete(path), "quotas", "delete_quota_set")
    assert (await user.get(path)).body["quota_set"]["volumes"] == 10


async def test_each_type_has_its_own_under_its_name_even_when_that_changes(cloud, user):
    made, path = await make_type(cloud), f"{B}/os-quota-sets/{user.project_id}"
    name = made["name"]
    assert (await user.get(path)).body["quota_set"][f"volumes_{name}"] == -1
    answer = await cloud.admin.put(path, {"quota_set": {f"volumes_{name}": 2, f"gigabytes_{name}": 20}})
    assert answer.body["quota_set"][f"volumes_{name}"] == 2
    await cloud.admin.put(f"{B}/types/{made['id']}", {"volume_type": {"name": f"{name}-new"}})
    shown = (await user.get(path)).body["quota_set"]
    assert (shown[f"volumes_{name}-new"], shown[f"gigabytes_{name}-new"]) == (2, 20) and f"volumes_{name}" not in shown
    assert (await cloud.admin.delete(f"{B}/types/{made['id']}")).status == 202
    assert not [key for key in (await user.get(path)).body["quota_set"] if name in key]


async def test_usage_is_counted_from_the_rows(cloud, user):
    made, path = await make_type(cloud), f"{B}/os-quota-sets/{user.project_id}"
    await fill(cloud, user, made["id"])
    usage = (await user.get(f"{path}?usage=true")).body["quota_set"]
    used = {name: value["in_use"] for name, value in usage.items() if name != "id"}
    assert (used["volumes"], used["snapshots"], used["gigabytes"]) == (1, 1, 5)
    assert (used[f"volumes_{made['name']}"], used[f"gigabytes_{made['name']}"]) == (1, 5)
    for key, value in (("volumes", 0), ("gigabytes", 4), (f"snapshots_{made['name']}", 0)):
        refused = await cloud.admin.put(path, {"quota_set": {key: value}})
        assert refused.status == 400 and key in words(refused)
    assert (await cloud.admin.put(path, {"quota_set": {"volumes": -1, "per_volume_gigabytes": 1}})).status == 200
    await empty(cloud, user)


async def test_a_type_that_has_volumes_stays_as_it_is(cloud, user):
    made = await make_type(cloud)
    path = f"{B}/types/{made['id']}"
    await cloud.admin.post(f"{path}/extra_specs", {"extra_specs": {"a": "b"}})
    await fill(cloud, user, made["id"])
    luks = {"encryption": {"provider": "luks", "control_location": "front-end"}}
    for answer in (await cloud.admin.delete(path), await cloud.admin.post(f"{path}/extra_specs", {"extra_specs": {"c": "d"}}),
                   await cloud.admin.put(f"{path}/extra_specs/a", {"a": "c"}), await cloud.admin.delete(f"{path}/extra_specs/a"),
                   await cloud.admin.post(f"{path}/encryption", luks)):
        assert answer.status == 400 and "in use" in words(answer)
    assert (await cloud.admin.get(path)).body["volume_type"]["extra_specs"] == {"a": "b"}
    assert (await cloud.admin.put(path, {"volume_type": {"description": "still"}})).status == 200
    host = (await cloud.admin.get(f"{B}/os-hosts")).body["hosts"]
    assert host
    await empty(cloud, user)


@pytest.mark.parametrize("wrong", [{"volumes": -2}, {"volumes": "many"}, {"volumes": None}, {"volumes": 1 << 31}, {"volumes": True}, {},
                                   {"volumes": 1.5}, {"colour": 1}, {"volumes_nothing": 1}, {"volumes": "9" * 5000}])
async def test_what_cannot_be_is_refused(cloud, user, wrong):
    answer = await cloud.admin.put(f"{B}/os-quota-sets/{user.project_id}", {"quota_set": wrong})
    assert answer.status == 400 and all(name in words(answer) for name in wrong)
    if wrong:
        assert (await cloud.admin.put(f"{B}/os-quota-class-sets/default", {"quota_class_set": wrong})).status == 400


async def test_who_may(cloud, user):
    path = f"{B}/os-quota-sets/{user.project_id}"
    assert (await cloud.demo.get(path)).status == 403
    assert (await user.put(path, {"quota_set": {"volumes": 1}})).status == 403
    assert (await user.delete(path)).status == 403
    assert (await user.get(f"{B}/os-quota-class-sets/default")).status == 403
    assert (await cloud.admin.put(f"{B}/os-quota-sets/nobody", {"quota_set": {"volumes": 1}})).status == 400
    assert (await cloud.admin.get(f"{path}?usage=perhaps")).status == 400
    assert (await cloud.admin.put(path, {"quota_set": {"volumes": 1, "tenant_id": user.project_id}})).status == 200


async def test_the_class_default_goes_for_all_projects(cloud, user):
    path, name = f"{B}/os-quota-class-sets/default", (await make_type(cloud))["name"]
    wanted = {"backups": 77, f"snapshots_{name}": 5}
    answer = await cloud.admin.put(path, {"quota_class_set": wanted})
    assert answer.status == 200 and wanted.items() <= answer.body["quota_class_set"].items()
    assert wanted.items() <= (await cloud.admin.get(path)).body["quota_class_set"].items()
    for shown in (f"{B}/os-quota-sets/{user.project_id}", f"{B}/os-quota-sets/{user.project_id}/defaults"):
        assert wanted.items() <= (await user.get(shown)).body["quota_set"].items()
    await cloud.admin.put(path, {"quota_class_set": {"backups": 10, f"snapshots_{name}": -1}})
    gold = f"{B}/os-quota-class-sets/{'gold' * 20}"
    assert (await cloud.admin.put(gold, {"quota_class_set": {"volumes": 1}})).body["quota_class_set"]["volumes"] == 1
    assert (await cloud.admin.get(gold)).body["quota_class_set"]["volumes"] == 1
    assert (await user.get(f"{B}/os-quota-sets/{user.project_id}")).body["quota_set"]["volumes"] == 10
    assert (await cloud.admin.put(f"{B}/os-quota-class-sets/{'x' * 256}", {"quota_class_set": {"volumes": 1}})).status == 400


async def test_limits(cloud, user):
    made = await make_type(cloud)
    await fill(cloud, user, made["id"])
    absolute = fits(await user.get(f"{B}/limits"), "limits", "show_limits")["limits"]["absolute"]
    assert (absolute["maxTotalVolumes"], absolute["totalVolumesUsed"], absolute["totalGigabytesUsed"]) == (10, 1, 5)
    other = f"{B}/limits?project_id={user.project_id}"
    for client, version, used in ((cloud.admin, "3.38", None), (cloud.admin, "3.39", 1), (cloud.demo, "3.39", None)):
        shown = (await at(client, version).get(other)).body["limits"]["absolute"]["totalSnapshotsUsed"]
        assert shown == used if used is not None else shown != 1
    await empty(cloud, user)


async def test_extensions(cloud):
    rows = fits(await cloud.demo.get(f"{B}/extensions"), "extensions", "list_extensions")["extensions"]
    assert {"os-hosts", "qos-specs", "scheduler-stats"} <= {row["alias"] for row in rows} and "Hosts" in {row["name"] for row in rows}
    assert (await cloud.demo.get(f"{B}/extensions/os-hosts")).body["extension"]["name"] == "Hosts"
    assert (await cloud.demo.get(f"{B}/extensions/nothing")).status == 404


async def test_resource_filters(cloud):
    demo = at(cloud.demo, "3.33")
    rows = {row["resource"]: row["filters"] for row in (await demo.get(f"{B}/resource_filters")).body["resource_filters"]}
    assert rows["message"] == ["resource_uuid", "resource_type", "event_id", "request_id", "message_level"] and "volume" in rows
    assert (await demo.get(f"{B}/resource_filters?resource=pool")).body == {
        "resource_filters": [{"resource": "pool", "filters": ["name", "volume_type"]}]}
    assert (await demo.get(f"{B}/resource_filters?resource=nothing")).body == {"resource_filters": []}
    assert (await at(cloud.demo, "3.32").get(f"{B}/resource_filters")).status == 404
