"""Flavors: who sees which, what each version shows, access and extra specs."""

import itertools

import pytest

from tests.api.compute.rooms import C
from tests.api.compute.schemas import fits

NUMBERS = itertools.count()


def ordered(**more):
    return {"name": f"flavor-{next(NUMBERS)}", "ram": 64, "vcpus": 1, "disk": 1, **more}


async def make(cloud, version="2.1", **more):
    answer = await cloud.admin.at(version).post(f"{C}/flavors", {"flavor": ordered(**more)})
    assert answer.status == 200, answer.content
    return answer.body["flavor"]


@pytest.mark.parametrize("version", ["2.1", "2.54", "2.55", "2.60", "2.61", "2.74", "2.75", "2.101"])
async def test_every_reply_has_tempests_form(cloud, version):
    more = {"description": "words"} if int(version[2:]) >= 55 else {}
    admin = cloud.admin.at(version)
    made = await admin.post(f"{C}/flavors", {"flavor": ordered(**more)})
    made = fits(made, "flavors", "create_update_get_flavor_details", version)["flavor"]
    minor = int(version[2:])
    assert made["swap"] == (0 if minor >= 75 else "")
    assert ("description" in made, "extra_specs" in made) == (minor >= 55, minor >= 61)
    shown = (await admin.get(f"{C}/flavors/{made['id']}")).body["flavor"]
    assert shown == made
    listed = fits(await admin.get(f"{C}/flavors"), "flavors", "list_flavors", version)["flavors"]
    assert {name: shown[name] for name in listed[0]} in listed
    assert shown in fits(await admin.get(f"{C}/flavors/detail"), "flavors", "list_flavors_details", version)["flavors"]
    assert (await admin.delete(f"{C}/flavors/{made['id']}")).status == 202
    missing = await admin.get(f"{C}/flavors/{made['id']}")
    assert (missing.status, list(missing.body)) == (404, ["itemNotFound"])


async def test_from_2_102_what_nobody_used_is_gone(cloud):
    made = await make(cloud, "2.102")
    assert "rxtx_factor" not in made and "OS-FLV-DISABLED:disabled" not in made
    found = (await cloud.admin.at("2.102").get(f"{C}/flavors?name={made['name']}")).body["flavors"]
    assert [row["id"] for row in found] == [made["id"]]
    assert (await cloud.admin.at("2.102").post(f"{C}/flavors", {"flavor": ordered(rxtx_factor=2.0)})).status == 400


async def test_numbers_may_come_as_text(cloud):
    made = await make(cloud, ram="128", vcpus="2", disk="3", swap="512", rxtx_factor="1.5", id="as-text")
    assert (await make(cloud, id=4711))["id"] == "4711"
    assert (made["ram"], made["vcpus"], made["disk"], made["swap"], made["rxtx_factor"]) == (128, 2, 3, 512, 1.5)
    assert made["id"] == "as-text"


@pytest.mark.parametrize("wrong", [{"ram": 0}, {"vcpus": 0}, {"disk": -1}, {"name": ""}, {"name": " x"}, {"id": "a/b"},
                                   {"what": 1}, {"ram": "x"}, {"ram": 1 << 40}, {"swap": -1}, {"rxtx_factor": -1},
                                   {"os-flavor-access:is_public": "maybe"}, {"description": "before 2.55"}])
async def test_what_cannot_be_is_refused(cloud, wrong):
    assert (await cloud.admin.post(f"{C}/flavors", {"flavor": ordered(**wrong)})).status == 400


async def test_names_and_ids_are_unique(cloud):
    made = await make(cloud)
    same_name = await cloud.admin.post(f"{C}/flavors", {"flavor": ordered(name=made["name"])})
    assert same_name.status == 409 and made["name"] in same_name.body["conflictingRequest"]["message"]
    assert (await cloud.admin.post(f"{C}/flavors", {"flavor": ordered(id=made["id"])})).status == 409


async def test_only_administrators_make_and_delete(cloud):
    made = await make(cloud)
    assert (await cloud.demo.post(f"{C}/flavors", {"flavor": ordered()})).status == 403
    assert (await cloud.demo.delete(f"{C}/flavors/{made['id']}")).status == 403


