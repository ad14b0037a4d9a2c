"""Keystone's extensions: federation records, endpoint filters and policies, domain options, access rules, OAuth, EC2."""

import base64
import hashlib
import hmac
import time
from urllib.parse import parse_qsl, quote

import pytest

from cloudd.core import clock
from cloudd.identity import signatures
from tests.api.conftest import Client
from tests.api.identity.test_people import role_id
from tests.api.identity.test_projects import V3, make, refused

FEDERATION = f"{V3}/OS-FEDERATION"
RULES = {"rules": [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "NAME"}]}]}


async def token(cloud, identity, **more):
    answer = await cloud.anonymous.post(f"{V3}/auth/tokens", {"auth": {"identity": identity, **more}})
    assert answer.status == 201, answer.content
    return Client(cloud.url, cloud.session, {"X-Auth-Token": answer.headers["X-Subject-Token"]}), answer.body["token"]


async def test_identity_providers_have_a_domain_protocols_and_mappings(cloud):
    path = f"{FEDERATION}/identity_providers/acme"
    made = await cloud.admin.put(path, {"identity_provider": {"remote_ids": ["https://acme"], "description": "d"}})
    assert made.status == 201
    provider = made.body["identity_provider"]
    assert provider == {"id": "acme", "description": "d", "enabled": False, "remote_ids": ["https://acme"],
                        "authorization_ttl": None, "domain_id": provider["domain_id"], "links": {
                            "self": f"{cloud.url}{path}", "protocols": f"{cloud.url}{path}/protocols"}}
    assert (await cloud.admin.get(f"{V3}/domains/{provider['domain_id']}")).status == 200
    await refused(await cloud.admin.put(path, {"identity_provider": {}}), 409, "acme")
    await refused(await cloud.admin.put(f"{path}2", {"identity_provider": {"remote_ids": ["https://acme"]}}), 409, "https://acme")
    await refused(await cloud.admin.put(f"{path}/protocols/oidc", {"protocol": {"mapping_id": "none"}}), 400, "none")
    assert (await cloud.admin.put(f"{FEDERATION}/mappings/m", {"mapping": RULES})).status == 201
    protocol = await cloud.admin.put(f"{path}/protocols/oidc", {"protocol": {"mapping_id": "m"}})
    assert protocol.status == 201 and protocol.body["protocol"]["links"]["identity_provider"] == f"{cloud.url}{path}"
    assert [row["id"] for row in (await cloud.admin.get(f"{path}/protocols")).body["protocols"]] == ["oidc"]
    assert (await cloud.admin.delete(path)).status == 204
    assert (await cloud.admin.get(f"{path}/protocols")).status == 404
    await refused(await cloud.demo.get(f"{FEDERATION}/identity_providers"), 403)


@pytest.mark.parametrize("mapping", [{}, {"rules": []}, {"rules": [{"local": []}]}, {"rules": [{"local": [], "remote": []}]},
                                     {"rules": [{"local": [{"x": 1}], "remote": [{"type": "a"}]}]}])
async def test_bad_mappings_are_refused(cloud, mapping):
    await refused(await cloud.admin.put(f"{FEDERATION}/mappings/bad", {"mapping": mapping}), 400)


