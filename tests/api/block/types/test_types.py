"""Volume types: who sees which, access, extra specs, default types."""

import itertools

import pytest

from tests.api.block.forms import B, at, fits, words

NUMBERS = itertools.count()
T = f"{B}/types"


def ordered(**more):
    return {"volume_type": {"name": f"type-{next(NUMBERS)}", **more}}


async def make(cloud, **more):
    return fits(await cloud.admin.post(T, ordered(**more)), "volume_types", "create_volume_type")["volume_type"]


async def names(client, query="", version="3.0"):
    return {row["name"] for row in (await at(client, version).get(f"{T}{query}")).body["volume_types"]}


async def test_every_reply_has_tempests_form(cloud):
    made = await make(cloud, description="fast", extra_specs={"volume_backend_name": "x", "multiattach": "<is> True"})
    assert made["os-volume-type-access:is_public"] is made["is_public"] is True
    shown = fits(await cloud.admin.get(f"{T}/{made['id']}"), "volume_types", "show_volume_type")["volume_type"]
    assert (shown["description"], shown["extra_specs"]) == ("fast", {"volume_backend_name": "x", "multiattach": "<is> True"})
    assert shown["qos_specs_id"] is None
    assert shown in fits(await cloud.admin.get(T), "volume_types", "list_volume_types")["volume_types"]
    change = {"volume_type": {"name": made["name"] + "-new", "description": "slow", "is_public": False}}
    changed = fits(await cloud.admin.put(f"{T}/{made['id']}", change), "volume_types", "update_volume_types")["volume_type"]
    assert (changed["name"], changed["description"], changed["is_public"]) == (made["name"] + "-new", "slow", False)
    fits(await cloud.admin.delete(f"{T}/{made['id']}"), "volume_types", "delete_volume_type")
    assert (await cloud.admin.get(f"{T}/{made['id']}")).status == 404


async def test_a_user_sees_of_the_extra_specs_only_what_concerns_him(cloud):
    specs = {"volume_backend_name": "secret", "multiattach": "<is> True", "RESKEY:availability_zones": "nova"}
    made = await make(cloud, extra_specs=specs)
    seen = {"multiattach": "<is> True", "RESKEY:availability_zones": "nova"}
    shown = (await cloud.demo.get(f"{T}/{made['id']}")).body["volume_type"]
    assert shown["extra_specs"] == seen and "qos_specs_id" not in shown
    assert (await cloud.demo.get(f"{T}/{made['id']}/extra_specs")).body == {"extra_specs": seen}
    assert (await cloud.demo.get(f"{T}/{made['id']}/extra_specs/multiattach")).body == {"multiattach": "<is> True"}
    assert (await cloud.demo.get(f"{T}/{made['id']}/extra_specs/volume_backend_name")).status == 404
    assert (await cloud.admin.get(f"{T}/{made['id']}/extra_specs")).body == {"extra_specs": specs}


@pytest.mark.parametrize("wrong", [{"name": ""}, {"name": "  "}, {"name": "x" * 256}, {"what": 1}, {"extra_specs": {"a!": "b"}},
                                   {"extra_specs": {"a": "x" * 256}}, {"os-volume-type-access:is_public": "perhaps"},
                                   {"extra_specs": {"provisioning:min_vol_size": "much"}}, {"description": "x" * 256},
                                   {"extra_specs": {"multiattach": "<is> True", "cacheable": "<is> True"}}])
async def test_what_cannot_be_is_refused(cloud, wrong):
    assert (await cloud.admin.post(T, ordered(**wrong))).status == 400


async def test_names_are_unique(cloud):
    one, other = await make(cloud), await make(cloud)
    again = await cloud.admin.post(T, {"volume_type": {"name": one["name"]}})
    assert again.status == 409 and one["name"] in words(again)
    assert (await cloud.admin.put(f"{T}/{other['id']}", {"volume_type": {"name": one["name"]}})).status == 409
    for nothing in ({}, {"name": None}, {"name": " "}):
        assert (await cloud.admin.put(f"{T}/{one['id']}", {"volume_type": nothing})).status == 400


