"""What of a driver's errors is an outage of the database, and what a fault of the statement."""

import sqlite3

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from cloudd.core.database import Database, Unreachable
from cloudd.core.outage import DatabaseDown, reason


def sqlite_error(code):
    error = sqlite3.OperationalError("as SQLite says")
    error.sqlite_errorcode = code
    return OperationalError("SELECT 1", {}, error)


class Told(Exception):
    def __init__(self, sqlstate):
        super().__init__("as PostgreSQL says")
        self.sqlstate = sqlstate


@pytest.mark.parametrize(("error", "words"), [
    (sqlite_error(sqlite3.SQLITE_FULL), "the disk is full"),
    (sqlite_error(sqlite3.SQLITE_IOERR | 3 << 8), "the disk does not work"),
    (sqlite_error(sqlite3.SQLITE_BUSY), "another process holds it"),
    (sqlite_error(sqlite3.SQLITE_ERROR), None),
    (DBAPIError("", {}, Told("53100")), "the server has no room, no memory or no connection left"),
    (DBAPIError("", {}, Told("57P01")), "the server stops or starts"),
    (DBAPIError("", {}, Told("57014")), None),
    (DBAPIError("", {}, Told("22003")), None),
    (DBAPIError("", {}, Told("22003"), connection_invalidated=True), "the connection broke"),
    (IntegrityError("", {}, Told("23505")), None),
    (ValueError("something else"), None),
])
def test_what_is_an_outage(error, words):
    assert reason(error) == words


async def test_a_file_that_cannot_be_opened_is_an_outage(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/nowhere/cloudd.db")
    for transaction in (database.read, database.write):
        with pytest.raises(DatabaseDown, match="the file cannot be opened"):
            async with transaction() as tx:
                await tx.execute(text("SELECT 1"))
    await database.close()


async def test_a_server_that_is_not_there_is_an_outage_and_at_the_start_an_error_that_names_it():
    database = Database("postgresql://cloudd:hidden@127.0.0.1:1/cloudd")
    with pytest.raises(DatabaseDown, match="it cannot be reached") as down:
        await database.ping()
    assert "127.0.0.1" not in down.value.message
    with pytest.raises(Unreachable, match=r"postgresql://cloudd:\*\*\*@127.0.0.1:1/cloudd.*Connect call failed"):
        await database.check_schema()
    await database.close()
