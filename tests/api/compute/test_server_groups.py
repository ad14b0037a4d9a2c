"""Server groups: what each version says, who sees them, quotas."""

import pytest

from tests.api.compute.rooms import C, make_room
from tests.api.compute.schemas import fits

P = f"{C}/os-server-groups"


def new(version, policy="anti-affinity", **more):
    return {"name": "group", **({"policy": policy} if int(version[2:]) >= 64 else {"policies": [policy]}), **more}


@pytest.fixture(scope="module")
async def user(cloud):
    user = await cloud.project_user("group-user")
    await cloud.admin.put(f"{C}/os-quota-sets/{user.project_id}", {"quota_set": {"server_groups": -1}})
    return user


@pytest.mark.parametrize("version", ["2.1", "2.12", "2.13", "2.15", "2.63", "2.64", "2.104"])
async def test_every_reply_has_tempests_form(user, version):
    client, minor = user.at(version), int(version[2:])
    made = fits(await client.post(P, {"server_group": new(version)}), "server_groups", "create_show_server_group", version)
    group = made["server_group"]
    assert group["members"] == [] and ("project_id" in group) == (minor >= 13)
    assert group.get("policy") == ("anti-affinity" if minor >= 64 else None)
    assert fits(await client.get(f"{P}/{group['id']}"), "server_groups", "create_show_server_group", version) == made
    assert group in fits(await client.get(P), "server_groups", "list_server_groups", version)["server_groups"]
    fits(await client.delete(f"{P}/{group['id']}"), "server_groups", "delete_server_group", version)
    assert (await client.get(f"{P}/{group['id']}")).status == 404


async def test_policies_by_version(user):
    for version, policy, status in (("2.14", "soft-affinity", 400), ("2.15", "soft-affinity", 200), ("2.64", "affinity", 200),
                                    ("2.64", "none", 400)):
        assert (await user.at(version).post(P, {"server_group": new(version, policy)})).status == status
    assert (await user.post(P, {"server_group": {"name": "x", "policies": ["affinity", "anti-affinity"]}})).status == 400
    assert (await user.post(P, {"server_group": {"name": "x", "policies": []}})).status == 400
    assert (await user.post(P, {"server_group": {"policies": ["affinity"]}})).status == 400
    assert (await user.at("2.64").post(P, {"server_group": {"name": "x", "policies": ["affinity"]}})).status == 400


async def test_rules(user):
    made = await user.at("2.64").post(P, {"server_group": new("2.64", rules={"max_server_per_host": "3"})})
    assert made.body["server_group"]["rules"] == {"max_server_per_host": 3}
    for policy, rules in (("affinity", {"max_server_per_host": 3}), ("anti-affinity", {"max_server_per_host": 0}),
                          ("anti-affinity", {"colour": "red"})):
        assert (await user.at("2.64").post(P, {"server_group": new("2.64", policy, rules=rules)})).status == 400


async def test_groups_of_others(cloud, user):
    group = (await user.post(P, {"server_group": new("2.1")})).body["server_group"]
    assert (await cloud.demo.get(f"{P}/{group['id']}")).status == 404
    assert (await cloud.demo.delete(f"{P}/{group['id']}")).status == 404
    assert group["id"] not in str((await cloud.admin.get(P)).body)
    assert group["id"] in str((await cloud.admin.get(f"{P}?all_projects=True")).body)
    assert (await cloud.demo.get(f"{P}?all_projects=True")).status == 403
    assert (await cloud.admin.get(f"{P}/{group['id']}")).status == 200


async def test_pages(cloud):
    user = await cloud.project_user("group-pages")
    ids = [(await user.post(P, {"server_group": new("2.1")})).body["server_group"]["id"] for _ in range(3)]
    assert [row["id"] for row in (await user.get(f"{P}?limit=2&offset=1")).body["server_groups"]] == ids[1:]
    assert (await user.get(f"{P}?limit=x")).status == 400 and (await user.at("2.75").get(f"{P}?colour=red")).status == 400


async def test_quota(cloud):
    user = await cloud.project_user("group-quota")
    await cloud.admin.put(f"{C}/os-quota-sets/{user.project_id}", {"quota_set": {"server_groups": 1}})
    assert (await user.post(P, {"server_group": new("2.1")})).status == 200
    answer = await user.post(P, {"server_group": new("2.1")})
    assert answer.status == 403 and "too many server groups" in answer.body["forbidden"]["message"]


async def test_members_are_those_who_live(cloud):
    room = await make_room(cloud)
    group = (await room.user.post(P, {"server_group": new("2.1", "affinity")})).body["server_group"]["id"]
    body = {**room.order(), "os:scheduler_hints": {"group": group}}
    server = (await room.user.post(f"{C}/servers", body)).body["server"]["id"]
    await cloud.settled()
    assert (await room.user.get(f"{P}/{group}")).body["server_group"]["members"] == [server]
    await room.user.delete(f"{C}/servers/{server}")
    await cloud.settled()
    assert (await room.user.get(f"{P}/{group}")).body["server_group"]["members"] == []
