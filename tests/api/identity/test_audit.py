"""Every change and every failed login is told, and an operator can read of it."""

import json

from cloudd.cli import audit
from tests.api.conftest import PASSWORD
from tests.api.identity.test_people import role_id
from tests.api.identity.test_projects import V3, make


async def told(cloud, capsys, **asked):
    capsys.readouterr()
    assert await audit.show(cloud.parts.settings, audit.Asked(**asked), True) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


async def test_changes_are_told_with_initiator_target_and_outcome(cloud, capsys):
    project, user, group = await make(cloud, "project"), await make(cloud, "user", password=PASSWORD), await make(cloud, "group")
    role = await role_id(cloud, "reader")
    grant = f"{V3}/projects/{project['id']}/users/{user['id']}/roles/{role}"
    assert (await cloud.admin.put(grant)).status == 204
    assert (await cloud.admin.delete(grant)).status == 204
    assert (await cloud.admin.put(f"{V3}/groups/{group['id']}/users/{user['id']}")).status == 204
    assert (await cloud.admin.put(f"{V3}/projects/{project['id']}/tags", {"tags": ["a"]})).status == 200
    found = await told(cloud, capsys, user=cloud.admin.user_id)
    given = next(row for row in reversed(found) if row["action"] == "identity.role_assignment.created")
    assert given["target"] == {"id": role} and given["outcome"] == "success"
    assert given["initiator"]["id"] == cloud.admin.user_id and given["initiator"]["host"]["address"] == "127.0.0.1"
    assert given["initiator"]["request_id"].startswith("req-")
    assert {name: given["attachments"][name] for name in ("actor", "actor_id", "target", "target_id", "inherited")} == {
        "actor": "user", "actor_id": user["id"], "target": "project", "target_id": project["id"], "inherited": False}
    actions = [row["action"] for row in found[-8:]]
    assert actions[-5:] == ["identity.group.created", "identity.role_assignment.created", "identity.role_assignment.deleted",
                            "identity.group.user.added", "identity.update_project_tags"]
    assert found[-1]["attachments"]["path"] == {"project": project["id"]}


async def test_logins_are_told_and_so_are_failures(cloud, capsys):
    user = await make(cloud, "user", password=PASSWORD)
    for password in ("wrong", PASSWORD):
        await cloud.anonymous.post(f"{V3}/auth/tokens", {"auth": {"identity": {"methods": ["password"], "password": {
            "user": {"id": user["id"], "password": password}}}}})
    found = await told(cloud, capsys, resource=user["id"], event="identity.authenticate")
    assert [row["outcome"] for row in found] == ["failure", "success"]
    assert found[0]["attachments"]["reason"] == "wrong secret" and found[0]["initiator"]["host"]["address"] == "127.0.0.1"
    failures = await told(cloud, capsys, failures=True, limit=1)
    assert failures[0]["target"]["id"] == user["id"] and len(failures) == 1


async def test_a_password_never_stands_in_the_log(cloud, capsys):
    user = await make(cloud, "user", password="very-secret-1")
    await cloud.anonymous.post(f"{V3}/users/{user['id']}/password", {"user": {"original_password": "very-secret-1",
                                                                              "password": "very-secret-2"}})
    found = await told(cloud, capsys, resource=user["id"])
    assert [row["action"] for row in found] == ["identity.user.created", "identity.user.password_changed"]
    assert "very-secret" not in json.dumps(found)


async def test_the_table_is_for_reading(cloud, capsys):
    await make(cloud, "project")
    capsys.readouterr()
    assert await audit.show(cloud.parts.settings, audit.Asked(event="identity.project", limit=1), False) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["time", "event", "outcome"] and "identity.project.created" in row and "success" in row
