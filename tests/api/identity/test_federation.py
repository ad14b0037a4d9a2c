"""Users who come from an OpenID provider: with an access token, mapped, shadowed, scoped; and every way in which it is refused."""

import asyncio
import base64
import hashlib
import hmac
import json
import time

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import RSAKey

from tests.api.identity.conftest import FEDERATION, V3
from tests.api.identity.test_projects import refused


async def test_an_access_token_lets_in_and_its_token_tells_where_from(federated):
    person = federated.person()
    client, token = await federated.login(person)
    domain = (await federated.cloud.admin.get(f"{FEDERATION}/identity_providers/acme")).body["identity_provider"]["domain_id"]
    assert token["methods"] == ["openid"] and "project" not in token and "roles" not in token and "catalog" not in token
    assert token["user"] == {
        "id": hashlib.sha256(f"{domain}user{person.claims['preferred_username']}".encode()).hexdigest(),
        "name": person.claims["preferred_username"], "domain": {"id": domain, "name": domain}, "OS-FEDERATION": {
            "identity_provider": {"id": "acme"}, "protocol": {"id": "openid"}, "groups": [{"id": federated.group["id"]}]}}
    shown = await client.get(f"{V3}/auth/tokens", headers={"X-Subject-Token": client.headers["X-Auth-Token"]})
    assert shown.body["token"] == token


async def test_the_user_has_a_row_with_where_he_comes_from(federated):
    person = federated.person()
    _, token = await federated.login(person)
    admin, path = federated.cloud.admin, f"{V3}/users/{token['user']['id']}"
    user = (await admin.get(path)).body["user"]
    name = person.claims["preferred_username"]
    links = [{"idp_id": "acme", "protocols": [{"protocol_id": "openid", "unique_id": name}]}]
    assert user["name"] == name and user["email"] == person.claims["email"] and user["federated"] == links
    for query in (f"unique_id={name}", f"idp_id=acme&name={name}", f"protocol_id=openid&name={name}"):
        assert [row["id"] for row in (await admin.get(f"{V3}/users?{query}")).body["users"]] == [user["id"]]
    assert (await admin.get(f"{V3}/users?idp_id=mock&unique_id={name}")).body["users"] == []
    person.claims["email"] = "new@acme.example"
    await federated.login(person)
    assert (await admin.get(path)).body["user"]["email"] == "new@acme.example"


async def test_the_groups_of_the_mapping_open_projects(federated):
    client, unscoped = await federated.login(federated.person())
    for path in (f"{FEDERATION}/projects", f"{V3}/auth/projects"):
        assert [row["id"] for row in (await client.get(path)).body["projects"]] == [federated.project["id"]]
    for path in (f"{FEDERATION}/domains", f"{V3}/auth/domains"):
        assert (await client.get(path)).body["domains"] == []
    for method in ("token", "openid", "mapped"):
        answer = await federated.scoped(client, {"project": {"id": federated.project["id"]}}, method)
        assert answer.status == 201, answer.content
        token = answer.body["token"]
        assert {role["name"] for role in token["roles"]} == {"member", "reader"} and token["catalog"]
        assert token["user"]["OS-FEDERATION"]["groups"] == [{"id": federated.group["id"]}]
        assert sorted(token["methods"]) == ["openid", "token"] and token["expires_at"] == unscoped["expires_at"]
    scoped = federated.client(answer)
    assert (await scoped.get("/compute/v2.1/servers")).status == 200
    other = await federated.make("project")
    await refused(await federated.scoped(client, {"project": {"id": other["id"]}}), 401)


async def test_a_group_on_a_domain_opens_the_domain(federated):
    domain, group = await federated.make("domain"), await federated.make("group")
    role = (await federated.cloud.admin.get(f"{V3}/roles?name=reader")).body["roles"][0]["id"]
    await federated.cloud.admin.put(f"{V3}/domains/{domain['id']}/groups/{group['id']}/roles/{role}")
    client, _ = await federated.login(federated.person(groups=[group["name"], "unknown group"]))
    assert [row["id"] for row in (await client.get(f"{FEDERATION}/domains")).body["domains"]] == [domain["id"]]
    assert (await federated.scoped(client, {"domain": {"id": domain["id"]}})).status == 201


