"""`openstack` commands of the identity service."""

from collections.abc import Callable

from openstack_cli import Cli

Later = Callable[..., None]


def test_token_issue(admin: Cli, demo: Cli) -> None:
    for cli in (admin, demo):
        token = cli.json("token issue")
        assert set(token) == {"expires", "id", "project_id", "user_id"}
        assert token["id"].startswith("gAAAA")


def test_catalog_list_has_what_is_served(demo: Cli) -> None:
    catalog = {entry["Type"]: entry["Endpoints"] for entry in demo.json("catalog list")}
    assert {"identity", "compute", "image", "network"} <= set(catalog)
    for endpoints in catalog.values():
        assert {endpoint["interface"] for endpoint in endpoints} >= {"public"}
        assert all(endpoint["url"].startswith("http") for endpoint in endpoints)
    shown = demo.json("catalog show compute")
    assert shown["type"] == "compute"


def test_service_and_endpoint_list_agree(admin: Cli) -> None:
    services = {service["Type"] for service in admin.json("service list")}
    endpoints = admin.json("endpoint list")
    assert {endpoint["Service Type"] for endpoint in endpoints} == services
    assert all(endpoint["Enabled"] for endpoint in endpoints)
    public = admin.json("endpoint list --service identity --interface public")
    assert [endpoint["Interface"] for endpoint in public] == ["public"]
    assert admin.json("endpoint show", public[0]["ID"])["url"] == public[0]["URL"]


def test_endpoint_list_is_for_administrators(demo: Cli) -> None:
    assert "403" in demo.fails("endpoint list")


def test_project(admin: Cli, name: str, later: Later) -> None:
    project = admin.json("project create --description one --property colour=blue", name)
    later(admin, "project delete", project["id"])
    assert project["name"] == name and project["enabled"] is True and project["domain_id"] == "default"
    assert project["description"] == "one" and project["parent_id"] == "default" and project["is_domain"] is False
    assert name in [row["Name"] for row in admin.json("project list")]
    admin("project set --description two --disable", project["id"])
    shown = admin.json("project show", name)
    assert shown["description"] == "two" and shown["enabled"] is False
    admin("project delete", name)
    assert "found for" in admin.fails("project show", name)


def test_user(admin: Cli, name: str, later: Later) -> None:
    project = admin.value("project create", "id", name)
    later(admin, "project delete", project)
    user = admin.json("user create --password first-Secret1 --email a@b.example", "--project", project, name)
    later(admin, "user delete", user["id"])
    assert user["default_project_id"] == project and user["email"] == "a@b.example" and user["enabled"] is True
    assert "password" not in user
    assert name in [row["Name"] for row in admin.json("user list")]
    admin("user set --description guest --disable", name)
    shown = admin.json("user show", name)
    assert shown["description"] == "guest" and shown["enabled"] is False
    assert "409" in admin.fails("user create", name)
    admin("user delete", name)
    assert "found for" in admin.fails("user show", name)


def test_a_new_user_logs_in(admin: Cli, name: str, later: Later) -> None:
    project = admin.value("project create", "id", name)
    later(admin, "project delete", project)
    user = admin.value("user create --password first-Secret1", "id", name)
    later(admin, "user delete", user)
    login = ["--os-username", name, "--os-password", "first-Secret1", "--os-project-id", project]
    assert "401" in admin.fails("token issue", *login)
    admin("role add member", "--project", project, "--user", user)
    assert admin.json("token issue", *login)["user_id"] == user
    admin("user set --password other-Secret1", user)
    assert "401" in admin.fails("token issue", *login)


def test_role(admin: Cli, name: str, later: Later) -> None:
    assert {"admin", "manager", "member", "reader"} <= {row["Name"] for row in admin.json("role list")}
    role = admin.json("role create", name)
    later(admin, "role delete", role["id"])
    assert role["name"] == name and role["domain_id"] is None
    admin("role set", "--name", name + "-new", role["id"])
    assert admin.json("role show", name + "-new")["id"] == role["id"]
    admin("role delete", role["id"])
    assert "found for" in admin.fails("role show", name + "-new")


def test_role_assignments(admin: Cli, name: str, later: Later) -> None:
    project = admin.value("project create", "id", name)
    later(admin, "project delete", project)
    user = admin.value("user create", "id", name)
    later(admin, "user delete", user)
    admin("role add reader", "--user", user, "--project", project)
    rows = admin.json("role assignment list --names", "--user", user, "--project", project)
    assert [(row["Role"], row["User"], row["Project"], row["Inherited"]) for row in rows] == \
        [("reader", f"{name}@Default", f"{name}@Default", False)]
    admin("role remove reader", "--user", user, "--project", project)
    assert admin.json("role assignment list", "--user", user) == []


def test_system_and_domain_assignments(admin: Cli, name: str, later: Later) -> None:
    user = admin.value("user create", "id", name)
    later(admin, "user delete", user)
    admin("role add reader --system all", "--user", user)
    admin("role add member --domain default", "--user", user)
    rows = admin.json("role assignment list", "--user", user)
    assert sorted((row["System"], row["Domain"]) for row in rows) == [("", "default"), ("all", "")]


def test_domain(admin: Cli, name: str, later: Later) -> None:
    domain = admin.json("domain create --description one", name)
    assert domain["name"] == name and domain["enabled"] is True
    inside = admin.json("user create", "--domain", domain["id"], name)
    assert inside["domain_id"] == domain["id"]
    assert "403" in admin.fails("domain delete", name)           # enabled
    admin("domain set --disable --description two", name)
    shown = admin.json("domain show", name)
    assert shown["enabled"] is False and shown["description"] == "two"
    assert name in [row["Name"] for row in admin.json("domain list")]
    admin("domain delete", domain["id"])
    assert "found for" in admin.fails("user show", inside["id"])


def test_group(admin: Cli, name: str, later: Later) -> None:
    group = admin.value("group create", "id", name)
    later(admin, "group delete", group)
    user = admin.value("user create", "id", name)
    later(admin, "user delete", user)
    admin("group add user", group, user)
    assert [row["ID"] for row in admin.json("user list", "--group", group)] == [user]
    admin("group remove user", group, user)
    assert admin.json("user list", "--group", group) == []


def test_members_may_not_administer(demo: Cli, name: str) -> None:
    for line in ("user create", "project create", "domain create", "role create"):
        assert "403" in demo.fails(line, name)
