"""Who uses a secret: what users say keeps it from 1.2 on unless forced, what parts of the cloud hold stays whatever is asked."""

import pytest

from cloudd import keymanager
from cloudd.core.context import internal
from cloudd.keymanager.models import SecretConsumer
from tests.api.keymanager.safe import WORDS, words

ONE = {"service": "image", "resource_type": "image", "resource_id": "5"}


@pytest.fixture
async def path(safe):
    return await safe.make(**WORDS)


async def test_said_shown_and_taken_back(safe, path):
    said = await safe.call("POST", f"{path}/consumers", json=ONE)
    assert said.status == 200 and said.body["consumers"] == [ONE] and said.headers["Location"] == f"{safe.user.url}{path}/consumers"
    assert (await safe.call("POST", f"{path}/consumers", json=ONE)).body["consumers"] == [ONE]         # said twice
    assert (await safe.at("1.1").show(path))["consumers"] == [ONE]
    assert "consumers" not in await safe.at("1.0").show(path)
    for number in range(3):
        await safe.call("POST", f"{path}/consumers", json={**ONE, "resource_id": f"more-{number}"})
    listed = (await safe.call("GET", f"{path}/consumers?limit=2&offset=1")).body
    assert [row["resource_id"] for row in listed["consumers"]] == ["more-0", "more-1"] and listed["total"] == 4
    assert listed["consumers"][0]["status"] == "ACTIVE" and listed["next"].endswith(f"{path}/consumers?limit=2&offset=3")
    assert listed["previous"].endswith(f"{path}/consumers?limit=2&offset=0")
    gone = await safe.call("DELETE", f"{path}/consumers", json=ONE)
    assert gone.status == 200 and ONE not in gone.body["consumers"]
    again = await safe.call("DELETE", f"{path}/consumers", json=ONE)
    assert again.status == 404 and "Consumer not found" in words(again)


@pytest.mark.parametrize("body", [{}, {**ONE, "service": ""}, {**ONE, "service": "x" * 256}, {**ONE, "resource_id": 5},
                                  {**ONE, "resource_id": ""}, {"service": "a", "resource_type": "b"}])
async def test_bodies_that_cannot_be(safe, path, body):
    for method in ("POST", "DELETE"):
        assert (await safe.call(method, f"{path}/consumers", json=body)).status == 400


async def test_there_is_an_end_to_what_users_register(cloud, safe, path):
    most = cloud.parts.settings.key_manager.max_consumers
    secret_id, context = path.rpartition("/")[2], internal(safe.user.project_id)
    async with cloud.parts.database.write() as tx:
        tx.add_all(SecretConsumer(id=f"{secret_id[:18]}-{number}", secret_id=secret_id, project_id=safe.user.project_id, service="s",
                                  resource_type="t", resource_id=f"{number}", created_at=context.now(), updated_at=context.now())
                   for number in range(most))
    refused = await safe.call("POST", f"{path}/consumers", json=ONE)
    assert refused.status == 403 and "max_consumers" in words(refused)
    assert (await safe.call("POST", f"{path}/consumers", json={"service": "s", "resource_type": "t", "resource_id": "0"})).status == 200
    async with cloud.parts.database.write() as tx:            # parts of the cloud are not counted
        await keymanager.hold(context, tx, secret_id, "block-storage", "volume", "v")


async def test_from_1_2_on_a_secret_that_is_used_is_deleted_only_with_force(safe, path):
    await safe.call("POST", f"{path}/consumers", json=ONE)
    for query in ("", "?force=false", "?force=0"):
        refused = await safe.at("1.2").call("DELETE", path + query)
        assert refused.status == 400 and "Secret cannot be deleted as it has consumers." in words(refused) and "image 5" in words(refused)
    wrong = await safe.at("1.2").call("DELETE", f"{path}?force=perhaps")
    assert wrong.status == 400 and "perhaps" in words(wrong)
    assert (await safe.at("1.2").call("DELETE", f"{path}?force=1")).status == 204


async def test_below_1_2_it_is_deleted_as_before(safe, path):
    await safe.call("POST", f"{path}/consumers", json=ONE)
    assert (await safe.at("1.1").call("DELETE", path)).status == 204


@pytest.mark.parametrize("kind", ["volume", "snapshot", "backup"])
async def test_a_secret_that_a_part_of_the_cloud_uses_is_not_deleted_and_the_answer_names_it(cloud, safe, path, kind):
    secret_id, context = path.rpartition("/")[2], internal(safe.user.project_id)
    async with cloud.parts.database.write() as tx:
        await keymanager.hold(context, tx, secret_id, "block-storage", kind, "its-id")
        await keymanager.hold(context, tx, secret_id, "block-storage", kind, "its-id")                 # a step done again
    for version in ("1.0", "1.2"):
        for query in ("", "?force=true"):
            refused = await safe.at(version).call("DELETE", path + query)
            assert refused.status == 409 and f"{kind} its-id of block-storage" in words(refused), refused.content
    mine = {"service": "block-storage", "resource_type": kind, "resource_id": "its-id"}
    taken = await safe.call("DELETE", f"{path}/consumers", json=mine)
    assert taken.status == 409 and f"{kind} its-id" in words(taken)
    assert (await safe.at("1.1").show(path))["consumers"] == [mine]
    async with cloud.parts.database.write() as tx:
        for _ in range(2):
            await keymanager.let_go(context, tx, "block-storage", kind, "its-id")
    assert (await safe.at("1.2").call("DELETE", path)).status == 204


async def test_what_a_user_said_first_is_held_all_the_same(cloud, safe, path):
    secret_id, context = path.rpartition("/")[2], internal(safe.user.project_id)
    mine = {"service": "block-storage", "resource_type": "volume", "resource_id": "v"}
    await safe.call("POST", f"{path}/consumers", json=mine)
    async with cloud.parts.database.write() as tx:
        await keymanager.hold(context, tx, secret_id, *mine.values())
    assert (await safe.call("DELETE", f"{path}/consumers", json=mine)).status == 409
    assert (await safe.at("1.2").call("DELETE", f"{path}?force=true")).status == 409