async def test_a_mapping_makes_projects_and_gives_roles(federated):
    local = [{"user": {"name": "{0}"}}, {"projects": [
        {"name": "home of {0}", "roles": [{"name": "member"}]}, {"name": "shared", "roles": [{"name": "reader"}]}]}]
    await federated.rules([{"local": local, "remote": [{"type": "HTTP_OIDC_PREFERRED_USERNAME"}]}])
    person = federated.person()
    client, token = await federated.login(person)
    found = {row["name"]: row for row in (await client.get(f"{V3}/auth/projects")).body["projects"]}
    assert set(found) == {f"home of {person.claims['preferred_username']}", "shared"}
    assert all(row["domain_id"] == token["user"]["domain"]["id"] for row in found.values())
    await federated.rules([{"local": local[:1], "remote": [{"type": "HTTP_OIDC_PREFERRED_USERNAME"}]}])
    client, _ = await federated.login(person)
    assert len((await client.get(f"{V3}/auth/projects")).body["projects"]) == 2         # before 3.0 nothing is taken away
    one = {"projects": [{"name": "shared", "roles": [{"name": "member"}]}]}
    await federated.rules([{"local": [local[0], one], "remote": [{"type": "HTTP_OIDC_PREFERRED_USERNAME"}]}], "3.0")
    again, _ = await federated.login(person)
    assert [row["name"] for row in (await again.get(f"{V3}/auth/projects")).body["projects"]] == ["shared"]
    assert (await client.get(f"{V3}/auth/projects")).status == 401                     # what was taken away ends earlier tokens
    one["projects"][0]["roles"] = [{"name": "no such role"}]
    await federated.rules([{"local": [local[0], one], "remote": [{"type": "HTTP_OIDC_PREFERRED_USERNAME"}]}])
    await refused(await federated.enter(federated.access_token(person)), 404, "no such role")


async def test_a_mapping_can_name_a_local_user(federated):
    user = await federated.make("user")
    domain = {"domain": {"id": "default"}}
    await federated.rules([{"local": [{"user": {"name": "{0}", "type": "local", **domain}}], "remote": [{"type": "OIDC-nick"}]}])
    _, token = await federated.login(federated.person(nick=user["name"]))
    assert token["user"]["id"] == user["id"] and "OS-FEDERATION" not in token["user"]
    await refused(await federated.enter(federated.access_token(federated.person(nick="nobody"))), 401)
    await federated.cloud.admin.patch(f"{V3}/users/{user['id']}", {"user": {"enabled": False}})
    await refused(await federated.enter(federated.access_token(federated.person(nick=user["name"]))), 401)


async def test_a_group_that_is_taken_away_ends_the_tokens_that_had_it(federated):
    person = federated.person()
    client, _ = await federated.login(person)
    assert (await client.get(f"{V3}/auth/projects")).status == 200
    person.claims["groups"] = []
    again, token = await federated.login(person)
    assert token["user"]["OS-FEDERATION"]["groups"] == []
    assert (await client.get(f"{V3}/auth/projects")).status == 401
    assert (await again.get(f"{V3}/auth/projects")).body["projects"] == []


async def test_what_a_user_delegated_lasts_as_long_as_the_provider_says(federated):
    await federated.change("identity_providers/acme", "identity_provider", authorization_ttl=60)
    client, token = await federated.login(federated.person())
    scoped = federated.client(await federated.scoped(client, {"project": {"id": federated.project["id"]}}))
    path = f"{V3}/users/{token['user']['id']}"
    made = await scoped.post(f"{path}/application_credentials", {"application_credential": {"name": "robot"}})
    assert made.status == 201, made.content
    robot = {key: made.body["application_credential"][key] for key in ("id", "secret")}
    groups = (await federated.cloud.admin.get(f"{path}/groups")).body["groups"]
    assert [row["id"] for row in groups] == [federated.group["id"]] and groups[0]["membership_expires_at"]
    assert (await federated.cloud.admin.request("HEAD", f"{V3}/groups/{federated.group['id']}/users/{token['user']['id']}")).status == 204

    async def login():
        return await federated.cloud.anonymous.post(f"{V3}/auth/tokens", {"auth": {"identity": {
            "methods": ["application_credential"], "application_credential": robot}}})
    answer = await login()
    assert answer.status == 201 and {role["name"] for role in answer.body["token"]["roles"]} == {"member", "reader"}
    await federated.change("identity_providers/acme", "identity_provider", authorization_ttl=0)
    await refused(await login(), 401)
    assert (await federated.client(answer).get("/compute/v2.1/servers")).status == 401


