"""Lists of volumes and snapshots: filters by version and role, order, pages, counts, in a constant number of queries."""

import pytest

from tests.api.block.room import V


@pytest.fixture
async def three(room):
    """Volumes of three names, sizes and metadata, the oldest first."""
    return [await room.volume(name=f"disk-{number}", size=number, metadata={"n": str(number), "all": "yes"}) for number in (1, 2, 3)]


async def names(client, query):
    answer = await client.get(f"{V}/volumes/detail?{query}")
    assert answer.status == 200, answer.content
    return [volume["name"] for volume in answer.body["volumes"]]


@pytest.mark.parametrize(("query", "found"), [
    ("", [3, 2, 1]), ("name=disk-2", [2]), ("name~=disk", [3, 2, 1]), ("name~=K-3", [3]), ("size=2", [2]), ("status=available", [3, 2, 1]),
    ("status=error", []), ("bootable=false", [3, 2, 1]), ("bootable=true", []), ("metadata={'n': '2'}", [2]),
    ('metadata={"all": "yes", "n": "3"}', [3]), ("metadata={'n': 'other'}", []), ("availability_zone=nova", [3, 2, 1]),
    ("created_at=gt:2020-01-01T00:00:00", [3, 2, 1]), ("created_at=lt:2020-01-01T00:00:00", []),
    ("created_at=gt:2020-01-01T00:00:00,lte:2020-01-02", []), ("consumes_quota=true", [3, 2, 1]), ("glance_metadata={'a': 'b'}", []),
    ("sort=size:asc", [1, 2, 3]), ("sort=name", [3, 2, 1]), ("sort_key=size&sort_dir=asc", [1, 2, 3]), ("limit=2", [3, 2]),
    ("limit=1&offset=1", [2]), ("offset=2", [1]), ("limit=0", []), ("all_tenants=1", [3, 2, 1]),
])
async def test_volumes_are_found_and_ordered(room, three, query, found):
    assert await names(room.user, query) == [f"disk-{number}" for number in found]


@pytest.mark.parametrize("query", ["host=x", "nothing=1", "id=x", "name^=1"])
async def test_who_is_no_administrator_has_fewer_filters(room, three, query):
    assert (await room.user.get(f"{V}/volumes?{query}")).status == 400
    assert len((await room.at("3.30").get(f"{V}/volumes?{query}")).body["volumes"]) == 3


@pytest.mark.parametrize("query", ["bootable=maybe", "created_at=never", "created_at=gt:never", "sort_key=nothing", "sort=size:sideways",
                                   "sort=size&sort_key=name", "limit=-1", "limit=x", "offset=-1", "with_count=maybe",
                                   "consumes_quota=perhaps", "size=large"])
async def test_what_cannot_be_asked_is_refused(room, query):
    assert (await room.user.get(f"{V}/volumes?{query}")).status == 400


@pytest.mark.parametrize("path", ["volumes", "volumes/detail", "snapshots", "snapshots/detail", "attachments", "volume-transfers"])
async def test_a_marker_that_is_not_there_is_not_found(room, path):
    assert (await room.user.get(f"{V}/{path}?marker=00000000-0000-4000-8000-000000000000")).status == 404
    assert (await room.user.get(f"{V}/{path}/")).status == 404                    # an id was left out


async def test_filters_of_later_versions_are_ignored_before(room, three):
    for version, query in (("3.3", "glance_metadata={'a': 'b'}"), ("3.9", "group_id=x"), ("3.64", "consumes_quota=false"),
                           ("3.59", "created_at=lt:2020-01-01")):
        assert len((await room.at(version).get(f"{V}/volumes?{query}")).body["volumes"]) == 3, version


async def test_pages_are_linked_to_the_end(room, three):
    url, seen = f"{V}/volumes?limit=1&sort=size:asc", []
    while url:
        answer = (await room.user.get(url)).body
        seen += [volume["name"] for volume in answer["volumes"]]
        link = next(iter(answer.get("volumes_links", [])), None)
        url = link["href"].removeprefix(room.cloud.url) if link else None
    assert seen == ["disk-1", "disk-2", "disk-3"]


async def test_how_many_there_are_is_told_whatever_the_page(room, three):
    counted = (await room.user.get(f"{V}/volumes?limit=1&with_count=true")).body
    assert (len(counted["volumes"]), counted["count"]) == (1, 3)
    assert "count" not in (await room.at("3.44").get(f"{V}/volumes?with_count=true")).body
    snapshot = await room.snapshot(three[0], name="then", metadata={"a": "b"})
    listed = (await room.user.get(f"{V}/snapshots/detail?with_count=1&volume_id={three[0]}&name~=THEN&metadata={{'a':'b'}}")).body
    assert [one["id"] for one in listed["snapshots"]] == [snapshot] and listed["count"] == 1


async def test_administrators_see_all_projects_and_filter_by_more(room, three):
    assert await names(room.admin, f"all_tenants=1&project_id={room.user.project_id}&sort=size:asc") == ["disk-1", "disk-2", "disk-3"]
    listed = (await room.admin.get(f"{V}/volumes/detail?all_tenants=1&project_id={room.user.project_id}")).body["volumes"]
    host = listed[0]["os-vol-host-attr:host"]
    assert host and len(await names(room.admin, f"all_tenants=1&host={host.replace('#', '%23')}&project_id={room.user.project_id}")) == 3
    assert await names(room.admin, "all_tenants=1&nothing=at-all") == []
    assert (await room.admin.get(f"{V}/volumes")).body["volumes"] == []


async def test_a_list_costs_the_same_number_of_queries_whatever_its_length(room, three):
    async def cost():
        before = room.cloud.parts.database.queries
        assert (await room.user.get(f"{V}/volumes/detail")).status == 200
        return room.cloud.parts.database.queries - before
    few = await cost()
    for number in range(3):
        await room.volume(name=f"more-{number}", metadata={"x": "y"})
    assert await cost() == few


async def test_the_summary_tells_sizes_and_from_3_36_on_metadata(room, three):
    summary = (await room.user.get(f"{V}/volumes/summary")).body["volume-summary"]
    assert summary == {"total_count": 3, "total_size": 6, "metadata": {"n": ["1", "2", "3"], "all": ["yes"]}}
    assert (await room.at("3.12").get(f"{V}/volumes/summary")).body["volume-summary"] == {"total_count": 3, "total_size": 6}
    assert (await room.at("3.11").get(f"{V}/volumes/summary")).status == 404
