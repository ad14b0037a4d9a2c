"""The master key is away, another, or open to others: keys answer 503 with what is wrong, all else works; back, all is as before."""

import asyncio
import os

import aiohttp
import pytest
from sqlalchemy import select

from cloudd import keymanager
from cloudd.cli import doctor
from cloudd.core.context import internal
from cloudd.core.errors import Unavailable
from cloudd.daemon import Daemon
from cloudd.keymanager.master import MasterFile
from cloudd.keymanager.models import ProjectKey, SecretPayload
from cloudd.keymanager.sealing import Vault
from tests.api.conftest import make_settings, run_cloud
from tests.api.keymanager.safe import WORDS, Safe, words


@pytest.fixture
async def house(engine, clouds, tmp_path):
    """A cloud of its own, and the file of its master key."""
    settings = make_settings(tmp_path, url=clouds.url(engine, "master"))
    async for cloud in run_cloud(settings):
        yield cloud, MasterFile.of(settings)


def remove(file):
    file.path.rename(file.path.with_name("kept"))


def replace(file):
    file.path.rename(file.path.with_name("kept"))
    file.make()


def spoil(file):
    file.path.rename(file.path.with_name("kept"))
    file.path.write_text("rubbish")
    file.path.chmod(0o600)


def open_to_others(file):
    os.link(file.path, file.path.with_name("kept"))
    file.path.chmod(0o644)


def bring_back(file):
    file.path.unlink(missing_ok=True)
    file.path.with_name("kept").rename(file.path)
    file.path.chmod(0o600)


@pytest.mark.parametrize(("break_it", "said"), [
    (remove, "is missing"), (replace, "another key"), (spoil, "holds no key"), (open_to_others, "open to others")])
async def test_without_its_master_key_keys_answer_503_and_all_else_works(house, break_it, said):
    cloud, file = house
    safe = Safe(cloud.demo)
    path, empty = await safe.make(name="before", **WORDS), await safe.make(name="empty")
    break_it(file)
    for answer in (await safe.call("GET", f"{path}/payload", headers={"Accept": "text/plain"}), await safe.call("POST", "", json=WORDS),
                   await safe.call("PUT", empty, data=b"x", headers={"Content-Type": "text/plain"}),
                   await safe.call("GET", path, headers={"Accept": "text/plain"})):
        assert answer.status == 503 and said in words(answer) and str(file.path.parent) not in words(answer), answer.content
    context = internal(cloud.demo.project_id)
    async with cloud.parts.database.read() as tx:
        with pytest.raises(Unavailable, match=said):
            await keymanager.ready(cloud.parts, tx)
    async with cloud.parts.database.write() as tx:
        with pytest.raises(Unavailable, match=said):
            await keymanager.make(cloud.parts, context, tx, "k", algorithm="aes", bit_length=256)
    health = await cloud.anonymous.get("/healthz")
    assert health.status == 503 and said in health.body["keys"] and health.body["database"] == "ok"
    assert sorted(await safe.list()) == ["before", "empty"] and (await safe.show(path))["name"] == "before"
    for other in ("/networking/v2.0/networks", "/image/v2/images", "/compute/v2.1/servers", "/identity/v3/projects"):
        assert (await cloud.admin.get(other)).status == 200
    assert (await safe.call("DELETE", empty)).status == 204
    assert int(cloud.parts.service(Vault).refused) >= 4
    bring_back(file)
    assert await safe.payload(path) == b"a-secret" and await safe.payload(await safe.make(**WORDS)) == b"a-secret"
    assert (await cloud.anonymous.get("/healthz")).status == 200


@pytest.mark.parametrize("break_it", [remove, replace, spoil, open_to_others])
async def test_a_restart_without_it_makes_no_new_one_and_the_cloud_comes_up(clouds, engine, tmp_path, break_it):
    settings = make_settings(tmp_path, url=clouds.url(engine, "restart"))
    file = MasterFile.of(settings)
    async for cloud in run_cloud(settings):
        path = await Safe(cloud.demo).make(**WORDS)
        user = cloud.demo
    break_it(file)
    there = file.path.exists() and file.path.read_bytes()
    async with Daemon(settings).running() as daemon:
        assert daemon.ready and (file.path.exists() and file.path.read_bytes()) == there
        safe = Safe(user)
        answer = await _again(settings, safe, path)
        assert answer == 503
        bring_back(file)
        assert await _again(settings, safe, path) == 200


