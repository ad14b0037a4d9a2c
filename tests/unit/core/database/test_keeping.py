"""Limits of projects are read once, and again when any of them was changed."""

import pytest

from cloudd.core.database import Base, Database, savepoint
from cloudd.core.quotas import Quotas

DEFAULTS = {"network": 10, "port": 20}


async def nothing(tx, project_id):
    return {}


@pytest.fixture
async def database(tmp_path):
    made = Database(f"sqlite:///{tmp_path}/limits.db")
    async with made._writer.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield made
    await made.close()


@pytest.fixture
def quotas():
    return Quotas("network", DEFAULTS, nothing)


async def limit(database, quotas, write=True):
    async with database.transaction(write) as tx:
        return (await quotas.limits(tx, "p"))["network"]


async def change(database, quotas, number):
    async with database.write() as tx:
        await quotas.set(tx, "p", {"network": number})


async def test_limits_that_nobody_changed_cost_no_query(database, quotas):
    assert await limit(database, quotas) == 10
    before = database.queries
    assert await limit(database, quotas) == 10
    assert database.queries == before


@pytest.mark.parametrize("write", [False, True])
async def test_a_changed_limit_is_in_force_at_once(database, quotas, write):
    assert await limit(database, quotas) == 10
    await change(database, quotas, 5)
    assert await limit(database, quotas, write) == 5
    async with database.write() as tx:
        await quotas.set(tx, "p", {"network": 6})
        assert (await quotas.limits(tx, "p"))["network"] == 6, "for him who changes it, before the commit"
        await quotas.reset(tx, "p")
        assert (await quotas.limits(tx, "p"))["network"] == 10
    assert await limit(database, quotas, write) == 10


async def test_a_limit_that_was_not_changed_after_all_is_as_before(database, quotas):
    await change(database, quotas, 5)
    with pytest.raises(KeyError):
        async with database.write() as tx:
            await quotas.set(tx, "p", {"network": 6})
            assert (await quotas.limits(tx, "p"))["network"] == 6
            raise KeyError
    assert await limit(database, quotas) == 5
    async with database.write() as tx:
        with pytest.raises(KeyError):
            async with savepoint(tx):
                await quotas.set(tx, "p", {"network": 7})
                raise KeyError
        assert (await quotas.limits(tx, "p"))["network"] == 5
    assert await limit(database, quotas) == 5


async def test_a_limit_that_another_process_changed_is_read_again(database, quotas):
    assert await limit(database, quotas) == 10
    other = Database(f"sqlite:///{database.url.database}")
    await change(other, quotas, 3)
    await other.close()
    database.changed_outside()
    assert await limit(database, quotas) == 3
