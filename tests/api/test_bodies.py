"""Made from the declarations: no handler reads a member that its shape does not require. Every body is sent to real resources,
empty and with each member empty, null and of another kind, and none of it is a server error."""

import re

import pytest

from tests.api.compute.rooms import C, make_room
from tests.api.test_every_operation import GUARDED, NOBODY, SENT, headers, name

N, K, G = "/networking/v2.0", "/identity/v3", "/image/v2"
LISTS = {
    "network": f"{N}/networks", "subnet": f"{N}/subnets", "port": f"{N}/ports", "router": f"{N}/routers", "subnetpool": f"{N}/subnetpools",
    "security_group": f"{N}/security-groups", "address_scope": f"{N}/address-scopes", "rbac_policy": f"{N}/rbac-policies",
    "agent": f"{N}/agents", "image": f"{G}/images", "flavor": f"{C}/flavors", "server_group": f"{C}/os-server-groups",
    "project": f"{K}/projects", "user": f"{K}/users", "group": f"{K}/groups", "role": f"{K}/roles", "domain": f"{K}/domains",
    "region": f"{K}/regions", "service": f"{K}/services", "endpoint": f"{K}/endpoints", "credential": f"{K}/credentials"}
BODIES = [operation for operation in GUARDED if operation.method in SENT and operation.body is not None]


@pytest.fixture(scope="module")
async def ids(cloud):
    """One id of each kind of resource, by the name that it has in paths."""
    room = await make_room(cloud)
    user = room.user
    found = {"server": await room.server(networks=[{"uuid": room.network}])}
    for path, body in ((f"{N}/routers", {"router": {}}), (f"{N}/subnetpools", {"subnetpool": {"name": "p", "prefixes": ["10.0.0.0/8"]}}),
                       (f"{N}/address-scopes", {"address_scope": {"name": "s"}}),
                       (f"{C}/os-server-groups", {"server_group": {"name": "g", "policies": ["affinity"]}}),
                       (f"{K}/credentials", {"credential": {"type": "cert", "blob": "{}"}}),
                       (f"{N}/rbac-policies", {"rbac_policy": {"object_type": "network", "object_id": room.network, "target_tenant": "x",
                                                               "action": "access_as_shared"}})):
        assert (await user.post(path, body)).status in (200, 201), path
    await cloud.admin.post(f"{K}/groups", {"group": {"name": "bodies"}})
    await cloud.admin.post(f"{K}/regions", {"region": {"id": "bodies"}})
    for kind, path in LISTS.items():
        body = (await user.get(path)).body
        rows = next((value for value in body.values() if isinstance(value, list)), None) or next(
            value for value in (await cloud.admin.get(path)).body.values() if isinstance(value, list))
        found[kind] = rows[-1]["id"] if rows else NOBODY
    for kind in ("user", "project", "domain", "role"):                # made for this, so that nobody else's is changed
        made = (await cloud.admin.post(f"{K}/{kind}s", {kind: {"name": f"bodies-{kind}"}})).body[kind]
        found[kind] = made["id"]
    found["secret"] = (await cloud.admin.post("/key-manager/v1/secrets", {})).body["secret_ref"].rpartition("/")[2]
    return found


def variants(schema):
    """Bodies with something missing or empty everywhere that the schema has a name for."""
    yield {}
    for member, inner in schema.get("properties", {}).items():
        yield from ({member: value} for value in (None, "", [], {}, 0, [None], [{}]))
        for deeper in inner.get("properties", {}) if isinstance(inner, dict) else ():
            yield from ({member: {deeper: value}} for value in (None, "", [], {}))


@pytest.mark.parametrize("operation", BODIES, ids=name)
async def test_bodies_that_lack_something_are_no_server_error(cloud, ids, operation):
    path = operation.api.prefixes[0] + re.sub(r"\{([^}]*)\}", lambda found: ids.get(found.group(1), NOBODY), operation.path)
    schema = operation.body.at(operation.since or (0, 0), operation.use)
    for body in variants(schema):
        if operation.action and set(body) != {operation.action}:
            continue
        answer = await cloud.admin.request(operation.method, path, json=body, headers=headers(operation))
        assert answer.status < 500, (body, answer.content)
