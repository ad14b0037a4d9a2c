"""Jobs and events alone, without HTTP or drivers: the processor time of a trivial job while many others are open, and of an event told.

What stood before is beside each figure, as this same bench measured it then.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from cloudd.core import jobs
from cloudd.core.context import internal
from cloudd.core.database import Base, Database
from cloudd.core.events import Bus, Event, Happened, emit
from cloudd.core.jobs import Job, Run, Step
from cloudd.core.parts import Parts
from cloudd.core.policy import Policies
from cloudd.core.runner import Runner
from tests.bench.figures import Figure

FEW, MANY, BEHIND, EVENTS = 100, 1_000, 100, 2_000
GATE = "bench gate"


async def nothing(run: Run) -> None:
    pass


async def held_up(run: Run) -> None:
    await run.parts.services[asyncio.Event].wait()


Job("bench.trivial", [Step(nothing)])
Job("bench.gate", [Step(held_up)])


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


async def ended(parts: Parts, wanted: list[str]) -> None:
    """Until these jobs have been done; looked for seldom, so that looking costs nothing."""
    done = 0
    while done < len(wanted):
        await asyncio.sleep(0.2)
        async with parts.database.read() as tx:
            result = await tx.exec_driver_sql("SELECT 1") if False else await tx.execute(COUNT)
            done = result.scalar()


from sqlalchemy import func, select  # noqa: E402
from cloudd.core.tables import JobRow  # noqa: E402
COUNT = select(func.count()).select_from(JobRow).where(JobRow.state == "done", JobRow.kind == "bench.trivial")


async def trivial(open_ones: int) -> float:
    async with house() as parts:
        runner = Runner(parts)
        await runner.start()
        began = time.process_time()
        wanted = await ask(parts, "bench.trivial", open_ones)
        await ended(parts, wanted)
        spent = time.process_time() - began
        await runner.stop()
        return spent * 1000 / open_ones


async def behind(waiting: int) -> float:
    async with house() as parts:
        runner = Runner(parts)
        await runner.start()
        await ask(parts, "bench.gate", waiting + 1, GATE)
        await asyncio.sleep(0.5)
        began = time.process_time()
        wanted = await ask(parts, "bench.trivial", BEHIND)
        await ended(parts, wanted)
        spent = time.process_time() - began
        await runner.stop(0)
        return spent * 1000 / BEHIND


async def told(count: int) -> float:
    async with house() as parts:
        bus, seen, over = Bus(parts.database), [0], asyncio.Event()

        async def handler(tx: Any, happened: Happened) -> None:
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

if __name__ == "__main__":
    import uvloop
    for f, a in ((trivial, FEW), (trivial, MANY), (behind, MANY), (told, EVENTS)):
        print(f.__name__, a, uvloop.run(f(a)) if hasattr(uvloop, "run") else asyncio.run(f(a)), flush=True)
