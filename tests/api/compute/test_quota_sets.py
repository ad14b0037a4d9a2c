"""Quota sets, quota classes and limits."""

import pytest

from tests.api.compute.rooms import C, make_room
from tests.api.compute.schemas import fits

NETWORK = {"fixed_ips", "floating_ips", "security_groups", "security_group_rules"}
FILES = {"injected_files", "injected_file_content_bytes", "injected_file_path_bytes"}


@pytest.fixture(scope="module")
async def user(cloud):
    return await cloud.project_user("quota-user")


@pytest.mark.parametrize("version", ["2.1", "2.35", "2.36", "2.56", "2.57", "2.104"])
async def test_every_reply_has_tempests_form(cloud, user, version):
    path, admin, minor = f"{C}/os-quota-sets/{user.project_id}", cloud.admin.at(version), int(version[2:])
    shown = fits(await user.at(version).get(path), "quotas", "get_quota_set", version)["quota_set"]
    assert (set(shown) >= NETWORK, set(shown) >= FILES) == (minor < 36, minor < 57)
    assert "networks" not in shown and shown["instances"] == 10
    detail = fits(await user.at(version).get(f"{path}/detail"), "quotas", "get_quota_set_details", version)["quota_set"]
    assert detail["cores"] == {"in_use": 0, "limit": 20, "reserved": 0}
    fits(await user.at(version).get(f"{path}/defaults"), "quotas", "get_quota_set", version)
    fits(await admin.put(path, {"quota_set": {"key_pairs": 99}}), "quotas", "update_quota_set", version)
    assert (await user.get(path)).body["quota_set"]["key_pairs"] == 99
    assert (await user.get(f"{path}/defaults")).body["quota_set"]["key_pairs"] == 100
    fits(await admin.delete(path), "quotas", "delete_quota", version)
    assert (await user.get(path)).body["quota_set"]["key_pairs"] == 100


async def test_items_come_and_go_with_versions(cloud, user):
    path = f"{C}/os-quota-sets/{user.project_id}"
    for version, item, status in (("2.35", "floating_ips", 200), ("2.36", "floating_ips", 400), ("2.56", "injected_files", 200),
                                  ("2.57", "injected_files", 400), ("2.1", "networks", 200), ("2.36", "networks", 400)):
        answer = await cloud.admin.at(version).put(path, {"quota_set": {item: 7}})
        assert answer.status == status, (version, item, answer.content)
    assert (await cloud.admin.get(path)).body["quota_set"]["floating_ips"] == 7
    await cloud.admin.delete(path)
    assert (await cloud.admin.get(path)).body["quota_set"]["floating_ips"] == -1


async def test_who_may(cloud, user):
    path = f"{C}/os-quota-sets/{user.project_id}"
    assert (await cloud.demo.get(path)).status == 403
    assert (await user.put(path, {"quota_set": {"cores": 1}})).status == 403
    assert (await user.delete(path)).status == 403
    assert (await cloud.admin.get(f"{C}/os-quota-sets/nobody")).status == 400


@pytest.mark.parametrize("wrong", [{"cores": -2}, {"cores": "many"}, {"colour": 1}, {"cores": 1 << 31}, {"force": "perhaps"}])
async def test_what_cannot_be_is_refused(cloud, user, wrong):
    assert (await cloud.admin.put(f"{C}/os-quota-sets/{user.project_id}", {"quota_set": wrong})).status == 400


async def test_below_what_is_in_use_only_by_force(cloud):
    room = await make_room(cloud)
    await room.server()
    path = f"{C}/os-quota-sets/{room.user.project_id}"
    answer = await cloud.admin.put(path, {"quota_set": {"instances": 0}})
    assert answer.status == 400 and "already used and reserved 1" in answer.body["badRequest"]["message"]
    assert (await cloud.admin.put(path, {"quota_set": {"instances": "0", "force": "True"}})).status == 200
    assert (await room.user.get(f"{path}/detail")).body["quota_set"]["instances"]["in_use"] == 1
    assert (await cloud.admin.put(path, {"quota_set": {"instances": -1}})).status == 200


