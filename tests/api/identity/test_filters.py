"""Every filter of every list, as Keystone has them: it works, with each comparator, or is ignored or refused as there."""

from urllib.parse import urlencode

import pytest

from tests.api.identity.test_list_queries import more, tidy
from tests.api.identity.test_projects import V3

FILTERS = {
    "users": "domain_id name", "groups": "domain_id name", "projects": "domain_id name parent_id", "domains": "name", "roles": "name",
    "services": "type name", "endpoints": "interface service_id region_id", "credentials": "user_id type", "policies": "type",
    "registered_limits": "service_id region_id resource_name", "limits": "service_id region_id resource_name project_id domain_id",
    "OS-FEDERATION/identity_providers": "id", "OS-FEDERATION/service_providers": "id", "users/{own}/application_credentials": "name",
    "users/{own}/access_rules": "service path method", "users/{user}/projects": "domain_id name", "users/{user}/groups": "name",
    "groups/{group}/users": "domain_id name"}
CASES = [(path, name) for path, names in FILTERS.items() for name in names.split()]
FLAGS = ("users", "projects", "domains", "OS-FEDERATION/identity_providers", "OS-FEDERATION/service_providers", "users/{user}/projects",
         "groups/{group}/users")
NOTHING = "matches-nothing-0"
WORDS = ("contains", "startswith", "endswith")


@pytest.fixture(scope="module")
async def names(cloud):
    """Two rows for every list; the ids of those whose own lists are asked for."""
    made = {}
    for _ in range(2):
        await more(cloud, made)
    await cloud.admin.post(f"{V3}/OS-EP-FILTER/endpoint_groups", {"endpoint_group": {"name": "filtered", "filters": {}}})
    limited = await with_regions(cloud)
    yield made
    for path in limited:
        assert (await cloud.admin.delete(path)).status == 204
    await tidy(cloud)


async def with_regions(cloud):
    """A registered limit and a domain's limit that name a region; their addresses, in the order in which they may go."""
    service, region = [(await cloud.admin.get(f"{V3}/{kind}")).body[kind][0]["id"] for kind in ("services", "regions")]
    about = {"service_id": service, "region_id": region, "resource_name": "filtered"}
    made = []
    for kind, more_of in (("registered_limits", {"default_limit": 9}), ("limits", {"resource_limit": 5, "domain_id": "default"})):
        answer = await cloud.admin.post(f"{V3}/{kind}", {kind: [{**about, **more_of}]})
        assert answer.status == 201, answer.content
        made.insert(0, f"{V3}/{kind}/{answer.body[kind][0]['id']}")
    return made


async def rows(cloud, names, path, /, **query):
    answer = await cloud.admin.get(f"{V3}/{path.format(**names)}?{urlencode(query)}")
    assert answer.status == 200, answer.content
    return next(value for value in answer.body.values() if isinstance(value, list))


@pytest.mark.parametrize(("path", "name"), CASES)
async def test_a_filter_that_matches_nothing_gives_an_empty_list(cloud, names, path, name):
    assert await rows(cloud, names, path)
    for word in ("", *(f"__{case}{word}" for word in WORDS for case in ("", "i"))):
        if (name, word) != ("interface", ""):                 # a closed choice, refused below
            assert await rows(cloud, names, path, **{name + word: NOTHING}) == [], word


@pytest.mark.parametrize(("path", "name"), CASES)
async def test_a_filter_finds_what_it_is_about_and_its_comparators_do(cloud, names, path, name):
    with_value = [row for row in await rows(cloud, names, path) if row.get(name)]
    assert with_value
    value = with_value[-1][name]
    parts = {"": value, "__contains": value[1:-1], "__startswith": value[:3], "__endswith": value[-3:]}
    for word, text in parts.items():
        found = await rows(cloud, names, path, **{name + word: text})
        assert with_value[-1] in found and {row[name] for row in found if text not in row[name]} == set(), word
        if word:
            assert with_value[-1] in await rows(cloud, names, path, **{word and f"{name}__i{word[2:]}": text.upper()})


async def test_contains_tells_upper_case_from_lower(cloud, names):
    assert await rows(cloud, names, "users", name__startswith="lq-") and not await rows(cloud, names, "users", name__startswith="LQ-")
    assert not await rows(cloud, names, "users", name__contains="Q-") and await rows(cloud, names, "users", name__icontains="Q-")


async def test_signs_of_patterns_are_letters_like_others(cloud, names):
    for word in WORDS:
        for sign in "%_*":
            assert await rows(cloud, names, "roles", **{f"name__{word}": sign, f"name__i{word}": sign}) == []


@pytest.mark.parametrize("path", FLAGS)
async def test_flags_divide_a_list(cloud, names, path):
    every = {row["id"] for row in await rows(cloud, names, path)}
    for yes, no in (("true", "false"), ("1", "0"), ("", "off"), ("yes", "no"), ("on", "N")):
        on = {row["id"] for row in await rows(cloud, names, path, enabled=yes)}
        off = {row["id"] for row in await rows(cloud, names, path, enabled=no)}
        assert on | off == every and not on & off, (yes, no)


async def test_a_filter_sent_twice_must_fit_twice(cloud, names):
    found = await rows(cloud, names, "users", name__startswith="lq-")
    one, other = found[0]["name"], found[1]["name"]
    answer = await cloud.admin.get(f"{V3}/users?name={one}&name={other}")
    assert answer.body["users"] == [] and len((await cloud.admin.get(f"{V3}/users?name={one}&name={one}")).body["users"]) == 1


@pytest.mark.parametrize("query", ["name__gt=a", "name__like=x", "name__regex=x", "nonsense=x", "password__contains=x"])
async def test_what_keystone_does_not_know_it_ignores(cloud, names, query):
    assert (await cloud.admin.get(f"{V3}/users?{query}")).body["users"] == await rows(cloud, names, "users")


@pytest.mark.parametrize("path", ["OS-OAUTH1/consumers", "OS-FEDERATION/mappings"])
async def test_lists_without_filters_have_none(cloud, names, path):
    assert await rows(cloud, names, path, id=NOTHING, description=NOTHING) == await rows(cloud, names, path)


@pytest.mark.parametrize("query", [
    "users?name=", "users?name=%20", "users?enabled=maybe", "groups?name=", "groups?domain_id=a%20b", "projects?is_domain=2",
    f"projects?name={'x' * 65}", "domains?enabled=2", "roles?domain_id=", "endpoints?interface=bogus", "regions?name=x", "regions?limit=1",
    "OS-EP-FILTER/endpoint_groups?name__contains=x", "limits?resource_name=", "OS-FEDERATION/identity_providers?enabled=2"])
async def test_what_keystone_refuses_is_refused(cloud, names, query):
    answer = await cloud.admin.get(f"{V3}/{query}")
    assert answer.status == 400 and answer.body["error"]["code"] == 400, answer.content