async def test_a_project_sees_the_endpoints_that_it_was_given(cloud):
    project = cloud.demo.project_id
    rows = (await cloud.admin.get(f"{V3}/endpoints?interface=public")).body["endpoints"]
    compute = (await cloud.admin.get(f"{V3}/services?type=compute")).body["services"][0]["id"]
    one = next(row for row in rows if row["service_id"] == compute)["id"]

    async def seen():
        catalog = (await cloud.demo.get(f"{V3}/auth/catalog")).body["catalog"]
        return {point["id"] for entry in catalog for point in entry["endpoints"]}

    everything = await seen()
    group = (await cloud.admin.post(f"{V3}/OS-EP-FILTER/endpoint_groups", {"endpoint_group": {
        "name": "internal", "filters": {"interface": "internal"}}})).body["endpoint_group"]
    assert (await cloud.admin.put(f"{V3}/OS-EP-FILTER/projects/{project}/endpoints/{one}")).status == 204
    assert await seen() == {one}
    grouped = f"{V3}/OS-EP-FILTER/endpoint_groups/{group['id']}"
    assert (await cloud.admin.put(f"{grouped}/projects/{project}")).status == 204
    members = {row["id"] for row in (await cloud.admin.get(f"{grouped}/endpoints")).body["endpoints"]}
    assert one not in members and await seen() == {one, *members}
    listed = (await cloud.admin.get(f"{V3}/OS-EP-FILTER/projects/{project}/endpoints")).body["endpoints"]
    assert {row["id"] for row in listed} == await seen()
    assert (await cloud.admin.delete(grouped)).status == 204
    assert await seen() == {one}
    assert (await cloud.admin.delete(f"{V3}/OS-EP-FILTER/projects/{project}/endpoints/{one}")).status == 204
    assert (await cloud.admin.request("HEAD", f"{V3}/OS-EP-FILTER/projects/{project}/endpoints/{one}")).status == 404
    assert await seen() == everything


async def test_the_nearest_policy_of_an_endpoint_counts(cloud):
    policies = [(await cloud.admin.post(f"{V3}/policies", {"policy": {"type": "t", "blob": name}})).body["policy"]["id"]
                for name in ("service", "region", "endpoint")]
    row = (await cloud.admin.get(f"{V3}/endpoints?interface=public")).body["endpoints"][0]
    service = f"/OS-ENDPOINT-POLICY/services/{row['service_id']}"
    of_endpoint = f"{V3}/endpoints/{row['id']}/OS-ENDPOINT-POLICY/policy"
    await refused(await cloud.admin.get(of_endpoint), 404, row["id"])
    for key, path in zip(policies, (service, f"{service}/regions/{row['region_id']}",
                                    f"/OS-ENDPOINT-POLICY/endpoints/{row['id']}"), strict=True):
        assert (await cloud.admin.put(f"{V3}/policies/{key}{path}")).status == 204
        assert (await cloud.admin.get(of_endpoint)).body["policy"]["id"] == key
        assert row["id"] in {one["id"] for one in (await cloud.admin.get(
            f"{V3}/policies/{key}/OS-ENDPOINT-POLICY/endpoints")).body["endpoints"]}
    for key in policies:
        assert (await cloud.admin.delete(f"{V3}/policies/{key}")).status == 204
    await refused(await cloud.admin.get(of_endpoint), 404)


async def test_domain_options(cloud):
    domain = await make(cloud, "domain")
    path = f"{V3}/domains/{domain['id']}/config"
    await refused(await cloud.admin.get(path), 404, domain["id"])
    config = {"identity": {"driver": "ldap"}, "ldap": {"url": "ldap://x", "password": "hidden"}}
    made = await cloud.admin.put(path, {"config": config})
    assert made.status == 201 and made.body["config"] == {"identity": {"driver": "ldap"}, "ldap": {"url": "ldap://x"}}
    assert (await cloud.admin.get(f"{path}/ldap/url")).body == {"config": {"url": "ldap://x"}}
    await refused(await cloud.admin.get(f"{path}/ldap/password"), 404, "password")
    await refused(await cloud.admin.patch(path, {"config": {"other": {"x": 1}}}), 403, "other")
    await refused(await cloud.admin.patch(f"{path}/ldap", {"config": {"identity": {"driver": "sql"}}}), 403)
    assert (await cloud.admin.patch(f"{path}/ldap/url", {"config": {"url": "ldap://y"}})).body["config"]["ldap"]["url"] == "ldap://y"
    assert (await cloud.admin.delete(f"{path}/ldap")).status == 204
    await refused(await cloud.admin.get(f"{path}/ldap"), 404, "ldap")
    assert (await cloud.demo.get(f"{path}/security_compliance")).body["config"]["security_compliance"]["password_regex"] is None
    assert (await cloud.admin.get(f"{V3}/domains/config/identity/driver/default")).body == {"config": {"driver": "sql"}}


