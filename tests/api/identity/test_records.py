"""Regions, services, endpoints, credentials, policies, limits, trusts and application credentials."""

import pytest
from sqlalchemy import select

from cloudd.identity.models import Credential
from tests.api.conftest import PASSWORD
from tests.api.identity.test_people import role_id
from tests.api.identity.test_projects import V3, make, refused


async def test_regions(cloud):
    made = (await cloud.admin.post(f"{V3}/regions", {"region": {"description": "d", "note": "n"}})).body["region"]
    assert made == {"id": made["id"], "description": "d", "parent_region_id": None, "note": "n",
                    "links": {"self": f"{cloud.url}/identity/v3/regions/{made['id']}"}}
    named = await cloud.admin.put(f"{V3}/regions/My-Region", {"region": {"parent_region_id": made["id"]}})
    assert named.status == 201 and named.body["region"]["id"] == "My-Region" and named.body["region"]["description"] == ""
    await refused(await cloud.admin.put(f"{V3}/regions/My-Region", {"region": {}}), 409, "My-Region")
    await refused(await cloud.admin.delete(f"{V3}/regions/{made['id']}"), 403, "My-Region")
    await refused(await cloud.admin.patch(f"{V3}/regions/{made['id']}", {"region": {"parent_region_id": "My-Region"}}), 400)
    listed = (await cloud.admin.get(f"{V3}/regions?parent_region_id={made['id']}")).body["regions"]
    assert [row["id"] for row in listed] == ["My-Region"]
    assert (await cloud.demo.get(f"{V3}/regions/My-Region")).status == 200
    assert (await cloud.admin.delete(f"{V3}/regions/My-Region")).status == 204
    assert (await cloud.admin.delete(f"{V3}/regions/{made['id']}")).status == 204


async def test_services_and_endpoints(cloud):
    service = await make(cloud, "service", type="thing", description=None)
    body = {"service_id": service["id"], "interface": "public", "url": "http://x/$(project_id)s", "region": "Made",
            "enabled": True}
    endpoint = (await cloud.admin.post(f"{V3}/endpoints", {"endpoint": body})).body["endpoint"]
    assert endpoint == {**body, "id": endpoint["id"], "region_id": "Made",
                        "links": {"self": f"{cloud.url}/identity/v3/endpoints/{endpoint['id']}"}}
    assert (await cloud.admin.get(f"{V3}/regions/Made")).status == 200
    shown = (await cloud.admin.get(f"{V3}/auth/catalog")).body["catalog"]
    entry = next(row for row in shown if row["type"] == "thing")
    assert entry["endpoints"][0]["url"] == f"http://x/{cloud.admin.project_id}"
    path = f"{V3}/endpoints/{endpoint['id']}"
    assert (await cloud.admin.patch(path, {"endpoint": {"enabled": False}})).body["endpoint"]["enabled"] is False
    shown = (await cloud.admin.get(f"{V3}/auth/catalog")).body["catalog"]
    assert next(row for row in shown if row["type"] == "thing")["endpoints"] == []
    await refused(await cloud.admin.delete(f"{V3}/regions/Made"), 403, endpoint["id"])
    assert (await cloud.admin.delete(f"{V3}/services/{service['id']}")).status == 204
    assert (await cloud.admin.get(path)).status == 404
    assert (await cloud.admin.delete(f"{V3}/regions/Made")).status == 204


@pytest.mark.parametrize("members", [
    {"url": ""}, {"url": "/x"}, {"url": "http://x/$(secret)s"}, {"interface": "side"}, {"service_id": "none"},
    {"region_id": "none"},
    {"enabled": "yes"}])
async def test_bad_endpoints_are_refused(cloud, members):
    service = (await cloud.admin.get(f"{V3}/services?type=identity")).body["services"][0]["id"]
    body = {"service_id": service, "interface": "public", "url": "http://x", **members}
    await refused(await cloud.admin.post(f"{V3}/endpoints", {"endpoint": body}), 400)


