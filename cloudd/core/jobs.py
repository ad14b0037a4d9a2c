"""Long work that survives a crash: durable jobs made of steps, each of which may run again.

A job is a row written in the transaction that changed the resource's state. The runner (core/runner.py) takes jobs in order,
one at a time per lock, runs their steps, and saves after each. A failed step turns the job round: the undo of that step and of
all before it run, then `on_fail` leaves a fault that the owner can read. After a restart every unfinished job goes on from where
it was.

    async def build_disks(run: Run) -> None:
        async with run.read() as tx:
            server = await tx.get(Server, run.input["server"])
        await run.driver(Hypervisor).create_root_disk(...)
        async with run.save() as tx:                 # the step's end and the rows it changed are saved together
            ...

    CREATE = Job("compute.server.create", steps=[Step(build_disks, undo=remove_disks), ...], on_fail=mark_error)
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import clock, ids
from cloudd.core.context import Context, internal
from cloudd.core.database import signal
from cloudd.core.errors import CloudError
from cloudd.core.parts import Parts
from cloudd.core.tables import JobRow

OPEN = ("queued", "running", "undoing")
T = TypeVar("T")
Action = Callable[["Run"], Awaitable[None]]
Reached = Callable[["Run", str], Awaitable[None]]
Registry: dict[str, "Job"] = {}


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what it does, what undoes it, its deadline in seconds (None: the step sees to it itself)."""

    do: Action
    undo: Action | None = None
    timeout: float | None = None

    @property
    def name(self) -> str:
        return self.do.__name__


@dataclass(frozen=True)
class Job:
    """A kind of long operation. Declaring it registers it; `on_fail(run, error)` words the fault after the undoing.

    `limit` is how many of this kind may run at once (None: as many as come; the settings may name another).
    """

    kind: str
    steps: tuple[Step, ...]
    on_fail: Callable[["Run", BaseException], Awaitable[None]] | None = None
    limit: int | None = None

    def __init__(self, kind: str, steps: Iterable[Step], on_fail: Any = None, limit: int | None = None):
        for key, value in (("kind", kind), ("steps", tuple(steps)), ("on_fail", on_fail), ("limit", limit)):
            object.__setattr__(self, key, value)
        Registry[kind] = self


class StepFailed(CloudError):
    """The error of a job that was turned round, as text, when only the saved words are left (after a restart)."""


class Cancelled(CloudError):
    """Somebody asked for the job to stop."""


async def ask(tx: AsyncSession, context: Context, kind: str, *, locks: Iterable[str], resource: str | None = None,
              merge: bool = False, **inputs: Any) -> str:
    """Queue a job in `tx`; returns its id. `locks` are resource ids: jobs that share one run one after the other.

    Inputs are ids and plain values, never rows. `merge`: one of this kind and resource that has not begun is enough (for
    jobs that bring the machine to what the rows say when they run).
    """
    if kind not in Registry:
        raise LookupError(f"no job of kind {kind}")
    locks = sorted(set(locks))
    if merge and (waiting := await _waiting(tx, kind, resource or locks[0])):
        return waiting
    row = JobRow(id=ids.new_uuid(), kind=kind, locks=locks, resource_id=resource or (locks[0] if locks else None),
                 project_id=context.project_id, user_id=context.user_id, request_id=context.request_id, state="queued",
                 input=inputs, memory={}, created_at=context.now())
    tx.add(row)
    await tx.flush()
    signal(tx, "jobs")
    return row.id


async def _waiting(tx: AsyncSession, kind: str, resource: str) -> str | None:
    query = select(JobRow.id).where(JobRow.state == "queued", JobRow.kind == kind, JobRow.resource_id == resource)
    return (await tx.execute(query.limit(1))).scalar()


async def cancel(tx: AsyncSession, resource: str, kinds: Iterable[str] = ()) -> int:
    """Ask the unfinished jobs of a resource to stop at their next step and undo. Returns how many there are."""
    query = update(JobRow).where(JobRow.resource_id == resource, JobRow.state.in_(OPEN))
    if kinds := tuple(kinds):
        query = query.where(JobRow.kind.in_(kinds))
    result = await tx.execute(query.values(cancel=True).execution_options(synchronize_session=False))
    signal(tx, "jobs")
    return result.rowcount


async def unfinished(tx: AsyncSession, resource: str) -> list[JobRow]:
    """The jobs of a resource that are still to end, oldest first."""
    query = select(JobRow).where(JobRow.resource_id == resource, JobRow.state.in_(OPEN)).order_by(JobRow.serial)
    return list((await tx.execute(query)).scalars())


async def locked(tx: AsyncSession) -> set[str]:
    """The ids of all resources that an unfinished job works on."""
    rows = (await tx.execute(select(JobRow.locks).where(JobRow.state.in_(OPEN)))).scalars()
    return {lock for locks in rows for lock in locks}


class Run:
    """A job under way, as its steps see it. `memory` keeps plain values from step to step, over restarts."""

    def __init__(self, parts: Parts, row: JobRow, job: Job, reached: "Reached"):
        self.parts, self.row, self.job, self._reached = parts, row, job, reached
        self.input: dict[str, Any] = row.input
        self.memory: dict[str, Any] = dict(row.memory)
        self.context = internal(row.project_id, row.user_id, row.request_id)
        self.cancelled = asyncio.Event()
        self.saved = False
        self.forward = row.state != "undoing"

    def driver(self, kind: type[T]) -> T:
        return self.parts.driver(kind)

    def read(self) -> AbstractAsyncContextManager[AsyncSession]:
        return self.parts.database.read()

    def write(self) -> AbstractAsyncContextManager[AsyncSession]:
        """A transaction in the middle of a step; the step may run again after it."""
        return self.parts.database.write()

    @asynccontextmanager
    async def save(self) -> AsyncIterator[AsyncSession]:
        """The transaction that ends the step: its rows and the job's progress are committed together."""
        await self._reached(self, "done")
        async with self.parts.database.write() as tx:
            yield tx
            await self._advance(tx)
        self.saved = True

    async def _advance(self, tx: AsyncSession) -> None:
        step = self.row.step + 1 if self.forward else self.row.step - 1
        percent = 100 * min(step, len(self.job.steps)) // max(len(self.job.steps), 1) if self.forward else self.row.percent
        ended = {"state": "done", "finished_at": clock.now()} if self.forward and step == len(self.job.steps) else {}
        await store(tx, self.row, step=step, percent=percent, memory=self.memory, **ended)

    async def progress(self, percent: int) -> None:
        """Tell how far the whole job is; at most one write a percent."""
        if percent > self.row.percent:
            async with self.write() as tx:
                await store(tx, self.row, percent=percent)


async def store(tx: AsyncSession, row: JobRow, **values: Any) -> None:
    """Write values of a job row and keep the copy in memory equal."""
    await tx.execute(update(JobRow).where(JobRow.id == row.id).values(**values)
                     .execution_options(synchronize_session=False))
    for key, value in values.items():
        setattr(row, key, value)


async def forget_old(parts: Parts, before: Any) -> int:
    """Delete jobs that ended before a moment."""
    async with parts.database.write() as tx:
        result = await tx.execute(JobRow.__table__.delete().where(JobRow.finished_at < before))
    return result.rowcount
