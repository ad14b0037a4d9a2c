"""Writers share a commit: each is answered when it is on the disk, and answers for nobody but himself. On both databases."""

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from cloudd.core import commits
from cloudd.core.database import Base, Database, after_commit, signal
from cloudd.core.outage import DatabaseDown
from tests import postgres

ROOT = Path(__file__).resolve().parents[4]
TABLE = "CREATE TABLE notes (serial {}, words VARCHAR(40) UNIQUE)"
LATE, NEVER = 60.0, 0.0
"""Values of GROUP_SECONDS with which all that wait share a commit, and with which nobody does."""


@pytest.fixture(scope="module")
def server():
    with postgres.server() as made:
        yield made


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request, tmp_path):
    """With a table of notes, and with notes taken already: how long they take is known."""
    if request.param == "sqlite":
        made, serial = Database(f"sqlite:///{tmp_path}/some.db"), "INTEGER PRIMARY KEY"
    else:
        server = request.getfixturevalue("server")
        name = "commits" + tmp_path.name.translate(str.maketrans("[]-", "___")).lower()
        made, serial = Database(await asyncio.to_thread(server.create, name)), "SERIAL PRIMARY KEY"
    async with made.write() as tx:
        await tx.execute(text(TABLE.format(serial)))
    await note(made, "first")
    yield made
    await made.close()


@pytest.fixture
def together(monkeypatch):
    monkeypatch.setattr(commits, "GROUP_SECONDS", LATE)


def count_commits(database, monkeypatch):
    dialect, seen = database._writer.sync_engine.dialect, []
    commit = dialect.do_commit
    monkeypatch.setattr(dialect, "do_commit", lambda connection: (seen.append(1), commit(connection)))
    return seen


async def note(database, words, told=None):
    """Write a note; `told` gets it from a hook of the transaction."""
    async with database.write("note") as tx:
        await tx.execute(text("INSERT INTO notes (words) VALUES (:words)"), {"words": words})
        if told is not None:
            after_commit(tx, lambda: told.append(words))
            signal(tx, "notes", words)


async def notes(database):
    async with database.read() as tx:
        return list((await tx.execute(text("SELECT words FROM notes WHERE words <> 'first' ORDER BY serial"))).scalars())


async def line_up(database, *work):
    """All of them wait for the turn of somebody who does nothing."""
    with contextlib.suppress(InterruptedError):
        async with database.write():
            tasks = [asyncio.ensure_future(one) for one in work]
            await asyncio.sleep(0)
            raise InterruptedError
    return tasks


async def outcomes(database, *work):
    """What became of those who were in line at once: None, or the kind of their error."""
    found = await asyncio.gather(*await line_up(database, *work), return_exceptions=True)
    return [type(one) if isinstance(one, BaseException) else one for one in found]


async def test_those_who_wait_share_one_commit(database, together, monkeypatch):
    seen, told, heard = count_commits(database, monkeypatch), [], []
    database.listen("notes", heard.append)
    names = [f"{number:02}" for number in range(20)]
    await outcomes(database, *(note(database, name, told) for name in names))
    assert await notes(database) == names == told, "in the order in which they came"
    assert heard == [[name] for name in names], "the hooks of each caller are his own"
    assert len(seen) == (1 if database.is_sqlite else 20)


async def test_nobody_is_kept_waiting_for_others_longer_than_it_may_be(database, monkeypatch):
    monkeypatch.setattr(commits, "GROUP_SECONDS", NEVER)
    seen = count_commits(database, monkeypatch)
    await outcomes(database, *(note(database, str(number)) for number in range(5)))
    assert len(seen) == 5


@pytest.mark.parametrize("known", [False, True])
async def test_who_holds_the_turn_long_comes_after_the_commit_of_those_before_him(database, known):
    """The first time as well, when nobody knows how long he takes."""
    gate = asyncio.Event()

    async def slow(words):
        async with database.write("slow") as tx:
            await gate.wait()
            await tx.execute(text("INSERT INTO notes (words) VALUES (:words)"), {"words": words})
    if known:
        asyncio.get_running_loop().call_later(2 * commits.GROUP_SECONDS, gate.set)
        await slow("before")
        gate.clear()
    quick, held = asyncio.ensure_future(note(database, "quick")), asyncio.ensure_future(slow("held"))
    await quick
    assert not held.done()
    gate.set()
    await held
    assert (await notes(database))[-2:] == ["quick", "held"]


async def test_a_caller_that_is_refused_undoes_his_own_part_alone(database, together):
    told, heard = [], []
    database.listen("notes", heard.append)

    async def refused():
        async with database.write("note") as tx:
            await tx.execute(text("INSERT INTO notes (words) VALUES ('refused')"))
            after_commit(tx, lambda: told.append("refused"))
            signal(tx, "notes", "refused")
            raise KeyError
    await note(database, "taken")
    found = await outcomes(database, note(database, "a", told), refused(), note(database, "b", told), note(database, "taken", told),
                           note(database, "c", told))
    assert found == [None, KeyError, None, IntegrityError, None]
    assert await notes(database) == ["taken", "a", "b", "c"]
    assert (told, heard) == (["a", "b", "c"], [["a"], ["b"], ["c"]])