async def test_a_trust_of_a_federated_user_ends_with_his_groups(federated):
    await federated.change("identity_providers/acme", "identity_provider", authorization_ttl=60)
    client, token = await federated.login(federated.person())
    scoped = federated.client(await federated.scoped(client, {"project": {"id": federated.project["id"]}}))
    trustee = federated.cloud.demo
    made = await scoped.post(f"{V3}/OS-TRUST/trusts", {"trust": {
        "trustor_user_id": token["user"]["id"], "trustee_user_id": trustee.user_id, "project_id": federated.project["id"],
        "impersonation": False, "roles": [{"name": "member"}]}})
    assert made.status == 201, made.content
    answer = await federated.scoped(trustee, {"OS-TRUST:trust": {"id": made.body["trust"]["id"]}})
    assert answer.status == 201 and "OS-FEDERATION" not in answer.body["token"]["user"], answer.content
    holder = federated.client(answer)
    assert (await holder.get("/compute/v2.1/servers")).status == 200
    await federated.change("identity_providers/acme", "identity_provider", authorization_ttl=0)
    assert (await holder.get("/compute/v2.1/servers")).status == 401


async def test_a_disabled_provider_or_user_is_shut_out_at_once(federated):
    person = federated.person()
    client, token = await federated.login(person)
    assert (await client.get(f"{V3}/auth/projects")).status == 200
    await federated.change("identity_providers/acme", "identity_provider", enabled=False)
    assert (await client.get(f"{V3}/auth/projects")).status == 401
    await refused(await federated.enter(federated.access_token(person)), 403, "disabled")
    await federated.change("identity_providers/acme", "identity_provider", enabled=True)
    assert (await federated.cloud.admin.patch(f"{V3}/users/{token['user']['id']}", {"user": {"enabled": False}})).status == 200
    await refused(await federated.enter(federated.access_token(person)), 401)
    assert (await client.get(f"{V3}/auth/projects")).status == 401


async def test_only_the_issuers_that_the_record_names_are_taken(federated):
    await federated.change("identity_providers/acme", "identity_provider", remote_ids=["https://elsewhere.example"])
    await refused(await federated.enter(federated.access_token(federated.person())), 403, federated.idp.url)
    await federated.change("identity_providers/acme", "identity_provider", remote_ids=[federated.idp.url, "https://elsewhere.example"])
    assert (await federated.enter(federated.access_token(federated.person()))).status == 201
    await federated.change("identity_providers/acme", "identity_provider", remote_ids=[federated.idp.url])


async def test_a_mapping_that_fits_nobody_lets_nobody_in(federated):
    await federated.rules([{"local": [{"user": {"name": "x"}}], "remote": [{"type": "OIDC-kind", "any_one_of": ["staff"]}]}])
    await refused(await federated.enter(federated.access_token(federated.person(kind=["guest"]))), 401, "no rule of the mapping")
    await federated.rules([{"local": [{"user": {"name": "{0}"}}, {"group": {"id": "nothing"}}], "remote": [{"type": "OIDC-sub"}]}])
    await refused(await federated.enter(federated.access_token(federated.person())), 401, "nothing", "was not found")
    await federated.rules([{"local": [{"group": {"id": federated.group["id"]}}], "remote": [{"type": "OIDC-sub"}]}])
    _, token = await federated.login(federated.person())                                # REMOTE_USER stands in for a name
    assert token["user"]["name"].startswith("sub-") and "@127.0.0.1" in token["user"]["name"]


