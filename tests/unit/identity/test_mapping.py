"""The mapping engine: what an identity provider says becomes a user, groups and projects, as in Keystone."""

import pytest

from cloudd.core.errors import BadRequest
from cloudd.identity.federation import mapping_rules
from cloudd.identity.federation.mapping import MappedGroup, MappedProject, MappingFailed, evaluate

SAID = {"NAME": ["bob"], "FIRST": ["Bob"], "LAST": ["Thompson"], "EMAIL": ["bob@example.org"], "KIND": ["staff", "tester"],
        "GROUPS": ["dev", "ops", "guests"], "ONE": ["dev"]}
DOMAIN = {"name": "acme"}


def rule(local, *remote):
    return {"local": local if isinstance(local, list) else [local], "remote": list(remote)}


def run(*rules, version="1.0", said=SAID):
    mapping_rules.check(rules, version)
    return evaluate(rules, version, said)


def of(kind, **more):
    return {"type": kind, **more}


def test_values_are_put_in_where_the_rule_numbers_them():
    mapped = run(rule({"user": {"name": "{0} {1}", "email": "{2}", "type": "ephemeral"}}, of("FIRST"), of("LAST"), of("EMAIL")))
    assert mapped.user == {"name": "Bob Thompson", "email": "bob@example.org", "type": "ephemeral"} and not mapped.local


def test_conditions_are_not_numbered():
    mapped = run(rule({"user": {"name": "{0}"}}, of("KIND", any_one_of=["staff"]), of("NAME")))
    assert mapped.user["name"] == "bob"


@pytest.mark.parametrize("remote, applies", [
    (of("KIND", any_one_of=["staff", "x"]), True), (of("KIND", any_one_of=["x"]), False),
    (of("KIND", any_one_of=["^sta"], regex=True), True), (of("KIND", any_one_of=["^taff"], regex=True), False),
    (of("KIND", any_one_of=["^sta"]), False), (of("KIND", not_any_of=["x"]), True), (of("KIND", not_any_of=["tester"]), False),
    (of("KIND", not_any_of=["test"], regex=True), False), (of("KIND", not_any_of=["^x"], regex=True), True),
    (of("MISSING"), False), (of("MISSING", not_any_of=["x"]), False), (of("KIND", any_one_of=[]), False),
    (of("KIND", not_any_of=[]), True)])
def test_conditions(remote, applies):
    rules = [rule({"user": {"name": "x"}}, remote)]
    if applies:
        assert run(*rules).user["name"] == "x"
    else:
        with pytest.raises(MappingFailed, match="no rule of the mapping applies"):
            run(*rules)


@pytest.mark.parametrize("remote, names", [
    (of("GROUPS"), ["dev", "ops", "guests"]), (of("GROUPS", whitelist=["dev", "x"]), ["dev"]),
    (of("GROUPS", blacklist=["guests"]), ["dev", "ops"]), (of("GROUPS", whitelist=[]), []),
    (of("GROUPS", blacklist=[]), ["dev", "ops", "guests"]), (of("ONE"), ["dev"]),
    (of("GROUPS", whitelist=["^.{3}$"], regex=True), ["dev", "ops"]),
    (of("GROUPS", blacklist=["^g", "^o"], regex=True), ["dev"])])
def test_groups_are_filtered_and_named_one_by_one(remote, names):
    mapped = run(rule({"groups": "{0}", "domain": DOMAIN, "user": {"name": "x"}}, remote))
    assert mapped.groups == [MappedGroup(name, DOMAIN) for name in names]
    assert [group.name for group in run(rule({"groups": "p-{0}", "domain": DOMAIN}, remote)).groups] == [f"p-{n}" for n in names]


def test_groups_by_id_by_name_and_written_as_lists():
    mapped = run(
        rule([{"user": {"name": "{0}"}}, {"group": {"id": "g1"}}, {"group": {"name": "n", "domain": {"id": "d"}}}], of("NAME")),
        rule({"group_ids": "{0}"}, of("GROUPS")), rule({"groups": "['a', '{0}']", "domain": DOMAIN}, of("ONE")))
    assert mapped.group_ids == ["g1", "dev", "ops", "guests"]
    assert mapped.groups == [MappedGroup("n", {"id": "d"}), MappedGroup("a", DOMAIN), MappedGroup("dev", DOMAIN)]