async def test_only_administrators_make_change_and_delete(cloud):
    made = await make(cloud)
    assert (await cloud.demo.post(T, ordered())).status == 403
    assert (await cloud.demo.put(f"{T}/{made['id']}", {"volume_type": {"name": "mine"}})).status == 403
    assert (await cloud.demo.delete(f"{T}/{made['id']}")).status == 403
    assert (await cloud.demo.delete(f"{T}/nothing")).status == 403
    assert (await cloud.demo.post(f"{T}/{made['id']}/extra_specs", {"extra_specs": {"a": "b"}})).status == 403


async def test_private_types_are_seen_by_whom_they_were_given_to(cloud):
    private = await make(cloud, **{"os-volume-type-access:is_public": False})
    path, project = f"{T}/{private['id']}", cloud.demo.project_id
    assert (await cloud.demo.get(path)).status == 404
    assert private["name"] not in await names(cloud.admin)
    for query, there in (("?is_public=false", True), ("?is_public=none", True), ("?is_public=true", False)):
        assert (private["name"] in await names(cloud.admin, query)) is there
        assert private["name"] not in await names(cloud.demo, query)
    assert (await cloud.admin.get(f"{T}?is_public=perhaps")).status == 400
    give = {"addProjectAccess": {"project": project}}
    fits(await cloud.admin.post(f"{path}/action", give), "volume_types", "add_type_access")
    assert (await cloud.demo.get(path)).status == 200 and private["name"] in await names(cloud.demo)
    assert (await cloud.admin.post(f"{path}/action", give)).status == 409
    listed = fits(await cloud.admin.get(f"{path}/os-volume-type-access"), "volume_types", "list_type_access")
    assert listed["volume_type_access"] == [{"volume_type_id": private["id"], "project_id": project}]
    take = {"removeProjectAccess": {"project": project}}
    fits(await cloud.admin.post(f"{path}/action", take), "volume_types", "remove_type_access")
    assert (await cloud.admin.post(f"{path}/action", take)).status == 404
    assert (await cloud.demo.get(path)).status == 404


async def test_access_of_public_types_and_of_nobody(cloud):
    public, private = await make(cloud), await make(cloud, **{"os-volume-type-access:is_public": False})
    give = {"addProjectAccess": {"project": cloud.demo.project_id}}
    assert (await cloud.admin.get(f"{T}/{public['id']}/os-volume-type-access")).status == 404
    assert (await cloud.admin.post(f"{T}/{public['id']}/action", give)).status == 400
    nobody = await cloud.admin.post(f"{T}/{private['id']}/action", {"addProjectAccess": {"project": "nobody"}})
    assert nobody.status == 400 and "nobody" in words(nobody)
    for wrong in ({"addProjectAccess": {}}, {"addProjectAccess": {"project": ""}}, {"addProjectAccess": None}, {"unknown": {}}):
        assert (await cloud.admin.post(f"{T}/{private['id']}/action", wrong)).status == 400
    assert (await cloud.demo.post(f"{T}/{public['id']}/action", give)).status == 403
    assert (await cloud.demo.get(f"{T}/{public['id']}/os-volume-type-access")).status == 403


