"""Jobs and events alone, without HTTP or drivers: the processor time of a trivial job while many others are open, and of an event told.

What stood before is beside each figure, as this same bench measured it then.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import func, insert, select

from cloudd.core import jobs
from cloudd.core.context import internal
from cloudd.core.database import Base, Database
from cloudd.core.events import Bus, Event, Happened, emit
from cloudd.core.jobs import Job, Run, Step
from cloudd.core.parts import Parts
from cloudd.core.policy import Policies
from cloudd.core.runner import Runner
from cloudd.core.tables import JobRow, QuotaRow
from cloudd.core.work.waits import Wait
from tests.bench.figures import Figure

FEW, MANY, BESIDE, EVENTS = 100, 1_000, 100, 2_000
GATE = "bench gate"
BEFORE = {"few": 3.7, "many": 12.8, "behind": 21.4, "event": 1.7}
"""Measured by this bench when every wake read every open job and every event had a transaction, on a busy machine of two cores; the
code that came after it took 1.8, 1.5, 1.7 and 0.35 there and then."""


async def nothing(run: Run) -> None:
    pass


async def held_up(run: Run) -> None:
    await run.parts.services[asyncio.Event].wait()


Job("bench.trivial", [Step(nothing)])
Job("bench.gate", [Step(held_up)])
Job("bench.waits", [Step(nothing, waits=lambda run: Wait(("bench.never",), "nobody", 3600))])


class Made(Event):
    name = "bench.made"


@asynccontextmanager
async def house() -> AsyncIterator[Parts]:
    with tempfile.TemporaryDirectory(prefix="cloudd-bench-jobs-") as directory:
        database = Database(f"sqlite:///{directory}/jobs.db")
        async with database._writer.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        parts = Parts(None, database, Policies())
        parts.services[asyncio.Event] = asyncio.Event()
        yield parts
        await database.close()


async def ask(parts: Parts, kind: str, count: int, lock: str = "") -> list[str]:
    async with parts.database.write() as tx:
        return [await jobs.ask(tx, internal(), kind, locks=[lock or f"{kind}-{number}"]) for number in range(count)]


async def ended(parts: Parts, count: int) -> None:
    """Until so many trivial jobs are done; looked for seldom, so that looking costs nothing."""
    query = select(func.count()).select_from(JobRow).where(JobRow.state == "done", JobRow.kind == "bench.trivial")
    done = 0
    while done < count:
        await asyncio.sleep(0.2)
        async with parts.database.read() as tx:
            done = (await tx.execute(query)).scalar_one()


async def trivial(count: int) -> float:
    """Processor milliseconds of each of so many that are open at once, asking included."""
    async with house() as parts:
        runner = Runner(parts)
        await runner.start()
        began = time.process_time()
        await ask(parts, "bench.trivial", count)
        await ended(parts, count)
        spent = time.process_time() - began
        await runner.stop()
        return spent * 1000 / count


async def beside(kind: str, waiting: int) -> float:
    """The same of each of some while others wait: behind one lock, or each for an event."""
    async with house() as parts:
        runner = Runner(parts)
        await runner.start()
        await ask(parts, kind, waiting, GATE if kind == "bench.gate" else "")
        await asyncio.sleep(3)
        began = time.process_time()
        await ask(parts, "bench.trivial", BESIDE)
        await ended(parts, BESIDE)
        spent = time.process_time() - began
        await runner.stop(0)
        return spent * 1000 / BESIDE


async def told(count: int) -> float:
    """Processor milliseconds of each event that a subscriber writes a row for."""
    async with house() as parts:
        bus, seen, over = Bus(parts.database), [0], asyncio.Event()

        async def handler(tx: Any, happened: Happened) -> None:
            await tx.execute(insert(QuotaRow.__table__).values(project_id=happened.resource_id, service="bench", resource="event",
                                                               user_id="", hard_limit=1))
            seen[0] += 1
            if seen[0] == count:
                over.set()
        bus.subscribe("bench", ("bench.",), handler)
        async with parts.database.write() as tx:
            for number in range(count):
                await emit(tx, internal(), Made(str(number)))
        began = time.process_time()
        await bus.start()
        await over.wait()
        await bus.stop()
        return (time.process_time() - began) * 1000 / count


def figures(full: bool) -> list[Figure]:
    few, many = asyncio.run(trivial(FEW)), asyncio.run(trivial(MANY))
    behind, waiting = asyncio.run(beside("bench.gate", MANY)), asyncio.run(beside("bench.waits", MANY))
    event = asyncio.run(told(EVENTS))
    return [
        Figure(f"a trivial job, {FEW} open", few, "ms", (("before", BEFORE["few"]),), most=4),
        Figure(f"a trivial job, {MANY:,} open", many, "ms", ((f"with {FEW} open", few), ("before", BEFORE["many"])), times=1.2),
        Figure(f"a trivial job beside {MANY:,} behind a lock", behind, "ms", ((f"with {FEW} open", few), ("before", BEFORE["behind"])),
               times=1.2),
        Figure(f"a trivial job beside {MANY:,} that wait for events", waiting, "ms", ((f"with {FEW} open", few),), times=1.2),
        Figure("an event told to a subscriber that writes a row", event, "ms", (("before", BEFORE["event"]),), most=0.3),
    ]
