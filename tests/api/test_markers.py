"""Markers of lists name only what the caller sees: a foreign id and one that nobody has are answered alike, in every list."""

import re

import pytest

from cloudd.daemon import MODULES
from tests.api.compute.rooms import C, make_room

NOBODY = "0b0d1e00-0000-4000-8000-00000000dead"
N, K, G = "/networking/v2.0", "/identity/v3", "/image/v2"
LISTS = [operation for module in MODULES for api in module.apis for operation in api.operations
         if operation.method == "GET" and not operation.names and operation.auth]


def address(operation):
    return operation.api.prefixes[0] + operation.path


def versioned(operation):
    api = operation.api
    if not api.negotiation:
        return {}
    last = min(operation.until, api.negotiation.history.last)
    return {"OpenStack-API-Version": f"{api.negotiation.service} {last[0]}.{last[1]}"}


@pytest.fixture(scope="module")
async def victim(cloud):
    """Somebody who has one of everything that a list shows."""
    room = await make_room(cloud)
    user = room.user

    async def make(path, **body):
        answer = await user.post(path, body)
        assert answer.status in (200, 201, 202), answer.content
        return next(iter(answer.body.values())) if len(answer.body) == 1 else answer.body

    await room.server(networks=[{"uuid": room.network}])
    await make(f"{N}/routers", router={"name": "mine"})
    await make(f"{N}/subnetpools", subnetpool={"name": "mine", "prefixes": ["10.200.0.0/16"]})
    await make(f"{N}/address-scopes", address_scope={"name": "mine"})
    await make(f"{N}/rbac-policies", rbac_policy={"object_type": "network", "object_id": room.network,
                                                  "action": "access_as_shared", "target_tenant": "0" * 32})
    await make(f"{C}/os-keypairs", keypair={"name": "mine"})
    await make(f"{C}/os-server-groups", server_group={"name": "mine", "policies": ["affinity"]})
    await make(f"{K}/credentials", credential={"type": "cert", "blob": "{}"})
    return user


def rows_of(body):
    """The rows of any list's reply, by the names under which they come."""
    lists = [value for name, value in (body or {}).items() if isinstance(value, list) and not name.endswith("links")]
    return [next(iter(row.values())) if len(row) == 1 and isinstance(next(iter(row.values())), dict) else row
            for row in (lists[0] if lists else []) if isinstance(row, dict)]


def keys_of(rows):
    return [row.get("namespace") or row.get("id") or row.get("name") for row in rows]


async def test_markers_look_past_the_project(cloud, victim):
    attacker = await cloud.project_user("marker-reader")
    met = []
    for operation in LISTS:
        where, headers = address(operation), versioned(operation)
        theirs = await victim.get(where, headers=headers)
        own = await attacker.get(where, headers=headers)
        if theirs.status != 200 or own.status != 200 or not theirs.headers["Content-Type"].startswith("application/json"):
            continue
        foreign = [key for key in keys_of(rows_of(theirs.body)) if key and key not in keys_of(rows_of(own.body))]
        for key in foreign[:1]:
            for query in ("limit=5", "limit=5&sort_key=name", "sort_key=created_at"):
                with_key = await attacker.get(f"{where}?{query}&marker={key}", headers=headers)
                nobodys = NOBODY if re.fullmatch(r"[0-9a-f-]{32,36}", key) else "nobody-has-this"
                without = await attacker.get(f"{where}?{query}&marker={nobodys}", headers=headers)
                assert (with_key.status, with_key.content.replace(key.encode(), b"")) == (
                    without.status, without.content.replace(nobodys.encode(), b"")), (where, query)
        met += [where] if foreign else []
    assert len(met) >= 14, met


async def test_ones_own_markers_work_in_every_list_of_networks(victim):
    for name in ("networks", "subnets", "ports", "security-groups", "security-group-rules", "routers"):
        rows = rows_of((await victim.get(f"{N}/{name}")).body)
        page = await victim.get(f"{N}/{name}?limit=10&marker={rows[0]['id']}")
        assert page.status == 200 and [row["id"] for row in rows_of(page.body)] == [row["id"] for row in rows[1:11]], name


async def test_an_unknown_marker_has_the_type_of_what_was_not_found(victim):
    for name, kind in (("networks", "NetworkNotFound"), ("ports", "PortNotFound"), ("floatingips", "FloatingIPNotFound"),
                       ("security-groups", "SecurityGroupNotFound"), ("subnetpools", "SubnetPoolNotFound")):
        answer = await victim.get(f"{N}/{name}?limit=1&marker={NOBODY}")
        assert (answer.status, answer.body["NeutronError"]["type"]) == (404, kind)


async def test_lists_without_a_sort_key_come_in_order_of_creation(victim):
    made = []
    for number in range(6):
        answer = await victim.post(f"{N}/networks", {"network": {"name": f"n{number}", "tags": ["ordered"]}})
        made.append(answer.body["network"]["id"])
    listed = (await victim.get(f"{N}/networks?tags=ordered")).body["networks"]
    assert [row["id"] for row in listed] == made
    pages, marker = [], ""
    while len(pages) < len(made):
        page = (await victim.get(f"{N}/networks?tags=ordered&limit=2{marker}")).body["networks"]
        pages += [row["id"] for row in page]
        marker = f"&marker={pages[-1]}"
    assert pages == made


@pytest.mark.parametrize("path", [f"{N}/networks", f"{G}/images", f"{C}/servers"])
async def test_a_direction_without_a_key_is_refused_when_it_is_none(victim, path):
    answer = await victim.get(f"{path}?sort_dir=0")
    assert answer.status == 400 and b"sort_dir" in answer.content


async def test_a_foreign_trust_is_no_marker_among_ones_own(cloud, victim):
    attacker = await cloud.project_user("trust-reader")
    trust = {"trustor_user_id": victim.user_id, "trustee_user_id": attacker.user_id, "project_id": victim.project_id,
             "impersonation": False, "roles": [{"name": "member"}]}
    made = await victim.post(f"{K}/OS-TRUST/trusts", {"trust": trust})
    assert made.status == 201, made.content
    own = f"{K}/OS-TRUST/trusts?trustor_user_id={attacker.user_id}&marker="
    assert (await attacker.get(own + made.body["trust"]["id"])).status == (await attacker.get(own + "f" * 32)).status == 400