async def test_extra_specs(cloud):
    made = await make(cloud)
    path = f"{T}/{made['id']}/extra_specs"
    sent = {"extra_specs": {"one": "1", "two": "2"}}
    assert fits(await cloud.admin.post(path, sent), "volume_types", "create_volume_types_extra_specs") == sent
    assert fits(await cloud.admin.get(path), "volume_types", "list_volume_types_extra_specs") == sent
    assert fits(await cloud.admin.get(f"{path}/one"), "volume_types", "show_volume_types_extra_specs") == {"one": "1"}
    put = await cloud.admin.put(f"{path}/one", {"one": "eins"})
    assert fits(put, "volume_types", "update_volume_type_extra_specs") == {"one": "eins"}
    assert (await cloud.admin.get(path)).body == {"extra_specs": {"one": "eins", "two": "2"}}
    for wrong in ({"two": "x"}, {"one": "x", "two": "y"}, None, {}, {"one": 5}):
        assert (await cloud.admin.put(f"{path}/one", wrong)).status == 400, wrong
    for wrong in (None, {"extra_specs": ["invalid"]}, {"extra_specs": {"with space": "x"}}, {"extra_specs": {}, "more": 1}):
        assert (await cloud.admin.post(path, wrong)).status == 400, wrong
    fits(await cloud.admin.delete(f"{path}/one"), "volume_types", "delete_volume_types_extra_specs")
    assert (await cloud.admin.delete(f"{path}/one")).status == 404
    assert (await cloud.admin.get(f"{path}/one")).status == 404
    nobody = f"{T}/00000000-0000-4000-8000-000000000000/extra_specs"
    for answer in (await cloud.admin.get(nobody), await cloud.admin.post(nobody, sent), await cloud.admin.delete(f"{nobody}/one"),
                   await cloud.admin.put(f"{nobody}/one", {"one": "1"})):
        assert answer.status == 404


async def test_cacheable_and_multiattach_exclude_each_other_in_two_steps_too(cloud):
    made = await make(cloud, extra_specs={"multiattach": "<is> True"})
    path = f"{T}/{made['id']}/extra_specs"
    refused = await cloud.admin.put(f"{path}/cacheable", {"cacheable": "<is> True"})
    assert refused.status == 400 and "multiattach" in words(refused)
    assert (await cloud.admin.put(f"{path}/cacheable", {"cacheable": "<is> False"})).status == 200


@pytest.mark.parametrize("version", ["3.51", "3.52", "3.71"])
async def test_types_are_found_by_their_extra_specs(cloud, version):
    wanted = await make(cloud, extra_specs={"multiattach": "<is> True", "colour": "red"})
    other = await make(cloud, extra_specs={"colour": "red"})
    found = await names(cloud.admin, "?extra_specs={'multiattach': '<is> True'}", version)
    assert wanted["name"] in found and other["name"] not in found
    assert {wanted["name"], other["name"]} <= await names(cloud.admin, "?extra_specs={'colour': 'red'}", version)
    seen = await names(cloud.demo, "?extra_specs={'multiattach': '<is> True'}", version)
    assert wanted["name"] in seen and (other["name"] in seen) is (version == "3.51")
    if version != "3.51":
        assert await names(cloud.demo, "?extra_specs={'colour': 'red'}", version) == set()
        assert (await at(cloud.demo, version).get(f"{T}?colour=red")).status == 400
        for wrong in ("x", "[1]", "{'a'", "__import__('os')", "{}" * 3000):
            assert (await at(cloud.demo, version).get(T, params={"extra_specs": wrong})).status == 400, wrong
    else:
        assert (await at(cloud.demo, version).get(f"{T}?colour=red")).status == 200


async def test_lists_are_sorted_paged_and_filtered(cloud):
    first, second = await make(cloud, description="paged"), await make(cloud, description="paged")
    query = "?description=paged"
    rows = [row["name"] for row in (await cloud.admin.get(f"{T}{query}&sort=name:asc")).body["volume_types"]]
    assert rows == sorted(rows) and {first["name"], second["name"]} <= set(rows)
    newest = (await cloud.admin.get(f"{T}{query}&limit=1")).body
    assert newest["volume_types"][0]["name"] == second["name"] and newest["volume_type_links"][0]["rel"] == "next"
    after = (await cloud.admin.get(f"{T}{query}&marker={second['id']}")).body["volume_types"]
    assert after[0]["name"] == first["name"]
    assert [row["id"] for row in (await cloud.admin.get(f"{T}?name={first['name']}")).body["volume_types"]] == [first["id"]]
    assert (await cloud.admin.get(f"{T}?colour=red")).body["volume_types"] == []
    assert (await cloud.admin.get(f"{T}?marker=nothing")).status == 404
    for wrong in ("?limit=-1", "?limit=x", "?sort=colour", "?sort=name:sideways", "?sort=name&sort_key=id"):
        assert (await cloud.admin.get(f"{T}{wrong}")).status == 400, wrong


