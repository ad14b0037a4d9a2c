"""What is void, used or remembered stays so when somebody sets the clock back, or it was ahead for a while."""

import os
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from cloudd.core import clock
from cloudd.core.context import Context
from cloudd.core.database import after_commit
from cloudd.identity.models import Revocation, User
from cloudd.identity.people import compliance
from cloudd.identity.revocations import Revocations
from cloudd.identity.tokens.tokens import Tokens
from tests.api.conftest import PASSWORD
from tests.api.identity.test_projects import V3, make

SCOPE = {"project": {"name": "admin", "domain": {"id": "default"}}}


def off(**much):
    """A context whose clock goes wrong by so much."""
    return Context(now=lambda: clock.now() + timedelta(**much))


async def user(cloud):
    made = await make(cloud, "user", password=PASSWORD)
    return made["id"], await cloud.login(made["name"], PASSWORD, None)


async def revoke(cloud, user_id, context):
    async with cloud.parts.database.write() as tx:
        await cloud.parts.service(Tokens).revocations.add(tx, context, "user", user_id)


async def good(client):
    return (await client.get(f"{V3}/auth/projects")).status == 200


async def test_older_tokens_do_not_outlive_a_password_change_after_the_clock_was_set_back(cloud):
    key, before = await user(cloud)
    assert await good(before)
    await revoke(cloud, key, off(hours=-1))
    assert not await good(before)


async def test_who_logs_in_after_the_clock_was_set_back_is_not_shut_out_by_what_was_revoked_before(cloud):
    key, before = await user(cloud)
    await revoke(cloud, key, off(hours=1))
    async with cloud.parts.database.read() as tx:
        name = (await tx.get(User, key)).name
    assert not await good(before) and await good(await cloud.login(name, PASSWORD, None))


async def test_a_restart_does_not_forget_which_tokens_are_older(cloud):
    key, before = await user(cloud)
    await revoke(cloud, key, off(hours=-1))
    await cloud.parts.service(Tokens).revocations.read(cloud.parts.database)
    assert not await good(before)


async def test_revocations_are_not_forgotten_while_the_clock_is_ahead(cloud):
    """Two days ahead for a moment: their tokens seem to have expired, and are good again afterwards."""
    key, before = await user(cloud)
    await revoke(cloud, key, off(days=-2))
    passed = 0.0
    ours = Revocations(timedelta(hours=1), lambda: passed)
    await ours.read(cloud.parts.database)
    await ours.forget_old(cloud.parts.database)
    async with cloud.parts.database.read() as tx:
        assert await tx.get(Revocation, ("user", key)) is not None
    passed = 3601.0
    await ours.forget_old(cloud.parts.database)
    async with cloud.parts.database.read() as tx:
        assert await tx.get(Revocation, ("user", key)) is None


async def test_a_token_that_was_being_made_while_its_user_was_revoked_is_void(cloud):
    key, client = await user(cloud)
    tokens = cloud.parts.service(Tokens)
    payload = (await tokens.check(client.headers["X-Auth-Token"])).payload
    await revoke(cloud, key, Context())
    assert tokens.revocations.void(payload)
    assert not tokens.revocations.void(replace(payload, serial=tokens.revocations.serial))


async def test_a_revocation_that_is_rolled_back_is_none(cloud):
    key, client = await user(cloud)
    with pytest.raises(ZeroDivisionError):
        async with cloud.parts.database.write() as tx:
            await cloud.parts.service(Tokens).revocations.add(tx, Context(), "user", key)
            after_commit(tx, lambda: pytest.fail("it was committed"))
            raise ZeroDivisionError
    assert await good(client)


async def test_the_last_password_is_remembered_as_the_last_when_the_clock_was_set_back(cloud):
    key, _ = await user(cloud)
    rules = replace(cloud.parts.settings.security_compliance, unique_last_password_count=2)
    moment = clock.now()
    async with cloud.parts.database.write() as tx:
        row = await tx.get(User, key)
        for password, now in (("first", moment), ("second", moment - timedelta(hours=1))):
            row.password_hash = password
            await compliance.remember(tx, rules, row, now)
        row.password_hash = "third"
        assert await compliance.former(tx, rules, row) == ["third", "second"]


async def test_token_keys_are_rotated_though_the_clock_was_set_back(cloud):
    ring = cloud.parts.service(Tokens).ring
    staged = ring.directory / "0"
    ahead = time.time() + 10 * 86400
    os.utime(staged, (ahead, ahead))
    before = max(int(path.name) for path in ring.directory.iterdir())
    identity = next(module for module in cloud.daemon.modules if module.name == "identity")
    await identity._rotate_keys()
    assert max(int(path.name) for path in ring.directory.iterdir()) == before + 1