async def _again(settings, safe, path):
    host, port = settings.server.addresses()[0]
    async with aiohttp.ClientSession() as session, session.get(
            f"http://{host}:{port}{path}/payload", headers={**safe.user.headers, "Accept": "text/plain"}) as answer:
        return answer.status


async def test_rows_that_were_swapped_or_changed_open_nothing(house):
    """Whoever can write to the database gets no secret out of it that he could not have anyway."""
    cloud, _ = house
    mine, theirs = Safe(cloud.demo), Safe(await cloud.project_user("theirs"))
    own, foreign = await mine.make(**WORDS), await theirs.make(**{**WORDS, "payload": "not yours"})
    async with cloud.parts.database.write() as tx:
        rows = {row.secret_id: row for row in (await tx.execute(select(SecretPayload))).scalars()}
        taken = rows[own.rpartition("/")[2]]
        kept, taken.sealed = taken.sealed, rows[foreign.rpartition("/")[2]].sealed
    answer = await mine.call("GET", f"{own}/payload", headers={"Accept": "text/plain"})
    assert answer.status == 503 and "not what was sealed" in words(answer)
    async with cloud.parts.database.write() as tx:
        (await tx.get(SecretPayload, taken.secret_id)).sealed = kept
        keys = {row.project_id: row for row in (await tx.execute(select(ProjectKey))).scalars()}
        keys[mine.user.project_id].wrapped, saved = keys[theirs.user.project_id].wrapped, keys[mine.user.project_id].wrapped
    answer = await mine.call("GET", f"{own}/payload", headers={"Accept": "text/plain"})
    assert answer.status == 503 and "not what was wrapped" in words(answer)
    async with cloud.parts.database.write() as tx:
        (await tx.get(ProjectKey, mine.user.project_id)).wrapped = saved
    assert await mine.payload(own) == b"a-secret" and await theirs.payload(foreign) == b"not yours"


async def test_each_project_has_a_key_of_its_own_and_none_lies_open(house):
    cloud, file = house
    for safe in (Safe(cloud.demo), Safe(await cloud.project_user("other"))):
        await safe.make(**WORDS)
        await safe.make(**WORDS)
    async with cloud.parts.database.read() as tx:
        rows = list((await tx.execute(select(ProjectKey))).scalars())
    assert len(rows) == 2 and len({row.wrapped for row in rows}) == 2
    assert {row.master for row in rows} == set(file.keys()) and file.path.stat().st_mode & 0o777 == 0o600


async def test_doctor_says_what_is_wrong_and_what_mends_it(clouds, engine, tmp_path):
    async def found():
        return {one.check: one for one in await asyncio.to_thread(lambda: list(doctor.keys(settings)))}["master key"]

    settings = make_settings(tmp_path, url=clouds.url(engine, "doctor"))
    file = MasterFile.of(settings)
    if engine == "sqlite":
        assert (await found()).state == doctor.OK and "will be made" in (await found()).text
    async for _ in run_cloud(settings):
        pass
    assert (await found()).state == doctor.OK and next(iter(file.keys())) in (await found()).text
    for break_it, mend in ((remove, f"bring {file.path} back"), (replace, "bring the key"), (open_to_others, f"chmod 600 {file.path}")):
        break_it(file)
        assert (await found()).state == doctor.FAIL and mend in (await found()).mend and "503" in (await found()).text
        bring_back(file)
    assert (await found()).state == doctor.OK


async def test_metrics_count_what_was_sealed_and_opened(house):
    cloud, _ = house
    safe = Safe(cloud.demo)
    await safe.payload(await safe.make(**WORDS))
    text = (await cloud.anonymous.get("/metrics")).content.decode()
    for line in ("cloudd_keymanager_sealed 1.0", "cloudd_keymanager_opened 1.0", "cloudd_keymanager_refused 0.0",
                 'cloudd_http_requests_total{method="POST",service="key-manager",status="201"} 1.0'):
        assert line in text