async def test_access_rules_hold_for_every_service(cloud):
    user = await cloud.project_user("ruled")
    rules = [{"service": "compute", "method": "GET", "path": "/v2.1/servers"},
             {"service": "image", "method": "GET", "path": "/v2/images/*"}]
    made = await user.post(f"{V3}/users/{user.user_id}/application_credentials", {"application_credential": {
        "name": "narrow", "access_rules": rules}})
    assert made.status == 201, made.content
    row = made.body["application_credential"]
    assert [{key: rule[key] for key in ("service", "method", "path")} for rule in row["access_rules"]] == rules
    narrow, told = await token(cloud, {"methods": ["application_credential"], "application_credential": {
        "id": row["id"], "secret": row["secret"]}})
    assert told["application_credential"]["access_rules"] == row["access_rules"]
    assert (await narrow.get("/compute/v2.1/servers")).status == 200
    assert (await narrow.get("/image/v2/images/none")).status == 404
    for method, path in (("GET", "/compute/v2.1/flavors"), ("POST", "/compute/v2.1/servers"), ("GET", "/image/v2/images"),
                         ("GET", "/networking/v2.0/networks"), ("GET", f"{V3}/auth/projects"),
                         ("GET", "/compute/v2.1/servers/detail")):
        assert (await narrow.request(method, path)).status == 401, path
    rule = f"{V3}/users/{user.user_id}/access_rules/{row['access_rules'][0]['id']}"
    await refused(await user.delete(rule), 403, row["id"])
    assert (await user.delete(f"{V3}/users/{user.user_id}/application_credentials/{row['id']}")).status == 204
    assert (await user.delete(rule)).status == 204


def oauth_header(cloud, path, key, secret, token_secret="", **more):
    params = {"oauth_consumer_key": key, "oauth_nonce": "n", "oauth_signature_method": "HMAC-SHA1",
              "oauth_timestamp": str(int(time.time())), "oauth_version": "1.0", **{f"oauth_{name}": more[name] for name in more}}
    params["oauth_signature"] = signatures.oauth1("POST", cloud.url + path, params.items(), secret, token_secret)
    return {"Authorization": "OAuth " + ", ".join(f'{name}="{quote(value, safe="~")}"' for name, value in params.items())}