async def test_our_own_endpoints_go_on_following_the_host_when_sent_back(cloud):
    service = (await cloud.admin.get(f"{V3}/services?type=identity")).body["services"][0]["id"]
    endpoint = (await cloud.admin.get(f"{V3}/endpoints?service_id={service}&interface=public")).body["endpoints"][0]
    assert endpoint["url"] == f"{cloud.url}/identity"
    path = f"{V3}/endpoints/{endpoint['id']}"
    assert (await cloud.admin.patch(path, {"endpoint": {"url": endpoint["url"]}})).status == 200
    shown = await cloud.admin.get(path, headers={"Host": "other:1"})
    assert shown.body["endpoint"]["url"] == "http://other:1/identity"


async def test_credentials_are_encrypted_and_their_owners(cloud):
    body = {"type": "ec2", "blob": '{"access":"key","secret":"hidden-secret"}', "project_id": cloud.demo.project_id}
    made = (await cloud.demo.post(f"{V3}/credentials", {"credential": body})).body["credential"]
    assert made["blob"] == body["blob"] and made["user_id"] == cloud.demo.user_id and len(made["id"]) == 64
    async with cloud.parts.database.read() as tx:
        row = (await tx.execute(select(Credential).where(Credential.id == made["id"]))).scalar_one()
    assert "hidden" not in row.encrypted_blob
    path = f"{V3}/credentials/{made['id']}"
    await refused(await cloud.demo.post(f"{V3}/credentials", {"credential": body}), 409)
    await refused(await cloud.demo.post(f"{V3}/credentials", {"credential": {**body, "user_id": cloud.admin.user_id}}), 403)
    await refused(await cloud.demo.post(f"{V3}/credentials", {"credential": {**body, "blob": "x"}}), 400)
    await refused(await cloud.demo.patch(path, {"credential": {"type": "cert"}}), 400, "type")
    await refused(await cloud.demo.patch(path, {"credential": {"user_id": cloud.admin.user_id}}), 400, "user_id")
    changed = await cloud.demo.patch(path, {"credential": {"blob": '{"access":"key","secret":"new"}'}})
    assert changed.body["credential"]["id"] == made["id"] and "new" in changed.body["credential"]["blob"]
    other = await cloud.project_user("credential-other")
    await refused(await other.get(path), 403)
    assert (await other.get(f"{V3}/credentials")).body["credentials"] == []
    assert [row["id"] for row in (await cloud.demo.get(f"{V3}/credentials?type=ec2")).body["credentials"]] == [made["id"]]
    assert (await cloud.demo.delete(path)).status == 204


async def test_other_credentials_than_ec2s_change_hands_where_policy_lets(cloud):
    body = {"user_id": cloud.demo.user_id, "type": "cert", "blob": "b"}
    made = (await cloud.demo.post(f"{V3}/credentials", {"credential": body})).body["credential"]
    path = f"{V3}/credentials/{made['id']}"
    changed = await cloud.demo.patch(path, {"credential": {"type": "text", "project_id": cloud.demo.project_id}})
    assert changed.body["credential"] == {**made, "type": "text", "project_id": cloud.demo.project_id}
    for members, status in (({"user_id": cloud.admin.user_id}, 403), ({"type": "ec2"}, 400), ({"project_id": "none"}, 400)):
        await refused(await cloud.demo.patch(path, {"credential": members}), status)
    await refused(await cloud.admin.patch(path, {"credential": {"user_id": "nobody"}}), 400, "nobody")
    changed = await cloud.admin.patch(path, {"credential": {"user_id": cloud.admin.user_id, "project_id": None}})
    assert changed.body["credential"] == {**made, "type": "text", "user_id": cloud.admin.user_id, "project_id": None}
    assert (await cloud.demo.get(path)).status in (403, 404)
    assert (await cloud.admin.delete(path)).status == 204


async def test_policies(cloud):
    made = (await cloud.admin.post(f"{V3}/policies", {"policy": {"type": "t", "blob": {"a": "rule:b"}}})).body["policy"]
    path = f"{V3}/policies/{made['id']}"
    assert (await cloud.admin.patch(path, {"policy": {"type": "u"}})).body["policy"] == {**made, "type": "u"}
    assert (await cloud.admin.get(f"{V3}/policies?type=u")).body["policies"][0]["blob"] == {"a": "rule:b"}
    assert (await cloud.admin.delete(path)).status == 204


