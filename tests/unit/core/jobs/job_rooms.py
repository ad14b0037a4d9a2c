"""A database with jobs and events alone, and what tests of them share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from sqlalchemy import select

from cloudd.core import jobs
from cloudd.core.context import Context
from cloudd.core.database import Base, Database
from cloudd.core.parts import Parts
from cloudd.core.policy import Policies
from cloudd.core.runner import Runner
from cloudd.core.tables import JobRow

CONTEXT = Context(project_id="p", user_id="u", now=lambda: datetime(2026, 1, 1, tzinfo=UTC))


class Killed(BaseException):
    """The process ends here."""


@asynccontextmanager
async def made(directory) -> AsyncIterator[Parts]:
    database = Database(f"sqlite:///{directory}/jobs.db")
    async with database._writer.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield Parts(None, database, Policies())
    await database.close()


@asynccontextmanager
async def running(parts, **options) -> AsyncIterator[Runner]:
    runner = Runner(parts, **options)
    await runner.start()
    try:
        yield runner
    finally:
        await runner.stop(grace=0.1)


async def ask(parts, kind, locks=("x",), **options):
    async with parts.database.write() as tx:
        return await jobs.ask(tx, CONTEXT, kind, locks=locks, **options)


async def row(parts, job_id):
    async with parts.database.read() as tx:
        return (await tx.execute(select(JobRow).where(JobRow.id == job_id))).scalar()


async def all_rows(parts):
    async with parts.database.read() as tx:
        return list((await tx.execute(select(JobRow).order_by(JobRow.serial))).scalars())
