"""The tree of projects, implied roles, effective assignments, endpoint addresses."""

import pytest

from cloudd.identity.catalog import expand, fill
from cloudd.identity.models import Project
from cloudd.identity.people.assignments import Asked, Given, _implied, _persons, _places
from cloudd.identity.people.effective import with_implied
from cloudd.identity.people.projects import chain_of, tree


def row(key, parent):
    return Project(id=key, name=key, parent_id=parent)


def test_the_tree_below_a_project():
    rows = [row("b", "a"), row("c", "b"), row("d", "a")]
    assert tree("a", rows) == {"b": {"c": None}, "d": None}
    assert tree("c", rows) is None


def test_the_chain_above_a_project():
    assert chain_of([row("b", "a"), row("a", None)]) == {"b": {"a": None}}
    assert chain_of([]) is None


def test_implied_roles_go_on_and_may_form_a_circle():
    assert with_implied(["admin"], {"admin": {"member"}, "member": {"reader"}, "reader": {"admin"}}) == {
        "admin", "member", "reader"}


GRANT = Given("group", "g", "domain", "d", "admin", True)


def test_a_groups_grant_is_its_members():
    assert [item.actor_id for item in _persons(GRANT, {"g": ["u", "v"]})] == ["u", "v"]
    assert not list(_persons(GRANT, {}))


def test_an_inherited_grant_holds_below_only():
    found = list(_places(GRANT, {"d": ["p"], "p": ["q"]}))
    assert {item.target_id for item in found} == {"p", "q"}
    assert {item.source for item in found} == {("domain", "d")}


def test_an_implied_role_tells_its_prior():
    found = {(item.role_id, item.prior) for item in _implied(GRANT, {"admin": {"member"}, "member": {"reader"}})}
    assert found == {("admin", None), ("member", "admin"), ("reader", "member")}


@pytest.mark.parametrize("asked", [
    Asked(user="u", group="g"), Asked(effective=True, group="g"), Asked(project="p", domain="d"), Asked(subtree=True),
    Asked(effective=True, inherited=True, domain="d")])
def test_filters_that_contradict_each_other_are_refused(asked):
    with pytest.raises(Exception, match=r"."):
        asked.check()


@pytest.mark.parametrize("url, filled", [
    ("http://h/v1/$(project_id)s", "http://h/v1/p"), ("http://h/AUTH_%(tenant_id)s", "http://h/AUTH_p"),
    ("http://h/$(user_id)s", "http://h/u"), ("http://h", "http://h")])
def test_an_address_is_filled(url, filled):
    assert fill(url, "p", "u") == filled


def test_an_address_without_its_project_is_left_out():
    assert fill("http://h/$(project_id)s", None, "u") is None


def test_our_own_endpoints_follow_the_host():
    assert expand("/identity", "https://cloud:5000") == "https://cloud:5000/identity"
    assert expand("http://other/x", "https://cloud") == "http://other/x"