async def test_oauth1_delegates_some_roles(cloud):
    consumer = (await cloud.admin.post(f"{V3}/OS-OAUTH1/consumers", {"consumer": {"description": "d"}})).body["consumer"]
    key, secret = consumer["id"], consumer["secret"]
    assert "secret" not in (await cloud.admin.get(f"{V3}/OS-OAUTH1/consumers/{key}")).body["consumer"]
    path = f"{V3}/OS-OAUTH1/request_token"
    project = {"Requested-Project-Id": cloud.admin.project_id}
    wrong = await cloud.anonymous.post(path, headers={**oauth_header(cloud, path, key, "wrong"), **project})
    await refused(wrong, 401, "signature")
    old = oauth_header(cloud, path, key, secret, timestamp="1000000000")
    await refused(await cloud.anonymous.post(path, headers={**old, **project}), 401, "expired")
    answer = await cloud.anonymous.post(path, headers={**oauth_header(cloud, path, key, secret), **project})
    asked = dict(parse_qsl(answer.content.decode()))
    assert answer.status == 201 and answer.headers["Content-Type"].startswith("application/x-www-form-urlencoded")
    reader = await role_id(cloud, "reader")
    given = await cloud.admin.put(f"{V3}/OS-OAUTH1/authorize/{asked['oauth_token']}", {"roles": [{"id": reader}]})
    verifier = given.body["token"]["oauth_verifier"]
    path = f"{V3}/OS-OAUTH1/access_token"
    header = oauth_header(cloud, path, key, secret, asked["oauth_token_secret"], token=asked["oauth_token"], verifier="x")
    await refused(await cloud.anonymous.post(path, headers=header), 401, "verifier")
    header = oauth_header(cloud, path, key, secret, asked["oauth_token_secret"], token=asked["oauth_token"], verifier=verifier)
    access = dict(parse_qsl((await cloud.anonymous.post(path, headers=header)).content.decode()))
    path = f"{V3}/auth/tokens"
    header = oauth_header(cloud, path, key, secret, access["oauth_token_secret"], token=access["oauth_token"])
    answer = await cloud.anonymous.post(path, {"auth": {"identity": {"methods": ["oauth1"], "oauth1": {}}}}, headers=header)
    assert answer.status == 201, answer.content
    assert [role["name"] for role in answer.body["token"]["roles"]] == ["reader"]
    assert answer.body["token"]["OS-OAUTH1"] == {"access_token_id": access["oauth_token"], "consumer_id": key}
    through = Client(cloud.url, cloud.session, {"X-Auth-Token": answer.headers["X-Subject-Token"]})
    assert (await through.get("/compute/v2.1/servers")).status == 200
    assert (await cloud.admin.delete(f"{V3}/users/{cloud.admin.user_id}/OS-OAUTH1/access_tokens/{access['oauth_token']}")).status == 204
    assert (await through.get("/compute/v2.1/servers")).status == 401


async def ec2_credential(cloud, name):
    """A user of his own, and his credential."""
    user = await cloud.project_user(name)
    made = await user.post(f"{V3}/users/{user.user_id}/credentials/OS-EC2", {"tenant_id": user.project_id})
    assert made.status == 201, made.content
    return user, made.body["credential"]


async def test_ec2_tokens_need_a_service_and_a_fresh_signature(cloud):
    user, credential = await ec2_credential(cloud, "ec2")
    params = {"SignatureVersion": "2", "SignatureMethod": "HmacSHA256", "Timestamp": clock.iso(clock.now()), "Action": "X"}
    given = {"access": credential["access"], "verb": "GET", "host": "cloud:80", "path": "/", "params": params}
    given["signature"] = signatures.ec2(credential["secret"], given)
    answer = await cloud.admin.post(f"{V3}/ec2tokens", {"credentials": given})
    assert answer.status == 200 and answer.body["token"]["user"]["id"] == user.user_id
    assert answer.body["token"]["project"]["id"] == user.project_id
    assert (await cloud.anonymous.post(f"{V3}/ec2tokens", {"credentials": given})).status == 401    # OSSA-2025-002
    assert (await user.post(f"{V3}/ec2tokens", {"credentials": given})).status == 403
    for change in ({"signature": "x"}, {"access": "none"}, {"path": "/other"}, {"params": {**params, "Action": "Y"}}):
        await refused(await cloud.admin.post(f"{V3}/ec2tokens", {"credentials": {**given, **change}}), 401)
    old = {**given, "params": {**params, "Timestamp": "2020-01-01T00:00:00Z"}}
    old["signature"] = signatures.ec2(credential["secret"], old)
    await refused(await cloud.admin.post(f"{V3}/ec2tokens", {"credentials": old}), 401, "expired")
    path = f"{V3}/users/{user.user_id}/credentials/OS-EC2/{credential['access']}"
    assert (await user.get(path)).body["credential"] == credential
    assert (await user.delete(path)).status == 204
    assert (await cloud.admin.post(f"{V3}/ec2tokens", {"credentials": given})).status == 401


