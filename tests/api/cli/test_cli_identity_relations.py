"""`openstack` commands that join identity's records: endpoints shown to projects, members of groups, implied roles, limits of
projects, trees and tags of projects, protocols of providers, options of users, what somebody may log in to."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openstack_cli import Cli

Later = Callable[..., None]


@pytest.fixture
def project(admin: Cli, name: str, later: Later) -> str:
    made = admin.value("project create", "id", name)
    later(admin, "project delete", made)
    return made


@pytest.fixture
def user(admin: Cli, name: str, later: Later) -> str:
    made = admin.value("user create", "id", name)
    later(admin, "user delete", made)
    return made


@pytest.fixture
def mapping(admin: Cli, name: str, later: Later, tmp_path: Path) -> str:
    rules = tmp_path / "rules"
    rules.write_text(json.dumps([{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "REMOTE_USER"}]}]))
    for made in (name, f"{name}-new"):
        admin("mapping create --rules", rules, made)
        later(admin, "mapping delete", made)
    return name


def row(rows: list[dict[str, Any]], **members: Any) -> dict[str, Any]:
    """The one row with these members."""
    found = [each for each in rows if all(each[key.replace("_", " ")] == value for key, value in members.items())]
    assert len(found) == 1, rows
    return found[0]


def test_an_endpoint_for_some_projects(admin: Cli, name: str, project: str, later: Later) -> None:
    endpoint = admin.value("endpoint create --region RegionOne image internal http://one.example", "id")
    later(admin, "endpoint delete", endpoint)
    admin("endpoint add project", endpoint, name)
    assert [each["ID"] for each in admin.json("endpoint list --project", name)] == [endpoint]
    assert admin.json("endpoint list --endpoint", endpoint) == [{"ID": project, "Name": name}]
    admin("endpoint remove project", endpoint, name)
    assert admin.json("endpoint list --endpoint", endpoint) == [] == admin.json("endpoint list --project", name)
    assert "404" in admin.fails("endpoint remove project", endpoint, name)


def test_an_endpoint_group_for_some_projects(admin: Cli, name: str, project: str, later: Later, tmp_path: Path) -> None:
    filters = tmp_path / "filters"
    filters.write_text(json.dumps({"interface": "public"}))
    group = admin.value("endpoint group create", "id", name, filters)
    later(admin, "endpoint group delete", group)
    admin("endpoint group add project", name, name)
    assert admin.json("endpoint group list --project", name) == [{"ID": group, "Name": name, "Description": None}]
    assert row(admin.json("endpoint group list --endpointgroup", name), ID=project)["Name"] == name
    admin("endpoint group remove project", name, name)
    assert admin.json("endpoint group list --project", name) == [] == admin.json("endpoint group list --endpointgroup", name)


def test_members_of_a_group(admin: Cli, name: str, user: str, later: Later) -> None:
    group = admin.value("group create", "id", name)
    later(admin, "group delete", group)
    assert " in group" not in admin("group contains user", name, name)
    admin("group add user", name, name)
    assert f"{name} in group {name}" in admin("group contains user", name, name)
    assert admin.json("group list --user", name) == [{"ID": group, "Name": name}]
    admin("role add reader --domain default --group", name)
    given = row(admin.json("role assignment list --names --group", name), Role="reader")
    assert (given["Group"], given["Domain"], given["User"]) == (f"{name}@Default", "Default", "")
    assert row(admin.json("role assignment list --names --effective --user", name), Role="reader")["Domain"] == "Default"
    admin("group remove user", name, name)
    assert admin.json("group list --user", name) == []


def test_implied_roles(admin: Cli, name: str, later: Later) -> None:
    prior, implied = (admin.value("role create", "id", f"{name}-{which}") for which in ("prior", "implied"))
    later(admin, "role delete", prior, implied)
    made = admin.json("implied role create", "--implied-role", f"{name}-implied", f"{name}-prior")
    assert made == {"prior_role": prior, "implies": implied}
    assert row(admin.json("implied role list"), Prior_Role_ID=prior) == {
        "Prior Role ID": prior, "Prior Role Name": f"{name}-prior", "Implied Role ID": implied, "Implied Role Name": f"{name}-implied"}
    admin("implied role delete", "--implied-role", f"{name}-implied", f"{name}-prior")
    assert prior not in {each["Prior Role ID"] for each in admin.json("implied role list")}


def test_limits_of_a_project(admin: Cli, name: str, project: str, later: Later) -> None:
    registered = admin.value("registered limit create --service image --region RegionOne --default-limit 10", "id", name)
    later(admin, "registered limit delete", registered)
    made = admin.json("limit create --service image --region RegionOne --resource-limit 5 --description one --project", name, name)
    later(admin, "limit delete", made["id"])
    service = admin.value("service show image", "id")
    assert made == {"id": made["id"], "project_id": project, "service_id": service, "region_id": "RegionOne",
                    "resource_name": name, "resource_limit": 5, "description": "one"}
    assert admin.json("limit show", made["id"]) == made
    assert admin.json("limit list --project", name) == [{
        "ID": made["id"], "Project ID": project, "Service ID": service, "Resource Name": name, "Resource Limit": 5,
        "Description": "one", "Region ID": "RegionOne"}]
    changed = admin.json("limit set --resource-limit 7 --description two", made["id"])
    assert changed == {**made, "resource_limit": 7, "description": "two"} == admin.json("limit show", made["id"])
    assert "403" in admin.fails("registered limit set --default-limit 3 --resource-name other", registered), "in use"
    admin("limit delete", made["id"])
    assert admin.json("limit list --project", name) == []


def test_the_protocols_of_a_provider(admin: Cli, name: str, mapping: str, later: Later) -> None:
    admin("identity provider create", name)
    later(admin, "identity provider delete", name)
    own = ("--identity-provider", name)
    made = admin.json("federation protocol create openid", *own, "--mapping", mapping)
    assert made == {"id": "openid", "identity_provider": name, "mapping": mapping}
    assert admin.json("federation protocol show openid", *own) == made
    assert admin.json("federation protocol list", *own) == [{"id": "openid", "mapping": mapping}]
    told = admin.fails("federation protocol set openid", *own, "--mapping", f"{mapping}-new")
    assert f"('openid', '{name}', '{mapping}-new')" in told, "it ends with what it should print as its status"
    assert admin.value("federation protocol show openid", "mapping", *own) == f"{mapping}-new"
    admin("federation protocol delete openid", *own)
    assert admin.json("federation protocol list", *own) == []


def test_where_one_may_log_in(admin: Cli, demo: Cli) -> None:
    project = demo.json("token issue")["project_id"]
    assert demo.json("federation project list") == [{"ID": project, "Domain ID": "default", "Enabled": True, "Name": "demo"}]
    assert demo.json("federation domain list") == []
    admin("role add member --domain default --user demo")
    try:
        assert [(each["ID"], each["Enabled"], each["Name"]) for each in demo.json("federation domain list")] == \
            [("default", True, "Default")]
    finally:
        admin("role remove member --domain default --user demo")
    assert [each["Name"] for each in demo.json("project list --my-projects")] == ["demo"]


def test_a_tree_of_projects(admin: Cli, name: str, project: str, user: str, later: Later) -> None:
    child = admin.value("project create --parent", "id", name, f"{name}-child")
    later(admin, "project delete", child)
    assert [each["ID"] for each in admin.json("project list --parent", name)] == [child]
    shown = admin.json("project show --parents", child)
    assert shown["parent_id"] == project and project in json.dumps(shown["parents"])
    assert child in json.dumps(admin.json("project show --children", project)["subtree"])
    admin("role add reader --inherited", "--user", user, "--project", project)
    rows = admin.json("role assignment list --effective --names --user", name)
    assert [(each["Project"], each["Inherited"]) for each in rows] == [(f"{name}-child@Default", False)]
    assert [each["Inherited"] for each in admin.json("role assignment list --user", name)] == [True]
    assert [each["ID"] for each in admin.json("project list --user", user)] == [child]
    assert "403" in admin.fails("project delete", project), "it has children"


def test_tags_of_projects(admin: Cli, name: str, project: str) -> None:
    red, blue = f"red-{name}", f"blue-{name}"
    admin("project set", "--tag", red, "--tag", blue, project)
    assert sorted(admin.json("project show", project)["tags"]) == [blue, red]
    for filters, found in ((("--tags", f"{red},{blue}"), True), (("--tags-any", f"{red},none"), True), (("--tags", f"{red},none"), False),
                           (("--not-tags", f"{red},{blue}"), False), (("--not-tags-any", f"{red},none"), False)):
        assert (project in {each["ID"] for each in admin.json("project list", *filters)}) is found, filters
    admin("project set", "--remove-tag", red, project)
    assert admin.json("project show", project)["tags"] == [blue]
    admin("project set --clear-tags", project)
    assert admin.json("project show", project)["tags"] == []


def test_pages_and_filters_of_lists(admin: Cli, name: str, later: Later) -> None:
    domain = admin.value("domain create", "id", name)
    later(admin, "domain delete", domain)
    later(admin, "domain set --disable", domain)
    for kind in ("user", "project"):
        made = [admin.value(f"{kind} create --domain", "id", domain, f"{name}-{number}") for number in range(3)]
        admin(f"{kind} set --disable", made[1])
        listed = [each["ID"] for each in admin.json(f"{kind} list --limit 1 --domain", domain)]
        assert sorted(listed) == sorted(made), "page after page"
        assert len(admin.json(f"{kind} list --limit 1 --max-items 2 --domain", domain)) == 2
        rest = admin.json(f"{kind} list --domain", domain, "--marker", listed[0])
        assert [each["ID"] for each in rest] == listed[1:]
        assert [each["ID"] for each in admin.json(f"{kind} list --disabled --domain", domain)] == [made[1]]
        assert {each["ID"] for each in admin.json(f"{kind} list --enabled --domain", domain)} == {made[0], made[2]}


@pytest.mark.parametrize("kind", ["project", "role", "domain"])
def test_what_may_not_be_changed(kind: str, admin: Cli, name: str, later: Later) -> None:
    made = admin.value(f"{kind} create --immutable", "id", name)
    later(admin, f"{kind} delete", made)
    later(admin, f"{kind} set --no-immutable{' --disable' if kind == 'domain' else ''}", made)
    assert "403" in admin.fails(f"{kind} set --description two", made) and "403" in admin.fails(f"{kind} delete", made)
    admin(f"{kind} set --no-immutable", made)
    admin(f"{kind} set --description two", made)
    assert admin.json(f"{kind} show", made)["description"] == "two"


@pytest.mark.parametrize("kind", ["user", "group", "project", "role", "domain"])
def test_made_once(kind: str, admin: Cli, name: str, later: Later) -> None:
    made = admin.value(f"{kind} create", "id", name)
    later(admin, f"{kind} delete", made)
    if kind == "domain":
        later(admin, "domain set --disable", made)
    assert admin.value(f"{kind} create --or-show", "id", name) == made
    assert "409" in admin.fails(f"{kind} create", name)


def test_options_of_a_user(admin: Cli, user: str) -> None:
    flags = {"ignore_lockout_failure_attempts": "ignore-lockout-failure-attempts", "ignore_password_expiry": "ignore-password-expiry",
             "ignore_change_password_upon_first_use": "ignore-change-password-upon-first-use"}
    admin("user set --enable-lock-password", *(f"--{flag}" for flag in flags.values()), user)
    assert admin.json("user show", user)["options"] == {**dict.fromkeys(flags, True), "lock_password": True}
    admin("user set --disable-lock-password", *(f"--no-{flag}" for flag in flags.values()), user)
    assert admin.json("user show", user)["options"] == {**dict.fromkeys(flags, False), "lock_password": False}