def test_groups_as_json_name_their_own_domain_and_only_where_the_rule_names_none():
    said = {"GROUPS": ['JSON:{"name": "g", "domain": {"name": "d"}}']}
    assert run(rule({"groups": "{0}"}, of("GROUPS")), said=said).groups == [MappedGroup("g", {"name": "d"})]
    assert run(rule({"groups": "{0}", "domain": DOMAIN}, of("GROUPS")), said=said).groups[0].domain == DOMAIN
    for wrong in ("plain", "JSON:[]", "JSON:{", 'JSON:{"name": "g"}'):
        with pytest.raises(MappingFailed):
            run(rule({"groups": "{0}"}, of("GROUPS")), said={"GROUPS": [wrong]})


def test_a_value_is_never_read_as_a_list_or_as_a_place():
    said = {"GROUPS": ["['admin']", "{0}", "{1}"], "NAME": ["{0.__class__}"]}
    mapped = run(rule({"groups": "{0}", "domain": DOMAIN, "user": {"name": "{1}"}}, of("GROUPS"), of("NAME")), said=said)
    assert [group.name for group in mapped.groups] == ["['admin']", "{0}", "{1}"] and mapped.user["name"] == "{0.__class__}"


def test_the_first_user_wins_and_a_list_is_no_name():
    assert run(rule({"user": {"name": "first"}}, of("NAME")), rule({"user": {"name": "second"}}, of("NAME"))).user["name"] == "first"
    with pytest.raises(MappingFailed, match="takes one value"):
        run(rule({"user": {"name": "{0}"}}, of("GROUPS")))
    assert run(rule({"user": {"name": "{0}", "type": "local", "domain": {"id": "default"}}}, of("NAME"))).local


@pytest.mark.parametrize("version, domain", [("1.0", None), ("2.0", DOMAIN), ("3.0", DOMAIN)])
def test_a_rules_domain_is_that_of_its_user_and_projects_since_2_0(version, domain):
    mapped = run(rule({"user": {"name": "{0}"}, "domain": DOMAIN,
                       "projects": [{"name": "p-{0}", "roles": [{"name": "member"}, {"name": "reader"}]}]}, of("NAME")), version=version)
    assert mapped.projects == [MappedProject("p-bob", ("member", "reader"), domain)] and mapped.user.get("domain") == domain
    own = run(rule({"user": {"name": "{0}", "domain": {"id": "own"}}, "domain": DOMAIN}, of("NAME")), version=version)
    assert own.user["domain"] == {"id": "own"}


def test_projects_as_json_since_3_0():
    said = {"P": ['[{"name": "a", "roles": [{"name": "member"}]}]', '{"name": "b", "domain": {"id": "d"}, "roles": []}']}
    mapped = run(rule({"projects_json": "{0}", "domain": DOMAIN}, of("P")), version="3.0", said=said)
    assert mapped.projects == [MappedProject("a", ("member",), DOMAIN), MappedProject("b", (), {"id": "d"})]
    for wrong in ("x", "[1]", '{"name": "a"}', '{"name": "a", "roles": ["x"]}'):
        with pytest.raises(MappingFailed):
            run(rule({"projects_json": "{0}"}, of("P")), version="3.0", said={"P": [wrong]})


@pytest.mark.parametrize("rules, version, says", [
    ([rule({"user": {"name": "{1}"}}, of("A"))], "1.0", "gives 1 values"),
    ([rule({"user": {"name": "{0}"}}, of("A", any_one_of=["x"]))], "1.0", "gives 0 values"),
    ([rule({"group": {"id": "a", "name": "b", "domain": DOMAIN}}, of("A"))], "1.0", "by its id alone"),
    ([rule({"group": {"name": "b"}}, of("A"))], "1.0", "its name and domain"),
    ([rule({"groups": "x"}, of("A", any_one_of=["x"], not_any_of=["x"]))], "1.0", "only one of them"),
    ([rule({"groups": "x"}, of("A", regex=True))], "1.0", "regex without"),
    ([rule({"groups": "x"}, of("A", any_one_of=["("], regex=True))], "1.0", "no regular expression"),
    ([rule({"projects": [{"name": "p", "roles": [], "domain": DOMAIN}]}, of("A"))], "1.0", "since schema_version 2.0"),
    ([rule({"projects_json": "{0}"}, of("A"))], "2.0", "since schema_version 3.0"),
    ([rule({"groups": "x"}, of("A"))], "4.0", "there are 1.0, 2.0, 3.0")])
def test_wrong_mappings_are_told_what_is_wrong(rules, version, says):
    with pytest.raises(BadRequest, match=says):
        mapping_rules.check(rules, version)
