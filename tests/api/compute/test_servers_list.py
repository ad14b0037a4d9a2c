"""Lists of servers: whose, which, in what order, how many at a time; and that they cost the same however many there are."""

import pytest

from tests.api.compute.rooms import C, make_room
from tests.api.conftest import PASSWORD


@pytest.fixture
async def room(cloud):
    return await make_room(cloud)


@pytest.fixture
async def three(room):
    """web-1, web-2 and db.1, the last one stopped and tagged."""
    ids = {}
    for name in ("web-1", "web-2", "db.1"):
        answer = await room.create(name=name)
        assert answer.status == 202, answer.content
        ids[name] = answer.body["server"]["id"]
    await room.cloud.settled()
    await room.act(ids["db.1"], "os-stop")
    await room.user.at("2.26").put(f"{C}/servers/{ids['db.1']}/tags", {"tags": ["blue", "red"]})
    await room.user.at("2.26").put(f"{C}/servers/{ids['web-1']}/tags", {"tags": ["blue"]})
    return ids


async def names(room, query="", version="2.90", client=None):
    answer = await (client or room.user).at(version).get(f"{C}/servers/detail?{query}")
    assert answer.status == 200, answer.content
    return [server["name"] for server in answer.body["servers"]]


FILTERS = [
    ("name=web", {"web-1", "web-2"}), ("name=^web-1$", {"web-1"}), ("name=^db\\.", {"db.1"}), ("name=^nothing$", set()),
    ("status=ACTIVE", {"web-1", "web-2"}), ("status=shutoff", {"db.1"}),
    ("status=ACTIVE&status=SHUTOFF", {"web-1", "web-2", "db.1"}),
    ("vm_state=stopped", {"db.1"}), ("power_state=1", {"web-1", "web-2"}), ("tags=blue", {"db.1", "web-1"}),
    ("tags=blue,red", {"db.1"}), ("tags-any=blue,red", {"db.1", "web-1"}), ("not-tags=blue,red", {"web-1", "web-2"}),
    ("not-tags-any=blue", {"web-2"}), ("locked=false", {"web-1", "web-2", "db.1"}), ("locked=true", set()),
    ("ip=10\\.1\\.0\\.", {"web-1", "web-2", "db.1"}), ("ip=^10.1.0.99", set()), ("changes-since=2100-01-01T00:00:00Z", set()),
    ("changes-before=2100-01-01T00:00:00Z", {"web-1", "web-2", "db.1"}), ("availability_zone=nova", {"web-1", "web-2", "db.1"}),
    ("availability_zone=mars", set()), ("config_drive=true", set()), ("image=00000000-0000-0000-0000-000000000000", set()),
    ("flavor=none", set()), ("reservation_id=r-x", set()), ("all_tenants=0", {"web-1", "web-2", "db.1"}),
]


async def test_filters(room, three):
    for query, expected in FILTERS:
        assert set(await names(room, query)) == expected, query
    assert set(await names(room, f"image={room.image}&flavor={room.flavor}")) == set(three)


async def test_order_and_pages(room, three):
    assert await names(room) == ["db.1", "web-2", "web-1"]
    assert await names(room, "sort_key=display_name&sort_dir=asc") == ["db.1", "web-1", "web-2"]
    assert await names(room, "sort_key=display_name") == ["web-2", "web-1", "db.1"]
    first = await room.user.get(f"{C}/servers?limit=2")
    assert [server["name"] for server in first.body["servers"]] == ["db.1", "web-2"]
    following = first.body["servers_links"][0]["href"].removeprefix(room.cloud.url)
    rest = await room.user.get(following)
    assert [server["name"] for server in rest.body["servers"]] == ["web-1"]
    assert "servers_links" not in rest.body
    assert (await room.user.get(f"{C}/servers?limit=0")).body == {"servers": []}


BAD = [("name=(", "2.1"), ("name=(a%2B)%2B$", "2.1"), ("limit=-1", "2.1"), ("limit=x", "2.1"), ("marker=nope", "2.1"),
       ("sort_key=nope", "2.1"), ("sort_dir=up&sort_key=uuid", "2.1"), ("changes-since=yesterday", "2.1"), ("status=odd", "2.38"),
       ("locked=maybe", "2.73"), ("unknown=1", "2.75"), ("power_state=x", "2.83"), ("progress=99999999999999", "2.83")]


@pytest.mark.parametrize(("query", "version"), BAD)
async def test_bad_questions(room, query, version):
    answer = await room.user.at(version).get(f"{C}/servers/detail?{query}")
    assert answer.status == 400, answer.content
    assert "badRequest" in answer.body


async def test_a_pattern_that_only_some_databases_know_is_no_fault_of_ours(room):
    answer = await room.user.get(f"{C}/servers/detail?name=(%3FP<x>a)")
    assert answer.status in (200, 400), answer.content


async def test_what_is_for_administrators(room, three):
    admin = room.cloud.admin
    assert (await room.user.get(f"{C}/servers?all_tenants=1")).status == 403
    assert (await room.user.get(f"{C}/servers?status=deleted")).status == 403
    assert (await room.user.get(f"{C}/servers?sort_key=host")).status == 403
    # filters that the user may not use say nothing, neither do unknown ones before 2.75
    assert set(await names(room, "host=elsewhere&unknown=1&vm_state=stopped", "2.1")) == set(three)
    mine = f"all_tenants=1&project_id={room.user.project_id}"
    assert set(await names(room, mine, client=admin)) == set(three)
    assert set(await names(room, mine + "&vm_state=stopped", "2.1", client=admin)) == {"db.1"}
    assert not set(await names(room, client=admin)) & set(three)


@pytest.mark.parametrize("name", ["tenant_id", "project_id"])
async def test_a_project_without_all_tenants_is_ignored_for_an_administrator(room, three, name):
    admin, mine = room.cloud.admin, set(await names(room, client=room.cloud.admin))
    assert set(await names(room, f"{name}={room.user.project_id}", client=admin)) == mine and not mine & set(three)
    assert set(await names(room, f"{name}={room.user.project_id}&all_tenants=0", client=admin)) == mine


async def test_deleted_servers_are_told_to_those_who_ask_for_changes(room, three):
    await room.user.delete(f"{C}/servers/{three['web-2']}")
    await room.cloud.settled()
    assert set(await names(room)) == {"web-1", "db.1"}
    assert set(await names(room, "changes-since=2020-01-01T00:00:00Z")) == set(three)


async def test_a_list_costs_as_many_queries_for_one_as_for_three(room, three):
    database = room.cloud.parts.database

    async def cost(query):
        before = database.queries
        await names(room, query, "2.100")
        return database.queries - before
    await cost("limit=1")
    assert await cost("limit=1") == await cost("limit=3")


async def test_a_reader_reads_and_does_not_write(cloud, room, three):
    user = (await cloud.admin.post("/identity/v3/users", {"user": {"name": f"r-{room.name}", "password": PASSWORD}})).body["user"]
    roles = (await cloud.admin.get("/identity/v3/roles?name=reader")).body["roles"]
    project = room.user.project_id
    await cloud.admin.put(f"/identity/v3/projects/{project}/users/{user['id']}/roles/{roles[0]['id']}")
    reader = await cloud.login(f"r-{room.name}", PASSWORD, {"project": {"id": project}})
    assert set(await names(room, client=reader)) == set(three)
    assert (await room.create(reader)).status == 403
    assert (await reader.delete(f"{C}/servers/{three['db.1']}")).status == 403
    assert (await room.act(three["db.1"], "os-start", client=reader)).status == 403
