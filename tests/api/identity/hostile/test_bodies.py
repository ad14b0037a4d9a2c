"""No operation of identity is brought down by a member that is missing, null or of another kind, or by a query string or path."""

import copy
import re

import pytest
from yarl import URL

from cloudd.identity.service import IdentityModule
from tests.api.identity.test_list_queries import more
from tests.api.identity.test_policies import example
from tests.api.identity.test_projects import V3, make, refused

OPERATIONS = [one for one in IdentityModule.apis[0].operations if one.method != "DELETE" and not one.path.endswith("/password")]
WITH_BODY = [one for one in OPERATIONS if one.body is not None]
VALUES = (None, "", [], {}, [None], {"id": None}, 2**70, "x\n", "9999-12-31T23:59:59-14:00")
UNKNOWN = ("extra", "id", "links", "metadata", "password_hash")
QUERIES = ("limit=%C2%B2", "limit=99999999999999999999", "limit=-1", "marker=x", "sort_key=x", "sort_key=", "sort_dir=0", "fields=",
           "%ff=%ff", "name=%0A", "since=9999-12-31T23:59:59-14:00", "password_expires_at=lt:x", "tags=,",
           "scope.project.id=&effective", "effective&include_names&scope.domain.id=x", "domain_id=x", "parents_as_list",
           "trustor_user_id=&trustee_user_id=")
LISTS = {"service": "services", "endpoint": "endpoints", "credential": "credentials", "region": "regions", "policy": "policies",
         "limit": "limits", "registered_limit": "registered_limits", "mapping": "OS-FEDERATION/mappings", "trust": "OS-TRUST/trusts",
         "service_provider": "OS-FEDERATION/service_providers", "consumer": "OS-OAUTH1/consumers"}


@pytest.fixture(scope="module")
async def names(cloud):
    """What the variables of paths stand for: something that is there."""
    made = {}
    await more(cloud, made)
    for name, path in LISTS.items():
        made[name] = (await cloud.admin.get(f"{V3}/{path}")).body[path.rpartition("/")[2]][-1]["id"]
    return {**made, "user_id": made["own"], "own_limit": made["limit"], "identity_provider": made["idp"], "idp_id": made["idp"],
            "implied": made["role"], "section": "identity", "option": "driver", "domain": "default"}


def name(operation):
    return f"{operation.method} {operation.path}"


async def answered(cloud, names, operation, query="", **options):
    path = V3 + re.sub(r"\{([^}]*)\}", lambda found: names.get(found[1], "x"), operation.path)
    async with cloud.session.request(operation.method, URL(f"{cloud.url}{path}?{query}", encoded=True), headers=cloud.admin.headers,
                                     **options) as answer:
        assert answer.status < 500, (query, options, await answer.text())


def bodies(operation):
    """The smallest good body with one member left out, or put in with a value of another kind."""
    schema = operation.body.at((0, 0), operation.use)
    wrapper, base = operation.body.name, example(schema)
    members = schema["properties"][wrapper]["properties"] if wrapper else schema["properties"]
    yield from ({wrapper: value} for value in VALUES if wrapper)
    for member in (*members, *UNKNOWN):
        for value in (..., *VALUES):
            body = copy.deepcopy(base)
            inner = body[wrapper] if wrapper else body
            inner.pop(member, None)
            yield body if value is ... else {wrapper: {**inner, member: value}} if wrapper else {**inner, member: value}


@pytest.mark.parametrize("operation", WITH_BODY, ids=name)
async def test_members_of_another_kind(cloud, names, operation):
    for body in bodies(operation):
        await answered(cloud, names, operation, json=body)


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.method in ("POST", "PUT", "PATCH")], ids=name)
async def test_bodies_of_another_kind(cloud, names, operation):
    for body in (None, [], {}, "x", 5, [None], {"x": 1}):
        await answered(cloud, names, operation, json=body)
    for data in (b"", b"\xff", b"grant_type=client_credentials"):
        await answered(cloud, names, operation, data=data)


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.method == "GET"], ids=name)
async def test_query_strings(cloud, names, operation):
    for query in QUERIES:
        await answered(cloud, names, operation, query)


@pytest.mark.parametrize("method", ["password", "token", "totp", "application_credential", "oauth1", "mapped", "openid"])
async def test_a_login_whose_method_is_of_another_kind(cloud, method):
    for value in (*VALUES, {"user": None}, {"user": {"id": 5}}, {"user": {"name": "x", "domain": {"id": None}}}, {"id": "é"}):
        answer = await cloud.anonymous.post(f"{V3}/auth/tokens", {"auth": {"identity": {"methods": [method], method: value}}})
        assert answer.status in (400, 401, 404), (value, answer.content)


async def test_the_address_of_a_tag_is_quoted(cloud):
    project = (await make(cloud, "project"))["id"]
    for tag in ("a b", "a?b", "é", "\x85"):
        answer = await cloud.admin.put(f"{V3}/projects/{project}/tags/" + URL.build(path=tag).raw_path.replace("?", "%3F"))
        assert answer.status == 201 and (await cloud.admin.get(answer.headers["Location"].removeprefix(cloud.url))).status == 204, tag


async def test_addresses_of_other_clouds_hold_no_line_breaks(cloud):
    """They stand in headers of assertions."""
    path = f"{V3}/OS-FEDERATION/service_providers/broken-lines"
    good = {"auth_url": "http://sp.example/v3", "sp_url": "http://sp.example/ecp"}
    for name in good:
        for value in ("http://sp.example/\r\nX-Evil: 1", "http://sp.example/\n", "http://sp.example/ x"):
            await refused(await cloud.admin.put(path, {"service_provider": {**good, name: value}}), 400, name)
    await refused(await cloud.admin.put(path, {"service_provider": {**good, "relay_state_prefix": "a\x01"}}), 400, "relay_state_prefix")