async def test_filters_and_pages(cloud):
    small, large = await make(cloud, ram=3000, disk=70), await make(cloud, ram=4000, disk=80)
    ids = {row["id"] for row in (await cloud.demo.get(f"{C}/flavors?minRam=3500")).body["flavors"]}
    assert large["id"] in ids and small["id"] not in ids
    ids = {row["id"] for row in (await cloud.demo.get(f"{C}/flavors/detail?minDisk=71")).body["flavors"]}
    assert large["id"] in ids and small["id"] not in ids
    assert (await cloud.demo.get(f"{C}/flavors?minRam=much")).status == 400
    rows = (await cloud.demo.get(f"{C}/flavors/detail?sort_key=memory_mb&sort_dir=desc")).body["flavors"]
    assert [row["ram"] for row in rows] == sorted((row["ram"] for row in rows), reverse=True)
    first = (await cloud.demo.get(f"{C}/flavors?limit=1")).body
    assert len(first["flavors"]) == 1 and first["flavors_links"][0]["rel"] == "next"
    after = (await cloud.demo.get(f"{C}/flavors?limit=1&marker={first['flavors'][0]['id']}")).body["flavors"]
    assert after[0]["id"] != first["flavors"][0]["id"]
    assert (await cloud.demo.get(f"{C}/flavors?marker=nothing")).status == 400
    assert (await cloud.demo.get(f"{C}/flavors?sort_key=colour")).status == 400
    assert (await cloud.demo.at("2.75").get(f"{C}/flavors?colour=red")).status == 400
    assert (await cloud.demo.get(f"{C}/flavors?colour=red")).status == 200


async def test_private_flavors_are_seen_by_whom_they_were_given_to(cloud):
    private = await make(cloud, **{"os-flavor-access:is_public": False})
    path = f"{C}/flavors/{private['id']}"
    assert (await cloud.demo.get(path)).status == 404
    assert private["id"] not in str((await cloud.admin.get(f"{C}/flavors")).body)
    for query, there in (("is_public=false", True), ("is_public=none", True), ("is_public=true", False)):
        assert (private["id"] in str((await cloud.admin.get(f"{C}/flavors?{query}")).body)) is there
        assert private["id"] not in str((await cloud.demo.get(f"{C}/flavors?{query}")).body)
    assert (await cloud.admin.get(f"{C}/flavors?is_public=perhaps")).status == 400
    give = {"addTenantAccess": {"tenant": cloud.demo.project_id}}
    given = fits(await cloud.admin.post(f"{path}/action", give), "flavors_access", "add_remove_list_flavor_access")
    assert given["flavor_access"] == [{"flavor_id": private["id"], "tenant_id": cloud.demo.project_id}]
    assert (await cloud.demo.get(path)).status == 200
    assert private["id"] in str((await cloud.demo.get(f"{C}/flavors")).body)
    assert (await cloud.admin.post(f"{path}/action", give)).status == 409
    assert (await cloud.admin.get(f"{path}/os-flavor-access")).body == given
    take = {"removeTenantAccess": {"tenant": cloud.demo.project_id}}
    assert (await cloud.admin.post(f"{path}/action", take)).body == {"flavor_access": []}
    assert (await cloud.admin.post(f"{path}/action", take)).status == 404
    assert (await cloud.demo.get(path)).status == 404


async def test_access_of_public_flavors_and_of_nobody(cloud):
    public, private = await make(cloud), await make(cloud, **{"os-flavor-access:is_public": False})
    assert (await cloud.admin.get(f"{C}/flavors/{public['id']}/os-flavor-access")).status == 404
    give = {"addTenantAccess": {"tenant": cloud.demo.project_id}}
    assert (await cloud.admin.at("2.6").post(f"{C}/flavors/{public['id']}/action", give)).status == 200
    assert (await cloud.admin.at("2.7").post(f"{C}/flavors/{public['id']}/action", give)).status == 409
    nobody = {"addTenantAccess": {"tenant": "nobody"}}
    assert (await cloud.admin.post(f"{C}/flavors/{private['id']}/action", nobody)).status == 400
    for flavor in (public, private):
        assert (await cloud.demo.post(f"{C}/flavors/{flavor['id']}/action", give)).status == 403
        assert (await cloud.demo.get(f"{C}/flavors/{flavor['id']}/os-flavor-access")).status == 403