async def test_s3_tokens(cloud):
    user, credential = await ec2_credential(cloud, "s3")
    text = f"GET\n\n\n{clock.now():%a, %d %b %Y %H:%M:%S GMT}\n/bucket".encode()
    signature = base64.b64encode(hmac.new(credential["secret"].encode(), text, hashlib.sha1).digest()).decode()
    given = {"access": credential["access"], "signature": signature, "token": base64.urlsafe_b64encode(text).decode()}
    answer = await cloud.admin.post(f"{V3}/s3tokens", {"credentials": given})
    assert answer.status == 200 and answer.body["token"]["user"]["id"] == user.user_id
    assert (await user.post(f"{V3}/s3tokens", {"credentials": given})).status == 403
    await refused(await cloud.admin.post(f"{V3}/s3tokens", {"credentials": {**given, "signature": "x"}}), 401)
    await refused(await cloud.admin.post(f"{V3}/s3tokens", {"credentials": {**given, "token": "%"}}), 400)


async def test_oauth2_client_credentials(cloud):
    made = (await cloud.demo.post(f"{V3}/users/{cloud.demo.user_id}/application_credentials", {"application_credential": {
        "name": "oauth2"}})).body["application_credential"]
    basic = base64.b64encode(f"{made['id']}:{made['secret']}".encode()).decode()
    path = f"{V3}/OS-OAUTH2/token"
    answer = await cloud.anonymous.request("POST", path, data={"grant_type": "client_credentials"},
                                           headers={"Authorization": f"Basic {basic}"})
    assert answer.status == 200 and answer.body["token_type"] == "Bearer" and 0 < answer.body["expires_in"] <= 3600
    bearer = {"Authorization": f"Bearer {answer.body['access_token']}"}
    assert (await cloud.anonymous.get("/compute/v2.1/servers", headers=bearer)).status == 200
    wrong = await cloud.anonymous.request("POST", path, data={"grant_type": "client_credentials"},
                                          headers={"Authorization": "Basic eDp5"})
    assert wrong.status == 401 and wrong.body["error"] == "invalid_client"
    other = await cloud.anonymous.request("POST", path, data={"grant_type": "password"})
    assert other.status == 400 and other.body["error"] == "unsupported_grant_type"


async def test_delegated_tokens_hand_on_nothing(cloud):
    made = (await cloud.demo.post(f"{V3}/users/{cloud.demo.user_id}/application_credentials", {"application_credential": {
        "name": "restricted"}})).body["application_credential"]
    through, _ = await token(cloud, {"methods": ["application_credential"], "application_credential": {
        "id": made["id"], "secret": made["secret"]}})
    ec2 = f"{V3}/users/{cloud.demo.user_id}/credentials/OS-EC2"
    await refused(await through.post(ec2, {"tenant_id": cloud.demo.project_id}), 403)            # OSSA-2020-004
    assert (await through.get(f"{V3}/users/{cloud.demo.user_id}")).status == 200


async def test_json_home_names_the_resources(cloud):
    answer = await cloud.anonymous.get(V3, headers={"Accept": "application/json-home"})
    assert answer.status == 200 and answer.headers["Content-Type"] == "application/json-home"
    rel = "https://docs.openstack.org/api/openstack-identity/3/rel/"
    found = answer.body["resources"]
    assert found[f"{rel}users"] == {"href": "/users"} and found[f"{rel}auth_tokens"] == {"href": "/auth/tokens"}
    assert found[f"{rel}user"]["href-template"] == "/users/{user_id}"
    assert set(found[f"{rel}group_user"]["href-vars"]) == {"group_id", "user_id"}
    assert f"{rel}user_change_password" in found and f"{rel}policy" in found
    plain = (await cloud.anonymous.get(V3)).body["version"]
    assert plain["id"] == "v3.14"


