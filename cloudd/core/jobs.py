"""Long work that survives a crash: durable jobs made of steps, each of which may run again.

A job is a row written in the transaction that changed the resource's state. The runner takes jobs in order, one at a time per
lock, runs their steps, and saves after each. A failed step turns the job round: the undo of that step and of all before it
run, then `on_fail` leaves a fault that the owner can read. After a restart every unfinished job goes on from where it was.

    async def build_disks(run: Run) -> None:
        async with run.read() as tx:
            server = await tx.get(Server, run.input["server"])
        await run.driver(Hypervisor).create_root_disk(...)
        async with run.save() as tx:                 # the step's end and the rows it changed are saved together
            ...

    CREATE = Job("compute.server.create", steps=[Step(build_disks, undo=remove_disks), ...], on_fail=mark_error)
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import clock, ids, log, tasks
from cloudd.core.context import Context, internal
from cloudd.core.database import signal
from cloudd.core.errors import CloudError
from cloudd.core.outage import RETRY_SECONDS, DatabaseDown
from cloudd.core.parts import Parts
from cloudd.core.tables import JobRow

LOG = log.get("cloudd.jobs")
OPEN = ("queued", "running", "undoing")
UNDO_ATTEMPTS = 3
T = TypeVar("T")
Action = Callable[["Run"], Awaitable[None]]
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

    def __init__(self, runner: "Runner", row: JobRow, job: Job):
        self.runner, self.row, self.job = runner, row, job
        self.parts = runner.parts
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
        await self.runner.reached(self, "done")
        async with self.parts.database.write() as tx:
            yield tx
            await self._advance(tx)
        self.saved = True

    async def _advance(self, tx: AsyncSession) -> None:
        step = self.row.step + 1 if self.forward else self.row.step - 1
        percent = 100 * min(step, len(self.job.steps)) // max(len(self.job.steps), 1) if self.forward else self.row.percent
        ended = {"state": "done", "finished_at": clock.now()} if self.forward and step == len(self.job.steps) else {}
        await self.runner.store(tx, self.row, step=step, percent=percent, memory=self.memory, **ended)

    async def progress(self, percent: int) -> None:
        """Tell how far the whole job is; at most one write a percent."""
        if percent > self.row.percent:
            async with self.write() as tx:
                await self.runner.store(tx, self.row, percent=percent)


@dataclass
class Runner:
    """Takes jobs from the table and runs them. `probe(run, step, when)` is where fault tests put their fingers:
    when is `begin`, `done` (worked, not saved), `saved`.
    """

    parts: Parts
    limits: dict[str, int] = field(default_factory=dict)
    probe: Callable[[Run, str, str], Awaitable[None]] | None = None

    def __post_init__(self) -> None:
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._running: dict[str, tuple[Run, asyncio.Task[None]]] = {}
        self._main: asyncio.Task[None] | None = None
        self._stopping = False
        self._stuck: set[str] = set()

    async def start(self) -> None:
        self.parts.database.signals["jobs"] = self._wake
        self._wake()
        self._main = tasks.start("jobs", self._loop())

    async def stop(self, grace: float = 10.0) -> None:
        """Start nothing more, let steps reach their save for `grace` seconds, cancel the rest (they run again)."""
        self._stopping = True
        running = [task for _, task in self._running.values()]
        if running:
            await asyncio.wait(running, timeout=grace)
        for task in [*running, *([self._main] if self._main else [])]:
            task.cancel()
        await asyncio.gather(*running, *([self._main] if self._main else []), return_exceptions=True)

    async def settled(self, timeout: float = 60) -> None:
        """Wait until no job is queued or running (for tests and for a clean stop)."""
        await asyncio.wait_for(self._idle.wait(), timeout)

    def _wake(self) -> None:
        self._idle.clear()
        self._news.set()

    async def _loop(self) -> None:
        while not self._stopping:
            await self._news.wait()
            self._news.clear()
            try:
                await self._schedule()
            except Exception as exc:
                if not isinstance(exc, DatabaseDown):
                    LOG.error("jobs could not be begun, will be tried again", error=repr(exc), exc_info=exc)
                asyncio.get_running_loop().call_later(RETRY_SECONDS, self._wake)

    async def _schedule(self) -> None:
        async with self.parts.database.read() as tx:
            rows = (await tx.execute(select(JobRow).where(JobRow.state.in_(OPEN)).order_by(JobRow.serial))).scalars().all()
        rows = [row for row in rows if row.id not in self._stuck]
        ready = [] if self._stopping else self._ready(rows)
        async with self.parts.database.write() if ready else contextlib.nullcontext() as tx:
            for row in ready:
                if row.state == "queued":
                    await self.store(tx, row, state="running", started_at=clock.now())
        for row in ready:
            self._launch(row)
        if not rows and not self._running and not self._news.is_set():
            self._idle.set()

    def _ready(self, rows: Iterable[JobRow]) -> list[JobRow]:
        """Of the open jobs, in their order, those that may begin."""
        ready: list[JobRow] = []
        held: set[str] = set()
        counts: dict[str, int] = {}
        for row in rows:
            runs = row.id in self._running
            if runs:
                self._look_for_cancel(row)
            elif row.kind not in Registry:
                LOG.error("a job of unknown kind is left alone", job=row.id, kind=row.kind)
                self._stuck.add(row.id)
            elif held.isdisjoint(row.locks) and self._room(row.kind, counts):
                ready.append(row)
                runs = True
            counts[row.kind] = counts.get(row.kind, 0) + runs
            held.update(row.locks)
        return ready

    def _look_for_cancel(self, row: JobRow) -> None:
        if row.cancel:
            self._running[row.id][0].cancelled.set()

    def _room(self, kind: str, counts: dict[str, int]) -> bool:
        limit = self.limits.get(kind, Registry[kind].limit)
        return limit is None or counts.get(kind, 0) < limit

    def _launch(self, row: JobRow) -> None:
        run = Run(self, row, Registry[row.kind])
        if row.cancel:
            run.cancelled.set()
        self._running[row.id] = (run, tasks.start(f"job {row.kind} {row.resource_id}", self._work(run)))

    async def _work(self, run: Run) -> None:
        token = log.request_id.set(run.row.request_id)
        try:
            await self._forward_or_back(run)
        except DatabaseDown:
            await self._until_saved(run)                      # then its row is read again, as after a restart
        except Exception as exc:
            LOG.error("job stopped unexpectedly and waits for a restart", job=run.row.id, kind=run.row.kind,
                      error=repr(exc), exc_info=exc)
            self._stuck.add(run.row.id)
        finally:
            log.request_id.reset(token)
            self._running.pop(run.row.id, None)
            self._wake()

    async def _until_saved(self, run: Run) -> None:
        """Until the database takes changes again."""
        while not self._stopping:
            await asyncio.sleep(RETRY_SECONDS)
            with contextlib.suppress(DatabaseDown):
                async with run.write() as tx:
                    await tx.execute(update(JobRow).where(JobRow.id == run.row.id).values(id=run.row.id))
                return

    async def _forward_or_back(self, run: Run) -> None:
        if run.forward:
            error = await self._forward(run)
            if error is None:
                if run.row.state != "done":                   # killed between its last save and this, by a cloudd that saved both
                    await self._finish(run, "done")
                return
            run.forward = False
            async with run.write() as tx:
                await self.store(tx, run.row, state="undoing", error=_words(error), memory=run.memory)
        else:
            error = StepFailed(run.row.error or "interrupted")
        await self._back(run)
        await self._fail(run, error)

    async def _forward(self, run: Run) -> BaseException | None:
        while run.row.step < len(run.job.steps):
            step = run.job.steps[run.row.step]
            if run.cancelled.is_set():
                return Cancelled("cancelled")
            try:
                await self._do(run, step.do, step)
            except DatabaseDown:
                raise
            except Exception as exc:
                level = LOG.warning if isinstance(exc, CloudError) else LOG.error
                level("job step failed", kind=run.row.kind, step=step.name, resource=run.row.resource_id, error=repr(exc),
                      exc_info=None if isinstance(exc, CloudError) else exc)
                return exc
        return None

    async def _do(self, run: Run, action: Action, step: Step) -> None:
        run.saved, began = False, time.perf_counter()
        await self.reached(run, "begin")
        async with asyncio.timeout(step.timeout if run.forward else None):
            await action(run)
        if not run.saved:
            async with run.save():
                pass
        LOG.debug("job step done", kind=run.row.kind, step=step.name, forward=run.forward, resource=run.row.resource_id,
                  ms=round((time.perf_counter() - began) * 1000, 1))
        await self.reached(run, "saved")

    async def _back(self, run: Run) -> None:
        while run.row.step >= 0:
            step = run.job.steps[run.row.step] if run.row.step < len(run.job.steps) else None
            undo = step.undo if step else None
            if undo is None:
                async with run.write() as tx:
                    await self.store(tx, run.row, step=run.row.step - 1)
                continue
            await self._undo(run, undo, step)

    async def _undo(self, run: Run, undo: Action, step: Step) -> None:
        for attempt in range(1, UNDO_ATTEMPTS + 1):
            try:
                await self._do(run, undo, step)
                return
            except DatabaseDown:
                raise
            except Exception as exc:
                LOG.error("undoing failed", kind=run.row.kind, step=step.name, resource=run.row.resource_id,
                          attempt=attempt, error=repr(exc))
                await asyncio.sleep(0.2 * attempt)
        async with run.write() as tx:                         # the repair at the next start looks for what is left over
            await self.store(tx, run.row, step=run.row.step - 1)

    async def _fail(self, run: Run, error: BaseException) -> None:
        if run.job.on_fail:
            await run.job.on_fail(run, error)
        await self._finish(run, "cancelled" if isinstance(error, Cancelled) else "failed")

    async def _finish(self, run: Run, state: str) -> None:
        async with run.write() as tx:
            await self.store(tx, run.row, state=state, finished_at=clock.now())

    async def reached(self, run: Run, when: str) -> None:
        if self.probe is not None:
            number = run.row.step
            name = run.job.steps[number].name if 0 <= number < len(run.job.steps) else "end"
            await self.probe(run, name, when)

    async def store(self, tx: AsyncSession, row: JobRow, **values: Any) -> None:
        """Write values of a job row and keep the copy in memory equal."""
        await tx.execute(update(JobRow).where(JobRow.id == row.id).values(**values)
                         .execution_options(synchronize_session=False))
        for key, value in values.items():
            setattr(row, key, value)


def _words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "the step did not end in time"
    return error.message if isinstance(error, CloudError) else f"{type(error).__name__}: {error}"


async def forget_old(parts: Parts, before: Any) -> int:
    """Delete jobs that ended before a moment."""
    async with parts.database.write() as tx:
        result = await tx.execute(JobRow.__table__.delete().where(JobRow.finished_at < before))
    return result.rowcount