async def test_unified_limits(cloud):
    service = (await cloud.admin.get(f"{V3}/services?type=identity")).body["services"][0]["id"]
    what = {"service_id": service, "resource_name": "widgets"}
    body = {"limits": [{**what, "project_id": cloud.demo.project_id, "resource_limit": 3}]}
    await refused(await cloud.admin.post(f"{V3}/limits", body), 400, "widgets")
    registered = {"registered_limits": [{**what, "default_limit": 10}, {**what, "default_limit": 5, "region_id": "RegionOne"}]}
    made = (await cloud.admin.post(f"{V3}/registered_limits", registered)).body["registered_limits"]
    assert [row["default_limit"] for row in made] == [10, 5]
    await refused(await cloud.admin.post(f"{V3}/registered_limits", registered), 409, "widgets")
    limit = (await cloud.admin.post(f"{V3}/limits", body)).body["limits"][0]
    assert limit["resource_limit"] == 3 and limit["domain_id"] is None
    await refused(await cloud.admin.delete(f"{V3}/registered_limits/{made[0]['id']}"), 403, limit["id"])
    assert (await cloud.demo.get(f"{V3}/limits/{limit['id']}")).body["limit"] == limit
    assert [row["id"] for row in (await cloud.demo.get(f"{V3}/limits")).body["limits"]] == [limit["id"]]
    other = await cloud.project_user("limit-other")
    assert (await other.get(f"{V3}/limits")).body["limits"] == []
    await refused(await other.get(f"{V3}/limits/{limit['id']}"), 403)
    changed = await cloud.admin.patch(f"{V3}/limits/{limit['id']}", {"limit": {"resource_limit": 4}})
    assert changed.body["limit"]["resource_limit"] == 4
    assert (await cloud.demo.get(f"{V3}/limits/model")).body["model"]["name"] == "flat"
    for path in (f"limits/{limit['id']}", *(f"registered_limits/{row['id']}" for row in made)):
        assert (await cloud.admin.delete(f"{V3}/{path}")).status == 204


async def trusted(cloud, trustor, trustee, **members):
    """A trust with the role member on the trustor's project."""
    body = {"trustor_user_id": trustor.user_id, "trustee_user_id": trustee.user_id, "project_id": trustor.project_id,
            "impersonation": False, "roles": [{"name": "member"}], **members}
    return await trustor.post(f"{V3}/OS-TRUST/trusts", {"trust": body})


async def with_trust(cloud, name, trust):
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": {
        "name": name, "domain": {"id": "default"}, "password": PASSWORD}}}, "scope": {"OS-TRUST:trust": {"id": trust["id"]}}}}
    return await cloud.anonymous.post(f"{V3}/auth/tokens", body)


@pytest.mark.parametrize("impersonation", [True, False])
async def test_a_trustee_works_in_the_trustors_project(cloud, impersonation):
    name = f"trustee-{impersonation}"
    trustee = await cloud.project_user(name)
    made = await trusted(cloud, cloud.demo, trustee, impersonation=impersonation, remaining_uses=1)
    trust = made.body["trust"]
    assert made.status == 201 and trust["expires_at"] is None and trust["roles"][0]["id"] == await role_id(cloud, "member")
    answer = await with_trust(cloud, name, trust)
    token = answer.body["token"]
    assert answer.status == 201 and token["project"]["id"] == cloud.demo.project_id
    assert token["user"]["id"] == (cloud.demo.user_id if impersonation else trustee.user_id)
    assert token["OS-TRUST:trust"] == {"id": trust["id"], "impersonation": impersonation,
                                       "trustor_user": {"id": cloud.demo.user_id}, "trustee_user": {"id": trustee.user_id}}
    await refused(await with_trust(cloud, name, trust), 403, "uses")
    headers = {"X-Auth-Token": answer.headers["X-Subject-Token"]}
    assert (await cloud.anonymous.get(f"{V3}/auth/catalog", headers=headers)).status == 200
    again = {"auth": {"identity": {"methods": ["token"], "token": {"id": headers["X-Auth-Token"]}}}}
    await refused(await cloud.anonymous.post(f"{V3}/auth/tokens", again), 403)
    assert (await cloud.demo.delete(f"{V3}/OS-TRUST/trusts/{trust['id']}")).status == 204
    assert (await cloud.anonymous.get(f"{V3}/auth/catalog", headers=headers)).status == 401
    await refused(await cloud.demo.get(f"{V3}/OS-TRUST/trusts/{trust['id']}"), 404, trust["id"])