async def test_a_name_that_is_taken_is_a_conflict(federated):
    await federated.rules([{"local": [{"user": {"name": "admin", "domain": {"id": "default"}}}], "remote": [{"type": "OIDC-sub"}]}])
    await refused(await federated.enter(federated.access_token(federated.person())), 409, "admin", "domain of its own")


async def test_unknown_ways_in(federated):
    token = federated.access_token(federated.person())
    await refused(await federated.enter(token, "nobody"), 404, "nobody")
    await refused(await federated.enter(token, "unknown"), 401, "providers_file")
    anonymous, path = federated.cloud.anonymous, f"{FEDERATION}/identity_providers/acme/protocols"
    await refused(await anonymous.post(f"{path}/saml2/auth"), 404, "saml2")
    await refused(await anonymous.get(f"{path}/openid/auth"), 401, "Bearer")
    assert (await federated.enter(token, method="GET")).status == 201
    wrong = await anonymous.post(f"{V3}/auth/tokens", {"auth": {"identity": {"methods": ["openid"], "openid": {
        "identity_provider": "acme", "protocol": "openid"}}}})
    await refused(wrong, 401, "begins at")


def none_signed(claims):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."


def hmac_signed(idp, claims):
    """HS256 with the public key as the secret."""
    def part(data):
        return base64.urlsafe_b64encode(data).decode().rstrip("=")
    key = idp.keys[0].public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    text = f"{part(json.dumps({'alg': 'HS256', 'kid': idp.keys[0].kid}).encode())}.{part(json.dumps(claims).encode())}"
    return f"{text}.{part(hmac.digest(key, text.encode(), 'sha256'))}"


@pytest.mark.parametrize("claims, says", [
    ({"aud": "somebody-else"}, "for somebody-else"), ({"aud": ["a", "b"]}, "for a, b"), ({"aud": None, "client_id": "other"}, "other"),
    ({"aud": None, "client_id": None}, "nobody"), ({"exp": 1}, "expired"), ({"exp": None}, "exp"), ({"exp": "soon"}, "not valid"),
    ({"nbf": time.time() + 3600}, "not yet valid"), ({"iss": "https://evil.example"}, "issuer"), ({"iss": None}, "iss"),
    ({"iat": time.time() + 3600}, "not yet valid"), ({"sub": None}, "sub"), ({"events": {}}, "logout")])
async def test_tokens_that_prove_nothing(federated, claims, says):
    person = federated.person()
    assert (await federated.enter(federated.access_token(person))).status == 201
    text = {name: value for name, value in {**federated.idp.access_claims(person, "cloudd"), **claims}.items() if value is not None}
    answer = await federated.enter(federated.idp.sign(text))
    assert answer.status == 401 and says in answer.body["error"]["message"], answer.content


async def test_signatures_that_prove_nothing(federated):
    person, idp = federated.person(), federated.idp
    claims = idp.access_claims(person, "cloudd")
    await refused(await federated.enter(none_signed(claims)), 401, "signed with none")
    await refused(await federated.enter(hmac_signed(idp, claims)), 401, "signed with HS256")
    foreign = RSAKey.generate_key(2048, {"kid": idp.keys[0].kid})
    await refused(await federated.enter(idp.sign(claims, foreign)), 401, "Signature verification failed")
    await refused(await federated.enter(idp.sign(claims, foreign, kid="unknown")), 401, "no key 'unknown'")
    await refused(await federated.enter(idp.sign(claims, typ="logout+jwt")), 401, "logout+jwt")
    head, body, signature = idp.sign(claims).split(".")
    other = idp.sign({**claims, "sub": "sub-1"}).split(".")[1]
    await refused(await federated.enter(f"{head}.{other}.{signature}"), 401)
    for text in ("x.y.z", f"{head}.{body}.", f"{head}..{signature}", "a.b", "ä"):
        assert (await federated.enter(text)).status == 401
    brought = federated.access_token(person, header={"jwk": foreign.as_dict(private=False), "x5u": "http://127.0.0.1:1/"})
    assert (await federated.enter(brought)).status == 201                               # keys that a token brings are not looked at