async def test_the_first_of_those_who_wait_is_refused_and_the_others_are_not(database, together):
    await note(database, "taken")
    assert await outcomes(database, *(note(database, name) for name in ("taken", "a", "b"))) == [IntegrityError, None, None]
    assert await notes(database) == ["taken", "a", "b"]


async def test_a_commit_that_fails_fails_everybody_it_was_for(database, together, monkeypatch):
    told, heard = [], []
    database.listen("notes", heard.append)
    dialect = database._writer.sync_engine.dialect
    commit = dialect.do_commit

    def fail(connection):
        monkeypatch.setattr(dialect, "do_commit", commit)
        raise ConnectionError("no disk")
    monkeypatch.setattr(dialect, "do_commit", fail)
    found = await outcomes(database, *(note(database, name, told) for name in "abc"))
    shared = database.is_sqlite
    assert found == [ConnectionError] * 3 if shared else [ConnectionError, None, None]
    assert await notes(database) == told == ([] if shared else ["b", "c"])
    assert heard == ([None] * 3 if shared else [None, ["b"], ["c"]]), "who listens looks for himself"
    await note(database, "next", told)
    assert told[-1:] == await notes(database) == ["next"] or not shared


async def test_a_hook_that_fails_is_its_caller_s_alone(database, together):
    told = []

    async def hooked():
        async with database.write("note") as tx:
            await tx.execute(text("INSERT INTO notes (words) VALUES ('hooked')"))
            after_commit(tx, lambda: {}["nothing"])
    assert await outcomes(database, note(database, "a", told), hooked(), note(database, "b", told)) == [None, KeyError, None]
    assert (await notes(database), told) == (["a", "hooked", "b"], ["a", "b"])


@pytest.mark.parametrize("turns", range(10))
async def test_a_caller_that_is_cancelled_hurts_nobody_in_his_group(database, together, turns):
    told = []
    work = await line_up(database, *(note(database, name, told) for name in "abcde"))
    for _ in range(turns):
        await asyncio.sleep(0)
    work[2].cancel()
    await asyncio.wait(work)
    assert [one.exception() for one in work if one is not work[2]] == [None] * 4
    found = await notes(database)
    assert found in (list("abde"), list("abcde")) and told == found, "who is told hears of what is there, and of nothing else"
    await note(database, "next")


@pytest.mark.parametrize("swallowed", [False, True])
async def test_nothing_is_acknowledged_of_a_transaction_that_sqlite_gave_up(database, together, swallowed):
    """As it does by itself when the disk is full."""
    if not database.is_sqlite:
        pytest.skip("PostgreSQL keeps a failed transaction open")
    told = []

    async def broken():
        async with database.write("note") as tx:
            await tx.execute(text("ROLLBACK"))
            if not swallowed:
                raise DBAPIError("", {}, sqlite3.OperationalError("database or disk is full"))
    error = DatabaseDown if swallowed else DBAPIError
    assert await outcomes(database, note(database, "a", told), broken(), note(database, "b", told)) == [error, error, None]
    assert await notes(database) == told == ["b"]


def test_no_constraint_waits_for_the_commit():
    """There it would refuse everybody in the group for what one of them wrote."""
    late = [constraint for table in Base.metadata.tables.values() for constraint in table.constraints
            if getattr(constraint, "deferrable", None)]
    assert late == []


CHILD = """
import asyncio, os, signal, sys
from sqlalchemy import text
from cloudd.core import commits
from cloudd.core.database import Database

async def note(database, number):
    async with database.write("note") as tx:
        await tx.execute(text("INSERT INTO notes (words) VALUES (:words)"), {"words": str(number)})
    os.write(1, f"{number}\\n".encode())                       # acknowledged

async def main(url, moment, at):
    database, seen = Database(url), [0]
    dialect = database._writer.sync_engine.dialect
    commit = dialect.do_commit
    def killed(connection):
        seen[0] += 1
        if moment == "before" and seen[0] == at:
            os.kill(os.getpid(), signal.SIGKILL)
        commit(connection)
        if moment == "after" and seen[0] == at:
            os.kill(os.getpid(), signal.SIGKILL)
    dialect.do_commit = killed
    async def writer(first):
        for number in range(first, 10_000, 10):
            await note(database, number)
    await asyncio.gather(*map(writer, range(10)))

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


@pytest.mark.parametrize("at", [1, 7])
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_what_was_acknowledged_is_there_when_the_process_is_killed_at_the_commit(database, moment, at):
    url = database.url.render_as_string(hide_password=False).replace("+reader", "").replace("+asyncpg", "")
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, url, moment, str(at), cwd=ROOT,
                                                 stdout=subprocess.PIPE)
    told, _ = await asyncio.wait_for(child.communicate(), 60)
    assert child.returncode == -9
    acknowledged = told.decode().split()
    assert len(acknowledged) > at - 2
    assert set(acknowledged) <= set(await notes(database))