async def test_descriptions(cloud):
    made = await make(cloud)
    path = f"{C}/flavors/{made['id']}"
    assert (await cloud.admin.at("2.54").put(path, {"flavor": {"description": "x"}})).status == 404
    changed = await cloud.admin.at("2.55").put(path, {"flavor": {"description": "for tests"}})
    assert changed.status == 200 and changed.body["flavor"]["description"] == "for tests"
    assert (await cloud.admin.at("2.55").put(path, {"flavor": {"description": None}})).body["flavor"]["description"] is None
    for wrong in ({}, {"name": "x"}, {"description": "x" * 65536}):
        assert (await cloud.admin.at("2.55").put(path, {"flavor": wrong})).status == 400
    assert (await cloud.demo.at("2.55").put(path, {"flavor": {"description": "mine"}})).status == 403


async def test_extra_specs(cloud):
    made = await make(cloud)
    path = f"{C}/flavors/{made['id']}/os-extra_specs"
    sent = {"extra_specs": {"hw:cpu_policy": "shared", "anything": "goes", "number": 5}}
    said = {"hw:cpu_policy": "shared", "anything": "goes", "number": "5"}
    assert (await cloud.admin.post(path, sent)).body == {"extra_specs": said}
    assert fits(await cloud.demo.get(path), "flavors_extra_specs", "set_get_flavor_extra_specs") == {"extra_specs": said}
    one = fits(await cloud.demo.get(f"{path}/anything"), "flavors_extra_specs", "set_get_flavor_extra_specs_key")
    assert one == {"anything": "goes"}
    assert (await cloud.admin.put(f"{path}/anything", {"anything": "else"})).body == {"anything": "else"}
    assert (await cloud.admin.put(f"{path}/anything", {"other": "x"})).status == 400
    assert (await cloud.admin.put(f"{path}/anything", {"anything": "x", "other": "y"})).status == 400
    assert (await cloud.demo.at("2.61").get(f"{C}/flavors/{made['id']}")).body["flavor"]["extra_specs"]["anything"] == "else"
    assert (await cloud.admin.delete(f"{path}/anything")).status == 200
    assert (await cloud.admin.delete(f"{path}/anything")).status == 404
    assert (await cloud.demo.get(f"{path}/anything")).status == 404
    assert (await cloud.demo.post(path, sent)).status == 403
    assert (await cloud.admin.post(path, {"extra_specs": {"bad/key": "x"}})).status == 400


@pytest.mark.parametrize(("key", "value", "good"), [
    ("hw:cpu_policy", "dedicated", True), ("hw:cpu_policy", "mine", False), ("hw:cpu_policie", "shared", False),
    ("hw:numa_nodes", "2", True), ("hw:numa_nodes", "0", False), ("quota:disk_read_bytes_sec", "100", True),
    ("quota:cpu_sahres", "1", False), ("trait:HW_CPU_X86_AVX2", "required", True), ("trait:HW_CPU_X86_AVX2", "perhaps", False),
    ("resources:VGPU", "1", True), ("resources1:VGPU", "x", False), ("mine:anything", "x", True), ("free", "x", True),
    ("os:secure_boot", "required", True), ("hw:mem_page_size", "large", True), ("hw:boot_menu", "perhaps", False),
])
async def test_known_extra_specs_are_checked_from_2_86(cloud, key, value, good):
    made = await make(cloud)
    path = f"{C}/flavors/{made['id']}/os-extra_specs"
    answer = await cloud.admin.at("2.86").post(path, {"extra_specs": {key: value}})
    assert answer.status == (200 if good else 400), answer.content
    assert (await cloud.admin.at("2.86").put(f"{path}/{key}", {key: value})).status == (200 if good else 400)
    assert (await cloud.admin.at("2.85").put(f"{path}/{key}", {key: value})).status == 200


async def test_lists_cost_the_same_whatever_their_length(cloud):
    async def cost(path):
        before = cloud.parts.database.queries
        assert (await cloud.demo.at("2.61").get(path)).status == 200
        return cloud.parts.database.queries - before
    await cost(f"{C}/flavors/detail?limit=2")
    assert await cost(f"{C}/flavors/detail?limit=2") == await cost(f"{C}/flavors/detail?limit=20")