async def test_userinfo_of_another_user_is_refused(federated):
    mine, theirs = federated.person(), federated.person()
    text = federated.access_token(mine)
    federated.idp.tokens[text].user = theirs
    await refused(await federated.enter(text), 401, "another user")


async def test_a_token_that_says_enough_is_not_asked_about(federated):
    person = federated.person()
    before = federated.idp.asked.get("/userinfo", 0)
    await federated.login(person, **person.claims)
    assert federated.idp.asked.get("/userinfo", 0) == before
    await federated.login(person)
    assert federated.idp.asked["/userinfo"] == before + 1


async def test_opaque_tokens_are_introspected(federated):
    person, idp = federated.person(), federated.idp
    for name in ("acme", "asked"):
        text = f"opaque-{name}"
        federated.access_token(person)
        idp.tokens[text] = next(reversed(idp.tokens.values()))
        answer = await federated.enter(text, name)
        assert answer.status == 201, answer.content
        assert answer.body["token"]["user"]["OS-FEDERATION"]["identity_provider"] == {"id": name}
    for wrong, says in (({"aud": "other"}, "for other"), ({"iss": "https://evil.example"}, "evil")):
        idp.wrong = wrong
        await refused(await federated.enter("opaque-asked", "asked"), 401, says)
    idp.wrong = {}
    idp.tokens["opaque-asked"].revoked = True
    await refused(await federated.enter("opaque-asked", "asked"), 401, "not active")
    await refused(await federated.enter("never-seen", "asked"), 401, "not active")
    signed = federated.access_token(person)
    assert (await federated.enter(signed, "asked")).status == 201
    idp.tokens[signed].revoked = True
    assert (await federated.enter(signed, "asked")).status == 401                      # a JWT too, where introspection is wanted


async def test_new_keys_are_found_and_unknown_ones_do_not_hammer_the_provider(federated):
    from cloudd.identity.federation import oidc_provider
    providers = federated.cloud.parts.service(oidc_provider.OidcProviders)
    options = providers["acme"].options
    providers["acme"] = fresh = oidc_provider.OidcProvider("acme", options, clock := Clock())
    person, idp = federated.person(), federated.idp
    assert (await federated.enter(federated.access_token(person))).status == 201
    before = idp.asked["/keys"]
    idp.rotate()
    clock.now += 1
    await refused(await federated.enter(federated.access_token(person)), 401, "no key")
    assert idp.asked["/keys"] == before                                                 # not even a minute old
    clock.now += oidc_provider.REFRESH
    assert (await federated.enter(federated.access_token(person))).status == 201 and idp.asked["/keys"] == before + 1
    foreign = RSAKey.generate_key(2048, {"kid": "x"})
    wrong = [idp.sign(idp.access_claims(person, "cloudd"), foreign, kid=f"unknown-{number}") for number in range(5)]
    assert {answer.status for answer in await asyncio.gather(*map(federated.enter, wrong))} == {401}
    assert idp.asked["/keys"] == before + 1 and fresh is providers["acme"]
    providers["acme"] = oidc_provider.OidcProvider("acme", options)                     # with a clock that goes, for the others


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


async def test_a_provider_that_is_down_is_told_and_never_an_error_of_ours(federated):
    token = federated.access_token(federated.person())
    await refused(await federated.enter(token, "down"), 503, "down", "could not be fetched")
    federated.idp.broken = True
    await refused(await federated.enter("opaque", "asked"), 503, "answered 500")


async def test_failures_are_in_the_audit_log(federated):
    from sqlalchemy import select

    from cloudd.core.tables import EventRow
    await federated.enter("x.y.z")
    async with federated.cloud.parts.database.read() as tx:
        query = select(EventRow).where(EventRow.name == "identity.authenticate").order_by(EventRow.serial.desc()).limit(1)
        row = (await tx.execute(query)).scalar_one()
    assert row.payload["outcome"] == "failure" and row.payload["method"] == "openid" and row.address == "127.0.0.1"