async def test_trusts_give_no_more_than_one_has(cloud):
    trustee = await cloud.project_user("trustee-more")
    await refused(await trusted(cloud, cloud.demo, trustee, roles=[{"name": "admin"}]), 404, "admin")
    await refused(await trusted(cloud, cloud.demo, trustee, roles=[]), 403)
    await refused(await trusted(cloud, cloud.demo, trustee, project_id=trustee.project_id), 404)
    await refused(await trusted(cloud, cloud.demo, trustee, trustor_user_id=trustee.user_id), 403)
    await refused(await trusted(cloud, cloud.demo, trustee, expires_at="2001-01-01T00:00:00Z"), 400, "2001")
    await refused(await trusted(cloud, cloud.demo, trustee, expires_at="soon"), 400, "soon")
    trust = (await trusted(cloud, cloud.demo, trustee)).body["trust"]
    other = await cloud.project_user("trust-other")
    await refused(await other.get(f"{V3}/OS-TRUST/trusts/{trust['id']}"), 403)
    await refused(await other.get(f"{V3}/OS-TRUST/trusts"), 403)
    await refused(await with_trust(cloud, "trust-other", trust), 403)
    mine = (await trustee.get(f"{V3}/OS-TRUST/trusts?trustee_user_id={trustee.user_id}")).body["trusts"]
    assert [row["id"] for row in mine] == [trust["id"]]
    role = trust["roles"][0]["id"]
    path = f"{V3}/OS-TRUST/trusts/{trust['id']}/roles"
    assert (await trustee.get(f"{path}/{role}")).status == (await trustee.request("HEAD", f"{path}/{role}")).status == 200
    await refused(await trustee.get(f"{path}/none"), 404)
    everything = (await cloud.admin.get(f"{V3}/OS-TRUST/trusts/")).body["trusts"]
    assert trust["id"] in {row["id"] for row in everything}


async def test_application_credentials(cloud):
    client = await cloud.project_user("app-credential")
    path = f"{V3}/users/{client.user_id}/application_credentials"
    made = await client.post(path, {"application_credential": {"name": "script", "roles": [{"name": "reader"}]}})
    row = made.body["application_credential"]
    assert made.status == 201 and row["secret"] and row["project_id"] == client.project_id and row["unrestricted"] is False
    assert [role["name"] for role in row["roles"]] == ["reader"]
    await refused(await client.post(path, {"application_credential": {"name": "script"}}), 409)
    await refused(await client.post(path, {"application_credential": {"name": "x", "roles": [{"name": "admin"}]}}), 400, "admin")
    shown = (await client.get(f"{path}/{row['id']}")).body["application_credential"]
    assert "secret" not in shown and (await client.get(path)).body["application_credentials"] == [shown]
    secret = {"id": row["id"], "secret": row["secret"]}
    body = {"auth": {"identity": {"methods": ["application_credential"], "application_credential": secret}}}
    answer = await cloud.anonymous.post(f"{V3}/auth/tokens", body)
    token = answer.body["token"]
    assert [role["name"] for role in token["roles"]] == ["reader"] and token["methods"] == ["application_credential"]
    headers = {"X-Auth-Token": answer.headers["X-Subject-Token"]}
    await refused(await cloud.anonymous.post(path, {"application_credential": {"name": "y"}}, headers=headers), 403)
    await refused(await cloud.demo.get(path), 403)
    wrong = {"auth": {"identity": {"methods": ["application_credential"], "application_credential": {**secret, "secret": "x"}}}}
    assert (await cloud.anonymous.post(f"{V3}/auth/tokens", wrong)).status == 401
    assert (await client.delete(f"{path}/{row['id']}")).status == 204
    assert (await cloud.anonymous.get(f"{V3}/auth/projects", headers=headers)).status == 401
