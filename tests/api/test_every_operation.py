"""Tests made from the declarations: what must hold for every operation of every service."""

import re

import pytest

from cloudd.core.http.microversions import show
from cloudd.core.http.shapes import LAST
from cloudd.daemon import MODULES

OPERATIONS = [operation for module in MODULES for api in module.apis for operation in api.operations]
GUARDED = [operation for operation in OPERATIONS if operation.auth]
NOBODY = "00000000-0000-4000-8000-000000000000"
SENT = ("POST", "PUT", "PATCH")


def name(operation):
    return f"{operation.method} {operation.api.prefixes[0]}{operation.path}{'#' + operation.action if operation.action else ''}"


def path(operation, value=NOBODY):
    return operation.api.prefixes[0] + re.sub(r"\{[^}]*\}", value, operation.path)


def headers(operation, version=None):
    if not operation.api.negotiation:
        return {}
    version = version or (operation.since if operation.since > (0, 0) else operation.api.negotiation.history.first)
    return {"OpenStack-API-Version": f"{operation.api.negotiation.service} {show(version)}"}


def body(operation):
    return {operation.action: None} if operation.action else {}


async def call(client, operation, **options):
    if operation.method in SENT:
        options.setdefault("json", body(operation))
    return await client.request(operation.method, options.pop("path", path(operation)),
                                headers={**headers(operation), **options.pop("headers", {})}, **options)


@pytest.mark.parametrize("operation", GUARDED, ids=name)
async def test_no_token_is_401_in_the_services_own_form(cloud, operation):
    answer = await call(cloud.anonymous, operation)
    assert answer.status == 401, answer.content
    assert answer.headers["WWW-Authenticate"].startswith("Keystone uri=")
    assert answer.headers["X-Openstack-Request-Id"].startswith("req-")
    wrong = await call(cloud.anonymous, operation, headers={"X-Auth-Token": "gAAAAAwrong"})
    assert wrong.status == 401


@pytest.mark.parametrize("operation", [one for one in GUARDED if one.method in SENT and (one.body or one.action)], ids=name)
async def test_what_is_not_json_is_a_bad_request(cloud, operation):
    for data in (b"{", b"\xff\xfe", b"nul"):
        answer = await call(cloud.admin, operation, json=None, data=data, headers={"Content-Type": "application/json"})
        assert answer.status == 400, answer.content


@pytest.mark.parametrize("operation", [one for one in GUARDED if one.body is not None], ids=name)
@pytest.mark.parametrize("wrong", [[], "text", 5, True, {"": {}}, {"a": [[[]]]}], ids=repr)
async def test_bodies_of_other_shapes_are_refused_without_a_crash(cloud, operation, wrong):
    answer = await call(cloud.admin, operation, json=wrong)
    assert 200 <= answer.status < 500, answer.content


@pytest.mark.parametrize("operation", [one for one in GUARDED if one.names], ids=name)
@pytest.mark.parametrize("value", [NOBODY, "x" * 300, "%00", "..%2f..%2fetc", "'%20OR%201=1", "%F0%9F%92%A5", "-1"])
async def test_strange_ids_never_crash(cloud, operation, value):
    answer = await call(cloud.admin, operation, path=path(operation, value))
    assert 200 <= answer.status < 500, answer.content


@pytest.mark.parametrize("operation", [one for one in GUARDED if one.method == "GET" and not one.names], ids=name)
@pytest.mark.parametrize("query", ["limit=x", "limit=-1", "limit=99999999999999999999", "marker=nothing", "sort_key=%00", "id=%00",
                                   "sort_key=x&sort_dir=sideways", "name=%27%22%3B--", "changes-since=never", "fields=nothing",
                                   "page_reverse=maybe", "a=1&a=2&=3"])
async def test_strange_queries_never_crash(cloud, operation, query):
    answer = await cloud.admin.get(f"{path(operation)}?{query}", headers=headers(operation))
    assert 200 <= answer.status < 500, answer.content


@pytest.mark.parametrize("operation", [one for one in GUARDED if one.since > (0, 0) and one.api.negotiation
                                       and one.since > one.api.negotiation.history.first], ids=name)
async def test_below_its_version_an_operation_is_not_there(cloud, operation):
    before = (operation.since[0], operation.since[1] - 1)
    twins = [one for one in operation.api.operations if one.path == operation.path and one.method == operation.method
             and one.action == operation.action and one.lives(before)]
    if not twins:
        answer = await call(cloud.admin, operation, headers=headers(operation, before))
        assert answer.status == 404, answer.content


@pytest.mark.parametrize("operation", [one for one in GUARDED if one.until < LAST], ids=name)
async def test_past_its_version_an_operation_is_not_there(cloud, operation):
    after = (operation.until[0], operation.until[1] + 1)
    twins = [one for one in operation.api.operations if one.path == operation.path and one.method == operation.method
             and one.action == operation.action and one.lives(after)]
    if not twins and after <= operation.api.negotiation.history.last:
        answer = await call(cloud.admin, operation, headers=headers(operation, after))
        assert answer.status == 404, answer.content


@pytest.mark.parametrize("api", [api for module in MODULES for api in module.apis if api.negotiation], ids=lambda api: api.service)
async def test_versions_outside_the_range_are_406_with_the_range(cloud, api):
    operation = next(one for one in api.operations if one.auth and one.method == "GET" and not one.names)
    for header in filter(None, ("OpenStack-API-Version", api.negotiation.legacy)):
        prefix = f"{api.negotiation.service} " if header == "OpenStack-API-Version" else ""
        beyond = f"{api.negotiation.history.last[0]}.{api.negotiation.history.last[1] + 1}"
        answer = await cloud.admin.get(path(operation), headers={header: prefix + beyond})
        assert answer.status == 406 and show(api.negotiation.history.last) in answer.content.decode()
        assert (await cloud.admin.get(path(operation), headers={header: prefix + "two"})).status == 400
        latest = await cloud.admin.get(path(operation), headers={header: prefix + "latest"})
        assert latest.headers[header] == prefix + show(api.negotiation.history.last)
        assert header in latest.headers["Vary"]


async def test_a_body_over_the_limit_is_413(cloud):
    answer = await cloud.admin.request("POST", "/identity/v3/projects", data=b'{"project": {"name": "' + b"x" * (2 << 20) + b'"}}',
                                       headers={"Content-Type": "application/json"})
    assert answer.status == 413 and "max_body_size" in answer.content.decode()


async def test_every_operation_stands_in_the_openapi_document(cloud):
    document = (await cloud.anonymous.get("/openapi.json")).body
    assert document["openapi"].startswith("3.1")
    for operation in OPERATIONS:
        where = operation.api.prefixes[0] + operation.path.replace("...}", "}") + (f"#{operation.action}" if operation.action else "")
        assert operation.method.lower() in document["paths"][where or "/"], where


async def test_health_and_metrics(cloud):
    health = await cloud.anonymous.get("/healthz")
    assert health.status == 200 and health.body["status"] == "ok"
    assert b"cloudd_http_requests_total" in (await cloud.anonymous.get("/metrics")).content


async def test_cors_is_off(cloud):
    answer = await cloud.anonymous.get("/identity/v3", headers={"Origin": "https://elsewhere.example"})
    assert "Access-Control-Allow-Origin" not in answer.headers