@pytest.mark.parametrize("claims", [
    {"preferred_username": "x" * 300}, {"preferred_username": "a\0b"}, {"preferred_username": 5}, {"preferred_username": {"a": [1]}},
    {"preferred_username": []}, {"preferred_username": ["a", "b"]}, {"preferred_username": " "}, {"preferred_username": "\U0001f600"},
    {"preferred_username": "a/../b?c#d%00"}, {"email": "e" * 5000}, {"sub": 5}, {"sub": ["a"]}, {"aud": 5}, {"aud": {"a": 1}},
    {"aud": [["cloudd"]]}, {"iss": ["a"]}, {"exp": 1e300}, {"exp": [1]}, {"nbf": "x"}, {"iat": {}}, {"groups": "one"}, {"groups": {"a": 1}},
    {"groups": [["a"], {"b": 1}, 5, None, True]}, {"groups": [f"g{number}" for number in range(200)]}, {"groups": "JSON:{"},
    {"": "x", "a b": 1, "\U0001f600": [None]}], ids=repr)
async def test_strange_claims_never_crash(federated, claims):
    person = federated.person()
    answer = await federated.enter(federated.access_token(person, **{**person.claims, **claims}))
    assert answer.status in (201, 400, 401), answer.content


@pytest.mark.parametrize("header", [{"kid": "x" * 2000}, {"kid": ""}, {"typ": "x"}, {"typ": "AT+JWT"}], ids=repr)
async def test_strange_headers_never_crash(federated, header):
    answer = await federated.enter(federated.access_token(federated.person(), header=header))
    assert answer.status == (201 if header == {"typ": "AT+JWT"} else 401), answer.content


@pytest.mark.parametrize("value", ["x" * 300, "%00", "..%2f..%2fetc", "'%20OR%201=1", "%F0%9F%92%A5", "-1"])
async def test_strange_addresses_never_crash(federated, value):
    below = f"{V3}/auth/OS-FEDERATION"
    origin = "origin=https://dashboard.example.org/auth/websso/"
    for path in (f"{FEDERATION}/identity_providers/{value}/protocols/openid/auth", f"{below}/websso/{value}?{origin}",
                 f"{FEDERATION}/identity_providers/acme/protocols/{value}/auth",
                 f"{below}/identity_providers/acme/protocols/{value}/websso?{origin}",
                 f"{below}/identity_providers/{value}/protocols/openid/websso/callback?state={value}&code={value}",
                 f"{below}/identity_providers/acme/protocols/openid/websso?origin={value}"):
        answer = await federated.cloud.anonymous.get(path, headers={"Authorization": f"Bearer {value}"}, allow_redirects=False)
        assert 400 <= answer.status < 500, (path, answer.content)


async def test_an_administrator_says_where_a_user_comes_from(federated):
    name, links = "given", [{"idp_id": "acme", "protocols": [{"protocol_id": "openid", "unique_id": "given-by-admin"}]}]
    user = await federated.make("user", name=name, federated=links)
    assert user["federated"] == links
    admin, path = federated.cloud.admin, f"{V3}/users/{user['id']}"
    assert (await admin.get(path)).body["user"]["federated"] == links
    _, token = await federated.login(federated.person(preferred_username="given-by-admin"))
    assert token["user"]["id"] == user["id"]
    for wrong, status in (([{"idp_id": "nobody", "protocols": links[0]["protocols"]}], 400), (links, 409), ([{"idp_id": "acme"}], 400), (
            [{"idp_id": "acme", "protocols": [{"protocol_id": "saml2", "unique_id": "x"}]}], 400)):
        await refused(await admin.post(f"{V3}/users", {"user": {"name": "other", "federated": wrong}}), status)
    other = [{"idp_id": "acme", "protocols": [{"protocol_id": "openid", "unique_id": "another"}]}]
    changed = await admin.patch(path, {"user": {"federated": other}})
    assert changed.status == 200 and changed.body["user"]["federated"] == other
    assert (await admin.patch(path, {"user": {"description": "x"}})).body["user"]["federated"] == other
    _, token = await federated.login(federated.person(preferred_username="another"))
    assert token["user"]["id"] == user["id"]
    assert (await admin.delete(path)).status == 204
    _, token = await federated.login(federated.person(preferred_username="another"))
    assert token["user"]["id"] != user["id"]