async def test_a_list_costs_the_same_whatever_its_length(cloud):
    async def cost(limit):
        before = cloud.parts.database.queries
        assert (await cloud.demo.get(f"{T}?limit={limit}")).status == 200
        return cloud.parts.database.queries - before
    for _ in range(3):
        await make(cloud, extra_specs={"a": "b"})
    assert await cost(1) == await cost(100)


async def test_the_default_type(cloud):
    shown = fits(await cloud.demo.get(f"{T}/default"), "volume_types", "show_volume_type")["volume_type"]
    assert shown["name"] == "__DEFAULT__"
    refused = await cloud.admin.delete(f"{T}/{shown['id']}")
    assert refused.status == 400 and "default volume type" in words(refused)


async def test_default_types_of_projects(cloud):
    user, made = await cloud.project_user(f"default-type-{next(NUMBERS)}"), await make(cloud)
    admin, path = at(cloud.admin, "3.62"), f"{B}/default-types/{user.project_id}"
    assert (await admin.get(path)).status == 404
    wanted = {"default_type": {"project_id": user.project_id, "volume_type_id": made["id"]}}
    assert (await admin.put(path, {"default_type": {"volume_type": made["name"]}})).body == wanted
    assert (await admin.get(path)).body == wanted
    assert wanted["default_type"] in (await admin.get(f"{B}/default-types")).body["default_types"]
    assert (await user.get(f"{T}/default")).body["volume_type"]["id"] == made["id"]
    assert (await cloud.demo.get(f"{T}/default")).body["volume_type"]["name"] == "__DEFAULT__"
    refused = await cloud.admin.delete(f"{T}/{made['id']}")
    assert refused.status == 400 and user.project_id in words(refused)
    assert (await admin.delete(path)).status == 204 and (await admin.delete(path)).status == 204
    assert (await user.get(f"{T}/default")).body["volume_type"]["name"] == "__DEFAULT__"
    assert (await cloud.admin.delete(f"{T}/{made['id']}")).status == 202


async def test_default_types_are_administrators_and_come_with_3_62(cloud):
    project = cloud.demo.project_id
    body = {"default_type": {"volume_type": "__DEFAULT__"}}
    for client, version, status in ((cloud.admin, "3.61", 404), (cloud.demo, "3.62", 403)):
        assert (await at(client, version).put(f"{B}/default-types/{project}", body)).status == status
        assert (await at(client, version).get(f"{B}/default-types/{project}")).status == status
        assert (await at(client, version).get(f"{B}/default-types")).status == status
        assert (await at(client, version).delete(f"{B}/default-types/{project}")).status == status
    admin = at(cloud.admin, "3.62")
    assert (await admin.put(f"{B}/default-types/nobody", body)).status == 404
    unknown = await admin.put(f"{B}/default-types/{project}", {"default_type": {"volume_type": "no-such-type"}})
    assert unknown.status == 400 and "no-such-type" in words(unknown)
    assert (await admin.put(f"{B}/default-types/{project}", {"default_type": {}})).status == 400


async def test_what_was_done_is_told(cloud):
    from sqlalchemy import select

    from cloudd.core.tables import EventRow
    made = await make(cloud)
    await cloud.admin.post(f"{T}/{made['id']}/extra_specs", {"extra_specs": {"a": "b"}})
    await cloud.admin.delete(f"{T}/{made['id']}")
    async with cloud.parts.database.read() as tx:
        told = list((await tx.execute(select(EventRow.name).where(EventRow.resource_id == made["id"]).order_by(EventRow.serial))).scalars())
    assert told == ["volume_type.create", "volume_type_extra_specs.create", "volume_type.delete"]
