"""`cloudd identity` beside a running daemon, on both databases: the administrator's account, the keys of stored secrets."""

import asyncio
import contextlib

import pytest
from sqlalchemy import select

from cloudd.cli import identity
from cloudd.identity.models import Credential, Project, User
from tests import postgres
from tests.api.conftest import PASSWORD, make_settings, run_cloud
from tests.api.identity.test_projects import V3, make

ADMIN = {"project": {"name": "admin", "domain": {"id": "default"}}}
NEW = "a-new-password"


@pytest.fixture(params=["sqlite", "postgresql"])
async def cloud(request, tmp_path):
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(postgres.server()) if request.param == "postgresql" else None
        settings = make_settings(tmp_path, url=server.create("recovery") if server else "")
        async for running in run_cloud(settings):
            yield running


async def log_in(cloud, password):
    user = {"name": "admin", "domain": {"id": "default"}, "password": password}
    return await cloud.anonymous.post(f"{V3}/auth/tokens", {"auth": {
        "identity": {"methods": ["password"], "password": {"user": user}}, "scope": ADMIN}})


async def test_everything_that_kept_the_administrator_out_is_undone(cloud, tmp_path):
    async with cloud.parts.database.write() as tx:
        user = (await tx.execute(select(User).where(User.name == "admin"))).scalar_one()
        user.enabled, user.options = False, {"multi_factor_auth_rules": [["password", "totp"]], "lock_password": True}
        (await tx.execute(select(Project).where(Project.name == "admin"))).scalar_one().enabled = False
        (await tx.get_one(Project, "default")).enabled = False
    assert (await log_in(cloud, PASSWORD)).status == 401
    (tmp_path / "password").write_text(f"{NEW}\n")
    assert await asyncio.to_thread(identity.bootstrap, cloud.daemon.settings, str(tmp_path / "password")) == 0
    assert (await log_in(cloud, PASSWORD)).status == 401
    answer = await log_in(cloud, NEW)
    assert answer.status == 201 and "admin" in {role["name"] for role in answer.body["token"]["roles"]}
    assert (await cloud.admin.get(f"{V3}/auth/projects")).status == 401            # a token of before
    assert (await cloud.demo.get(f"{V3}/auth/projects")).status == 200             # another's


async def test_failures_are_forgiven_with_the_new_password(cloud, tmp_path):
    """Somebody who tries passwords may have used up the administrator's attempts."""
    for _ in range(cloud.daemon.settings.identity.failed_logins_per_minute + 1):
        answer = await log_in(cloud, "guessed")
    assert answer.status == 429
    (tmp_path / "password").write_text(NEW)
    await asyncio.to_thread(identity.bootstrap, cloud.daemon.settings, str(tmp_path / "password"))
    assert (await log_in(cloud, NEW)).status == 201


async def test_new_credential_keys_while_credentials_are_written(cloud):
    user = (await make(cloud, "user"))["id"]

    async def add(number):
        answer = await cloud.admin.post(f"{V3}/credentials", {"credential": {
            "user_id": user, "type": "cert", "blob": f"secret {number}"}})
        assert answer.status == 201
    for number in range(30):
        await add(number)
    async with cloud.parts.database.read() as tx:
        before = set((await tx.execute(select(Credential.encrypted_blob))).scalars())
    rotation = asyncio.create_task(asyncio.to_thread(identity.credential_keys_rotate, cloud.daemon.settings))
    number = 30
    while not rotation.done():
        await add(number)
        number += 1
    assert await rotation == 0
    for _ in range(2):
        assert await asyncio.to_thread(identity.credential_keys_rotate, cloud.daemon.settings) == 0
    async with cloud.parts.database.read() as tx:
        assert not before & set((await tx.execute(select(Credential.encrypted_blob))).scalars())
    listed = (await cloud.admin.get(f"{V3}/credentials?user_id={user}")).body["credentials"]
    assert {row["blob"] for row in listed} == {f"secret {each}" for each in range(number)}
