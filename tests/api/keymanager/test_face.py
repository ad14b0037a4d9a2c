"""What the other modules ask of keys: make, copy, open, hold, let go, delete; in the caller's transaction."""

from datetime import timedelta

import pytest

from cloudd import keymanager
from cloudd.core import clock
from cloudd.core.context import internal
from cloudd.core.errors import Conflict, NotFound, OverQuota
from cloudd.keymanager import secrets
from tests.api.keymanager.safe import WORDS, make_safe

KEY = {"algorithm": "aes", "bit_length": 256, "mode": "xts"}


@pytest.fixture
async def ours(cloud):
    safe = await make_safe(cloud)
    return safe, internal(safe.user.project_id, safe.user.user_id)


async def test_a_key_is_made_held_opened_and_goes_with_what_it_was_for(cloud, ours):
    safe, context = ours
    async with cloud.parts.database.write() as tx:
        await keymanager.ready(cloud.parts, tx)
        key = await keymanager.make(cloud.parts, context, tx, "key of volume v", **KEY)
        await keymanager.hold(context, tx, key.id, "block-storage", "volume", "v")
    path = f"/key-manager/v1/secrets/{key.id}"
    shown = await safe.at("1.1").show(path)
    assert (shown["secret_type"], shown["algorithm"], shown["bit_length"], shown["mode"]) == ("symmetric", "aes", 256, "xts")
    assert shown["consumers"] == [{"service": "block-storage", "resource_type": "volume", "resource_id": "v"}]
    async with cloud.parts.database.write() as tx:
        data = await keymanager.open_payload(cloud.parts, context, tx, key.id, purpose="volume v")
        assert len(data) == 32 and len(set(data)) > 8
        with pytest.raises(Conflict, match="volume v of block-storage"):
            await keymanager.delete(context, tx, key.id)
    assert await safe.payload(path, "application/octet-stream") == data
    async with cloud.parts.database.write() as tx:
        for _ in range(2):                                    # a step done again
            await keymanager.let_go(context, tx, "block-storage", "volume", "v", drop=True)
    assert (await safe.call("GET", path)).status == 404


async def test_what_is_rolled_back_was_never_made(cloud, ours):
    _, context = ours
    with pytest.raises(ZeroDivisionError):
        async with cloud.parts.database.write() as tx:
            key = await keymanager.make(cloud.parts, context, tx, "k", **KEY)
            raise ZeroDivisionError
    async with cloud.parts.database.read() as tx:
        with pytest.raises(NotFound):
            await keymanager.find(context, tx, key.id)


async def test_dropped_only_when_nobody_else_uses_it(cloud, ours):
    _, context = ours
    async with cloud.parts.database.write() as tx:
        key = await keymanager.make(cloud.parts, context, tx, "k", **KEY)
        for kind in ("volume", "snapshot"):
            await keymanager.hold(context, tx, key.id, "block-storage", kind, "x")
        await keymanager.let_go(context, tx, "block-storage", "volume", "x", drop=True)
        assert [one.resource_type for one in (await keymanager.find(context, tx, key.id)).held] == ["snapshot"]
        await keymanager.let_go(context, tx, "block-storage", "snapshot", "x")
        await keymanager.delete(context, tx, key.id)


async def test_a_copy_is_another_projects_own(cloud, ours):
    """As a volume that is handed over: the new owner's key opens it when the old owner's is gone."""
    _, context = ours
    taker = await make_safe(cloud)
    theirs = internal(taker.user.project_id, taker.user.user_id)
    async with cloud.parts.database.write() as tx:
        key = await keymanager.make(cloud.parts, context, tx, "k", **KEY)
        data = await keymanager.open_payload(cloud.parts, context, tx, key.id, purpose="test")
        with pytest.raises(NotFound):
            await keymanager.copy(cloud.parts, theirs, tx, key.id)
        copied = await keymanager.copy(cloud.parts, theirs, tx, key.id, project_id=context.project_id)
        assert copied.id != key.id and copied.project_id == theirs.project_id and copied.name == "k" and copied.creator_id == theirs.user_id
        await keymanager.delete(context, tx, key.id)
    assert await taker.payload(f"/key-manager/v1/secrets/{copied.id}", "application/octet-stream") == data


async def test_another_projects_secret_is_not_there(cloud, ours):
    safe, _ = ours
    path = await safe.make(**WORDS)
    stranger = internal((await make_safe(cloud)).user.project_id)
    async with cloud.parts.database.write() as tx:
        for ask in (lambda secret: keymanager.find(stranger, tx, secret), lambda secret: keymanager.delete(stranger, tx, secret),
                    lambda secret: keymanager.open_payload(cloud.parts, stranger, tx, secret, purpose="x"),
                    lambda secret: keymanager.hold(stranger, tx, secret, "a", "b", "c")):
            for secret in (path.rpartition("/")[2], "no-such-id"):
                with pytest.raises(NotFound, match=secret):
                    await ask(secret)


async def test_quotas_count_for_them_too(cloud, ours):
    safe, context = ours
    answer = await cloud.admin.put(f"/key-manager/v1/project-quotas/{safe.user.project_id}", {"project_quotas": {"secrets": 1}})
    assert answer.status == 204
    async with cloud.parts.database.write() as tx:
        await keymanager.make(cloud.parts, context, tx, "k", **KEY)
        with pytest.raises(OverQuota, match="1 of 1 secrets"):
            await keymanager.make(cloud.parts, context, tx, "k", **KEY)


async def test_one_that_is_held_outlives_its_time(cloud, ours):
    safe, context = ours
    path = await safe.make(expiration=clock.iso(clock.now() + timedelta(hours=1)), **WORDS)
    secret_id = path.rpartition("/")[2]
    async with cloud.parts.database.write() as tx:
        await keymanager.hold(context, tx, secret_id, "block-storage", "volume", "v")
        (await keymanager.find(context, tx, secret_id)).expiration = clock.now() - timedelta(seconds=1)
    async with cloud.parts.database.write() as tx:
        await secrets.forget_expired(tx, clock.now())
        assert await keymanager.open_payload(cloud.parts, context, tx, secret_id, purpose="volume v") == b"a-secret"
        await keymanager.let_go(context, tx, "block-storage", "volume", "v")
        with pytest.raises(NotFound):
            await keymanager.find(context, tx, secret_id)
