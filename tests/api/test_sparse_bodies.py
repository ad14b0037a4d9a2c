"""Bodies with no more than their shapes require, and with each member null or empty: no handler reads what was not sent."""

import re
import uuid

import pytest

from cloudd.identity.api import API as IDENTITY
from cloudd.image.api import API as IMAGE
from cloudd.keymanager.api import API as KEYS

CHECKED = [operation for api in (IDENTITY, KEYS, IMAGE) for operation in api.operations]
MAKING = [one for one in CHECKED if one.method == "POST" and one.body is not None and not one.names and one.auth]
EMPTY = (None, [], {}, "", 0, [None], [{}], {"": None})


def title(operation):
    return f"{operation.method} {operation.api.prefixes[0]}{operation.path}"


def sample(schema, known, name=""):
    """Something that a JSON schema takes, with no member that it does not require; `known` has ids of what exists, by member."""
    if name in known:
        return known[name]
    schema = schema.get("anyOf", [schema])[0]
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {key: sample(schema.get("properties", {}).get(key, {}), known, key) for key in schema.get("required", ())}
    if kind == "array":
        return [sample(schema.get("items", {}), known)] * max(1, schema.get("minItems", 0))
    return {"integer": 1, "number": 1, "boolean": True, "null": None}.get(kind, f"sparse-{uuid.uuid4().hex}")


def bodies(operation, known):
    """The sparest body, and for each member of the shape that body with the member empty in some way."""
    schema, wrapper = operation.body.at((0, 0), operation.use), operation.body.name
    inner = schema.get("properties", {}).get(wrapper, {}) if wrapper else schema
    yield sample(schema, known)
    for name in inner.get("properties", {}):
        for value in EMPTY:
            spare = sample(inner, known)
            yield {wrapper: {**spare, name: value}} if wrapper else {**spare, name: value}


@pytest.fixture
async def known(cloud):
    """Ids that a required member may name."""
    async def first(path, key):
        return (await cloud.admin.get(path)).body[key][0]["id"]
    return {"service_id": await first("/identity/v3/services", "services"), "type": "sparse", "interface": "public",
            "url": "http://192.0.2.1/", "project_id": cloud.demo.project_id, "user_id": cloud.demo.user_id,
            "domain_id": "default", "trustor_user_id": cloud.admin.user_id, "trustee_user_id": cloud.demo.user_id, "blob": "{}"}


def made_id(answer):
    body = answer.body
    inner = next(iter(body.values())) if isinstance(body, dict) and len(body) == 1 else body
    inner = inner[0] if isinstance(inner, list) and inner else inner
    return next((inner[key] for key in ("id", "namespace", "name") if inner.get(key)), None) if isinstance(inner, dict) else None


@pytest.mark.parametrize("operation", MAKING, ids=title)
async def test_no_handler_reads_a_member_that_its_shape_does_not_require(cloud, known, operation):
    made = []
    for body in bodies(operation, known):
        answer = await cloud.admin.post(operation.api.prefixes[0] + operation.path, body)
        assert answer.status < 500, (body, answer.content)
        if answer.status == 201 and (key := made_id(answer)) and len(made) < 3:
            made.append(key)
    below = re.compile(re.escape(operation.path) + r"/\{\w+\}(/\w+)?")
    for change in (one for one in CHECKED if one.body is not None and one.names and below.fullmatch(one.path)):
        for key in made[:1]:
            path = change.api.prefixes[0] + re.sub(r"\{\w+\}", key, change.path)
            for body in bodies(change, known):
                answer = await cloud.admin.request(change.method, path, json=body)
                assert answer.status < 500, (change.method, path, body, answer.content)
