"""SQLite on the loop: what waits goes aside, what is cancelled ends whole."""

import asyncio
import sqlite3

import pytest
import pytest_asyncio
from sqlalchemy import text

from cloudd.core.database import Database


@pytest_asyncio.fixture
async def database(tmp_path):
    made = Database(f"sqlite:///{tmp_path}/some.db")
    async with made.write() as tx:
        await tx.execute(text("CREATE TABLE notes (id INTEGER PRIMARY KEY, words TEXT)"))
    yield made
    await made.close()


async def note(database: Database, words: str) -> None:
    async with database.write() as tx:
        await tx.execute(text("INSERT INTO notes (words) VALUES (:words)"), {"words": words})


async def notes(database: Database) -> list[str]:
    async with database.read() as tx:
        return list((await tx.execute(text("SELECT words FROM notes ORDER BY id"))).scalars())


async def test_a_reader_keeps_its_view_while_others_write(database):
    async with database.read() as tx:
        before = (await tx.execute(text("SELECT count(*) FROM notes"))).scalar()
        await note(database, "later")
        assert (await tx.execute(text("SELECT count(*) FROM notes"))).scalar() == before
    assert await notes(database) == ["later"]


async def test_a_result_read_in_part_holds_nothing(database):
    for number in range(3):
        await note(database, str(number))
    async with database.write() as tx:
        result = await tx.execute(text("SELECT words FROM notes ORDER BY id"))
        assert result.fetchone() == ("0",)
        await tx.execute(text("DELETE FROM notes"))
        assert result.fetchmany(1) == [("1",)]
        assert result.fetchall() == [("2",)]
    await note(database, "after")
    assert await notes(database) == ["after"]


async def test_what_fails_leaves_nothing(database):
    with pytest.raises(ValueError):
        async with database.write() as tx:
            await tx.execute(text("INSERT INTO notes (words) VALUES ('lost')"))
            raise ValueError
    assert await notes(database) == []


async def test_the_loop_turns_while_another_process_holds_the_lock(database):
    other = sqlite3.connect(database.url.database, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    writing = asyncio.ensure_future(note(database, "patient"))
    for _ in range(3):
        assert await notes(database) == []
    assert not writing.done()
    other.execute("ROLLBACK")
    other.close()
    await writing
    assert await notes(database) == ["patient"]


@pytest.mark.parametrize("turns", range(12))
async def test_a_write_cancelled_anywhere_is_whole_or_absent(database, turns):
    writing = asyncio.ensure_future(note(database, "cancelled"))
    for _ in range(turns):
        await asyncio.sleep(0)
    writing.cancel()
    await asyncio.wait([writing])
    await note(database, "next")
    assert await notes(database) in (["next"], ["cancelled", "next"])


async def test_a_writer_cancelled_while_it_waits_for_the_lock_lets_go(database):
    other = sqlite3.connect(database.url.database, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    writing = asyncio.ensure_future(note(database, "cancelled"))
    assert await notes(database) == []
    writing.cancel()
    other.execute("ROLLBACK")
    other.close()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await note(database, "next")
    assert await notes(database) == ["next"]
