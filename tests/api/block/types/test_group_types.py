"""Group types and their specs."""

import itertools

import pytest

from tests.api.block.forms import B, at, fits, words

NUMBERS = itertools.count()
G, V = f"{B}/group_types", "3.11"


async def make(cloud, **more):
    answer = await at(cloud.admin, V).post(G, {"group_type": {"name": f"group-type-{next(NUMBERS)}", **more}})
    return fits(answer, "group_types", "create_group_type", V)["group_type"]


async def test_every_reply_has_tempests_form(cloud):
    admin = at(cloud.admin, V)
    made = await make(cloud, description="d", group_specs={"consistent_group_snapshot_enabled": "<is> False"})
    path = f"{G}/{made['id']}"
    assert made["group_specs"] == {"consistent_group_snapshot_enabled": "<is> False"} and made["is_public"] is True
    assert made in fits(await admin.get(G), "group_types", "list_group_types", V)["group_types"]
    change = {"group_type": {"name": made["name"] + "-new", "description": "other"}}
    changed = fits(await admin.put(path, change), "group_types", "update_group_type", V)["group_type"]
    assert fits(await admin.get(path), "group_types", "show_group_type", V)["group_type"] == changed
    assert changed["description"] == "other"
    specs = f"{path}/group_specs"
    sent = {"group_specs": {"key1": "value1", "key2": "value2"}}
    assert fits(await admin.post(specs, sent), "group_types", "create_or_update_group_type_specs", V) == sent
    assert fits(await admin.get(f"{specs}/key2"), "group_types", "show_group_type_specs_item", V) == {"key2": "value2"}
    assert fits(await admin.put(f"{specs}/key2", {"key2": "x"}), "group_types", "update_group_type_specs_item", V) == {"key2": "x"}
    listed = fits(await admin.get(specs), "group_types", "list_group_type_specs", V)["group_specs"]
    assert listed == {**made["group_specs"], "key1": "value1", "key2": "x"}
    fits(await admin.delete(f"{specs}/key1"), "group_types", "delete_group_type_specs_item", V)
    assert (await admin.get(f"{specs}/key1")).status == (await admin.delete(f"{specs}/key1")).status == 404
    fits(await admin.delete(path), "group_types", "delete_group_type", V)
    assert (await admin.get(path)).status == 404


async def test_private_ones_and_specs_are_administrators(cloud):
    public, private = await make(cloud, group_specs={"a": "b"}), await make(cloud, is_public=False)
    demo, admin = at(cloud.demo, V), at(cloud.admin, V)
    assert "group_specs" not in (await demo.get(f"{G}/{public['id']}")).body["group_type"]
    assert (await demo.get(f"{G}/{private['id']}")).status == 404
    assert private["id"] not in str((await demo.get(f"{G}?is_public=false")).body)
    for query, there in (("", False), ("?is_public=false", True), ("?is_public=None", True)):
        assert (private["id"] in str((await admin.get(f"{G}{query}")).body)) is there
    assert (await demo.get(f"{G}/{public['id']}/group_specs")).status == 403
    assert (await demo.post(G, {"group_type": {"name": "mine"}})).status == 403
    assert (await demo.delete(f"{G}/{public['id']}")).status == 403


async def test_names_and_wrong_values(cloud):
    admin, made = at(cloud.admin, V), await make(cloud)
    assert (await admin.post(G, {"group_type": {"name": made["name"]}})).status == 409
    for wrong in ({"name": ""}, {"name": " "}, {}, {"name": "x", "group_specs": {"a!": "b"}}, {"name": "x", "colour": 1},
                  {"name": "x", "is_public": "perhaps"}):
        assert (await admin.post(G, {"group_type": wrong})).status == 400, wrong
    for wrong in ({}, {"name": None}, {"name": " "}, {"name": ""}):
        assert (await admin.put(f"{G}/{made['id']}", {"group_type": wrong})).status == 400, wrong
    for wrong in ({"b": "x"}, {"a": "x", "b": "y"}, {}, {"a": 1}):
        assert (await admin.put(f"{G}/{made['id']}/group_specs/a", wrong)).status == 400, wrong


async def test_there_is_no_default_unless_the_settings_name_one(cloud):
    answer = await at(cloud.admin, V).get(f"{G}/default")
    assert answer.status == 404 and "default_group_type" in words(answer)


@pytest.mark.parametrize("path", [G, f"{G}/default"])
async def test_they_come_with_3_11(cloud, path):
    assert (await at(cloud.admin, "3.10").get(path)).status == 404
