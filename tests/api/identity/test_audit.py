"""Every change and every failed login is told, and an operator can read of it."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from cloudd.cli import audit
from cloudd.core import clock, events
from cloudd.core.context import Context
from cloudd.core.refusals import Allowance, Refused
from cloudd.core.tables import EventRow
from cloudd.identity.audit import TokenRevoked
from cloudd.keymanager.audit import SecretOpened
from tests.api.conftest import PASSWORD
from tests.api.identity.test_extensions import by_signature, delegated, ec2_credential, token
from tests.api.identity.test_people import role_id
from tests.api.identity.test_projects import V3, make


@pytest.fixture(autouse=True)
def everything_is_told(cloud):
    cloud.parts.service(Allowance).forget()


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


async def test_refused_requests_are_told(cloud, capsys):
    user, victim = await cloud.project_user("refused-of-audit"), (await make(cloud, "user"))["id"]
    assert (await user.delete(f"{V3}/users/{victim}")).status == 403
    assert (await user.post("/networking/v2.0/agents", {"agent": {}})).status in (403, 404, 405)
    assert (await user.get("/compute/v2.1/os-hypervisors")).status == 403
    found = await told(cloud, capsys, user=user.user_id, event="request.refused")
    assert [(row["outcome"], row["attachments"]["service"], row["attachments"]["rule"]) for row in found if row["target"]["id"]] == [
        ("failure", "identity", "identity:delete_user"), ("failure", "compute", "os_compute_api:os-hypervisors:list")]
    first = found[0]
    assert first["target"]["id"] == victim and first["initiator"]["project_id"] == user.project_id
    assert first["attachments"]["method"] == "DELETE" and first["attachments"]["path"].endswith(f"/users/{victim}")
    assert first["initiator"]["host"]["address"] == "127.0.0.1" and "admin_required" in first["attachments"]["reason"]
    assert found == await told(cloud, capsys, user=user.user_id, failures=True)


async def test_what_a_delegated_token_may_not_is_told(cloud, capsys):
    user, _ = await ec2_credential(cloud, "delegated-of-audit")
    narrow = await delegated(cloud, user)
    assert (await narrow.get(f"{V3}/credentials")).status == 403
    found = await told(cloud, capsys, user=user.user_id, event="request.refused")
    assert [row["attachments"]["path"] for row in found] == [f"{V3}/credentials"]


async def test_what_access_rules_do_not_cover_is_told(cloud, capsys):
    user = await cloud.project_user("covered-of-audit")
    made = (await user.post(f"{V3}/users/{user.user_id}/application_credentials", {"application_credential": {
        "name": "covered", "access_rules": [{"service": "image", "method": "GET", "path": "/v2/images"}]}})).body
    narrow, _ = await token(cloud, {"methods": ["application_credential"], "application_credential": {
        name: made["application_credential"][name] for name in ("id", "secret")}})
    assert (await narrow.get(f"{V3}/auth/projects")).status == 401
    found = await told(cloud, capsys, user=user.user_id, event="request.refused")
    assert [row["attachments"]["path"] for row in found] == [f"{V3}/auth/projects"]


async def test_one_caller_does_not_fill_the_log(cloud, capsys):
    user = await cloud.project_user("asking-again-and-again")
    allowance = cloud.parts.service(Allowance)
    for _ in range(allowance.most + 5):
        assert (await user.get(f"{V3}/users")).status == 403
    assert len(await told(cloud, capsys, user=user.user_id, event="request.refused", limit=1000)) == allowance.most
    later = clock.now().timestamp() + 61
    assert allowance.take(user.user_id, later) == 5 and allowance.take(user.user_id, later) == 0


async def sent(cloud, **identity):
    scope = {"scope": identity.pop("scope")} if "scope" in identity else {}
    return await cloud.anonymous.post(f"{V3}/auth/tokens", {"auth": {"identity": {"methods": list(identity), **identity}, **scope}})


async def test_failed_logins_of_every_method_are_told(cloud, capsys):
    user = await make(cloud, "user", password=PASSWORD)
    right = {"user": {"id": user["id"], "password": PASSWORD}}
    elsewhere = {"project": {"id": cloud.admin.project_id}}
    attempts = {
        "password": {"password": {"user": {"id": user["id"], "password": "wrong"}}},
        "totp": {"totp": {"user": {"id": user["id"], "passcode": "000000"}}},
        "application_credential": {"application_credential": {"id": "0" * 32, "secret": "x"}},
        "token": {"token": {"id": "nonsense"}}, "oauth1": {"oauth1": {}}, "mapped": {"mapped": {}}, "openid": {"openid": {}},
        "nonsense": {"nonsense": {}}}
    for method, identity in attempts.items():
        assert (await sent(cloud, **identity)).status in (401, 404), method
    assert (await sent(cloud, password=right, scope=elsewhere)).status == 401
    found = (await told(cloud, capsys, event="identity.authenticate"))[-len(attempts) - 1:]
    assert [row["attachments"]["method"] for row in found] == [*attempts, "password"]
    assert {row["outcome"] for row in found} == {"failure"} and all(row["attachments"]["reason"] for row in found)
    assert [row["target"]["id"] for row in found if row["attachments"]["method"] in ("password", "totp")] == [user["id"]] * 3
    assert cloud.admin.project_id in found[-1]["attachments"]["reason"] and PASSWORD not in json.dumps(found)


async def test_one_proof_of_several_is_told_as_pending(cloud, capsys):
    user = await make(cloud, "user", password=PASSWORD, options={
        "multi_factor_auth_enabled": True, "multi_factor_auth_rules": [["password", "totp"]]})
    assert (await sent(cloud, password={"user": {"id": user["id"], "password": PASSWORD}})).status == 401
    found = await told(cloud, capsys, resource=user["id"], event="identity.authenticate")
    assert [row["outcome"] for row in found] == ["pending"]


async def test_signatures_are_told_good_and_bad(cloud, capsys):
    user, credential = await ec2_credential(cloud, "signing-of-audit")
    await by_signature(cloud, credential)
    with pytest.raises(KeyError):
        await by_signature(cloud, {**credential, "secret": "wrong"})
    answer = await cloud.admin.post(f"{V3}/s3tokens", {"credentials": {"access": credential["access"], "signature": "x", "token": "eA=="}})
    assert answer.status == 401
    found = (await told(cloud, capsys, resource=user.user_id, event="identity.authenticate"))[-3:]
    assert [row["outcome"] for row in found] == ["success", "failure", "failure"]
    assert found[0]["attachments"]["methods"] == ["ec2credential"] and {row["initiator"]["id"] for row in found} == {cloud.admin.user_id}


async def test_the_log_is_bounded(cloud, capsys, monkeypatch):
    bus, now = cloud.parts.bus, clock.now()
    aged = {"young": timedelta(days=20), "old": timedelta(days=200)}
    async with cloud.parts.database.write() as tx:
        for name, age in aged.items():
            context = Context(now=lambda age=age: now - age)
            await events.emit(tx, context, TokenRevoked(f"audit-{name}", "u"))
            await events.emit(tx, context, Refused(f"refused-{name}", "identity", "GET", "/", "", ""))
            await events.emit(tx, context, SecretOpened(f"key-{name}", None))
            other = TokenRevoked(f"other-{name}", "u")
            object.__setattr__(other, "name", "compute.of.audit")
            await events.emit(tx, context, other)
        await events.emit(tx, Context(), TokenRevoked("audit-now", "u"))    # the newest stays, so that its number is not given again

    async def left():
        async with cloud.parts.database.read() as tx:
            rows = (await tx.execute(select(EventRow.resource_id).where(EventRow.created_at < now - timedelta(days=10)))).scalars()
            return set(rows)
    assert await bus.forget_old() >= 3
    assert await left() == {"audit-young", "refused-young", "key-young"}
    monkeypatch.setattr(bus, "retention", replace(bus.retention, most=1))
    await bus.forget_old()
    async with cloud.parts.database.read() as tx:
        assert len((await tx.execute(select(EventRow.serial))).scalars().all()) == 1