async def test_a_user_has_no_more_than_his_project(cloud, user):
    path = f"{C}/os-quota-sets/{user.project_id}"
    mine = f"{path}?user_id={user.user_id}"
    assert (await cloud.admin.put(mine, {"quota_set": {"cores": 21}})).status == 400
    assert (await cloud.admin.put(mine, {"quota_set": {"cores": 5}})).body["quota_set"]["cores"] == 5
    assert (await cloud.admin.get(path)).body["quota_set"]["cores"] == 20
    assert (await cloud.admin.get(mine)).body["quota_set"]["cores"] == 5
    assert (await cloud.admin.delete(mine)).status == 202
    assert (await cloud.admin.get(mine)).body["quota_set"]["cores"] == 20


@pytest.mark.parametrize("version", ["2.1", "2.49", "2.50", "2.56", "2.57"])
async def test_quota_classes(cloud, user, version):
    path, admin = f"{C}/os-quota-class-sets/default", cloud.admin.at(version)
    fits(await admin.get(path), "quota_classes", "get_quota_class_set", version)
    fits(await admin.put(path, {"quota_class_set": {"metadata_items": 77}}), "quota_classes", "update_quota_class_set", version)
    assert (await user.get(f"{C}/os-quota-sets/{user.project_id}")).body["quota_set"]["metadata_items"] == 77
    assert (await user.get(f"{C}/os-quota-sets/{user.project_id}/defaults")).body["quota_set"]["metadata_items"] == 77
    await admin.put(path, {"quota_class_set": {"metadata_items": 128}})
    assert (await user.get(path)).status == 403


@pytest.mark.parametrize("name", ["gold", "g" * 200])
async def test_any_class_is_kept_and_only_the_default_one_counts(cloud, user, name):
    path = f"{C}/os-quota-class-sets/{name}"
    assert (await cloud.admin.put(path, {"quota_class_set": {"cores": 1}})).body["quota_class_set"]["cores"] == 1
    shown = (await cloud.admin.get(path)).body["quota_class_set"]
    assert (shown["id"], shown["cores"], shown["instances"]) == (name, 1, 10)
    assert (await user.get(f"{C}/os-quota-sets/{user.project_id}")).body["quota_set"]["cores"] == 20
    assert (await cloud.admin.get(f"{C}/os-quota-class-sets/other")).body["quota_class_set"]["cores"] == 20


async def test_a_class_takes_server_groups_before_it_shows_them(cloud):
    path = f"{C}/os-quota-class-sets/groups"
    answer = await cloud.admin.put(path, {"quota_class_set": {"server_groups": 3}})
    assert answer.status == 200 and "server_groups" not in answer.body["quota_class_set"]
    assert (await cloud.admin.at("2.50").get(path)).body["quota_class_set"]["server_groups"] == 3


async def test_what_a_class_has_not_is_refused(cloud):
    wrong = {"quota_class_set": {"server_groups": 1, "floating_ips": 1}}
    assert (await cloud.admin.at("2.50").put(f"{C}/os-quota-class-sets/default", wrong)).status == 400


@pytest.mark.parametrize("version", ["2.1", "2.36", "2.39", "2.57"])
async def test_limits(cloud, user, version):
    absolute = fits(await user.at(version).get(f"{C}/limits"), "limits", "get_limit", version)["limits"]["absolute"]
    minor = int(version[2:])
    assert ("maxTotalFloatingIps" in absolute, "maxImageMeta" in absolute, "maxPersonality" in absolute) == (
        minor < 36, minor < 39, minor < 57)
    assert (absolute["maxTotalInstances"], absolute["totalInstancesUsed"]) == (10, 0)


async def test_a_member_sees_the_quotas_of_his_own_project_in_every_service(cloud, user):
    """`openstack quota show` asks both; Neutron upstream tells managers alone."""
    for path in (f"{C}/os-quota-sets/{{}}", "/networking/v2.0/quotas/{}", "/networking/v2.0/quotas/{}/details",
                 "/networking/v2.0/quotas/{}/default"):
        assert (await user.get(path.format(user.project_id))).status == 200, path
    for path in (f"{C}/os-quota-sets/{{}}", "/networking/v2.0/quotas/{}"):
        assert (await user.get(path.format(cloud.demo.project_id))).status == 403, path
        assert (await user.put(path.format(user.project_id), {"quota": {"network": 9}})).status in (400, 403)


async def test_limits_of_others(cloud, user):
    assert (await cloud.admin.get(f"{C}/limits?tenant_id={user.project_id}")).status == 200
    assert (await cloud.demo.get(f"{C}/limits?tenant_id={user.project_id}")).status == 403
    assert (await cloud.admin.at("2.75").get(f"{C}/limits?colour=red")).status == 400