async def delegated(cloud, user, **more):
    """The same user through an application credential."""
    made = (await user.post(f"{V3}/users/{user.user_id}/application_credentials", {"application_credential": {
        "name": f"c{more}", **more}})).body["application_credential"]
    return (await token(cloud, {"methods": ["application_credential"], "application_credential": {
        "id": made["id"], "secret": made["secret"]}}))[0]


async def by_signature(cloud, credential):
    """The owner of an EC2 credential, by a signed request."""
    params = {"SignatureVersion": "2", "Timestamp": clock.iso(clock.now())}
    given = {"access": credential["access"], "verb": "GET", "host": "cloud", "path": "/", "params": params}
    given["signature"] = signatures.ec2(credential["secret"], given)
    answer = await cloud.admin.post(f"{V3}/ec2tokens", {"credentials": given})
    return Client(cloud.url, cloud.session, {"X-Auth-Token": answer.headers["X-Subject-Token"]})


@pytest.mark.parametrize("how", ["application credential", "unrestricted", "ec2"])
async def test_delegated_tokens_touch_no_credentials(cloud, how):
    """CVE-2026-90460, CVE-2026-43001, OSSA-2020-004: nothing longer-lived or wider is made of a delegated token."""
    user, credential = await ec2_credential(cloud, f"delegating {how}")
    seed = (await user.post(f"{V3}/credentials", {"credential": {
        "user_id": user.user_id, "type": "totp", "blob": "GEZDGNBV"}})).body["credential"]
    caller = await (by_signature(cloud, credential) if how == "ec2" else delegated(cloud, user, unrestricted=how == "unrestricted"))
    own = f"{V3}/users/{user.user_id}/credentials/OS-EC2"
    elsewhere = (await make(cloud, "project"))["id"]
    await refused(await caller.post(f"{V3}/credentials", {"credential": {"user_id": user.user_id, "type": "x", "blob": "b"}}), 403)
    await refused(await caller.patch(f"{V3}/credentials/{seed['id']}", {"credential": {"blob": "MFRGGZDF"}}), 403)
    await refused(await caller.delete(f"{V3}/credentials/{seed['id']}"), 403)
    await refused(await caller.post(own, {"tenant_id": elsewhere}), 403)
    if how == "unrestricted":
        assert (await caller.post(own, {"tenant_id": user.project_id})).status == 201
        return
    for path in (f"{V3}/credentials", f"{V3}/credentials/{seed['id']}", own, f"{own}/{credential['access']}"):
        await refused(await caller.get(path), 403)
    await refused(await caller.delete(f"{own}/{credential['access']}"), 403)
    await refused(await caller.post(f"{V3}/users/{user.user_id}/application_credentials", {"application_credential": {
        "name": "more"}}), 403)
    await refused(await caller.post(f"{V3}/OS-TRUST/trusts", {"trust": {
        "trustor_user_id": user.user_id, "trustee_user_id": cloud.demo.user_id, "project_id": user.project_id,
        "impersonation": True, "roles": [{"name": "member"}]}}), 403)
    rescoped = await cloud.anonymous.post(f"{V3}/auth/tokens", {"auth": {"identity": {"methods": ["token"], "token": {
        "id": caller.headers["X-Auth-Token"]}}, "scope": {"project": {"id": user.project_id}}}})
    await refused(rescoped, 403)


async def test_bodies_do_not_change_whom_policy_is_asked_about(cloud):
    """CVE-2026-42999: members of a body are no facts about what is loaded."""
    user = await cloud.project_user("injecting")
    target = {"user_id": user.user_id, "target": {"user": {"id": user.user_id, "domain_id": "default"}}}
    for method, path in (("GET", f"{V3}/users/{cloud.admin.user_id}"), ("PATCH", f"{V3}/users/{cloud.admin.user_id}"),
                         ("GET", f"{V3}/users/{cloud.admin.user_id}/application_credentials")):
        answer = await user.request(method, path, json={**target, "user": {"id": user.user_id, "domain_id": "default"}})
        assert answer.status == 403, (path, answer.content)
