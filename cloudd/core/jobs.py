"""Long work that survives a crash: durable jobs made of steps, each of which may run again.

A job is a row written in the transaction that changed the resource's state. The runner (core/runner.py) takes jobs in order,
one at a time per lock, runs their steps, and saves after each, or with the next where a quick step changed nothing else. A failed
step turns the job round: the undo of that step and of all before it run, then `on_fail` leaves a fault that the owner can read. After
a restart every unfinished job goes on from where it was. A step may end with waiting for an event of a resource (core/work/waits.py),
which costs nothing.

    async def build_disks(run: Run) -> None:
        async with run.read() as tx:
            server = await tx.get(Server, run.input["server"])
        await run.driver(Hypervisor).create_root_disk(...)
        async with run.save() as tx:                 # the step's end and the rows it changed are saved together
            ...

    CREATE = Job("compute.server.create", steps=[Step(build_disks, undo=remove_disks), ...], on_fail=mark_error)
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import clock, ids
from cloudd.core.context import Context, internal
from cloudd.core.database import after_commit, insert_row, signal
from cloudd.core.errors import CloudError
from cloudd.core.parts import Parts
from cloudd.core.tables import EventRow, JobRow
from cloudd.core.work import waits
from cloudd.core.work.waits import Wait

OPEN = ("queued", "running", "waiting", "undoing")
EVENT = "event"
"""Where a job's memory keeps the event that it waited for."""

TABLE = JobRow.__table__
BEGUN = ("state", "started_at")
"""The columns that say that a job runs."""
INSERT = insert(TABLE)
COLUMNS = tuple(column.key for column in TABLE.columns if not column.primary_key)

T = TypeVar("T")
Action = Callable[["Run"], Awaitable[None]]
Change = Callable[[AsyncSession], Awaitable[None]]
Reached = Callable[["Run", str], Awaitable[None]]
Registry: dict[str, "Job"] = {}


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what it does, what undoes it, the name of its deadline (core/work/deadlines.py), and what it then waits for.

    `waits(run)` says so from the job's input and memory when `do` has ended (None: nothing). The step is over when the event has
    come, which is then `run.event`; one that came since the step began counts.

    `brief`: it takes a moment and may be done again after the steps that follow, so that its end is not worth a commit: it is saved
    with the next step that is. A crash until then begins at the step after the last saved one.
    """

    do: Action
    undo: Action | None = None
    deadline: str = "machine"
    waits: Callable[["Run"], Wait | None] | None = None
    brief: bool = False

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
        for step, following in zip(self.steps, (*self.steps[1:], None), strict=True):
            if step.brief and (step.waits or following is None or following.waits):
                raise ValueError(f"{kind}: step {step.name} must be saved: it is the last one, or waits, or is followed by one that does")
        Registry[kind] = self


async def together(*works: Awaitable[Any]) -> None:
    """Do what does not depend on each other at once. All of it has ended when the first error is raised: undoing meets none of it."""
    for outcome in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


class StepFailed(CloudError):
    """The error of a job that was turned round, as text, when only the saved words are left (after a restart)."""


class Cancelled(CloudError):
    """Somebody asked for the job to stop."""


def words(error: BaseException, *told: type[Exception]) -> str:
    """One sentence for the owner of what a job failed with. What nobody expected is told by its kind alone: its text may speak of the
    machine. `told`: drivers' errors, whose texts are meant to be read."""
    if isinstance(error, TimeoutError):
        return "It did not end in time."
    if isinstance(error, (CloudError, OSError, *told)):
        text = getattr(error, "message", None) or str(error)
        return text[:1].upper() + text[1:]
    return f"cloudd met an error that it did not expect ({type(error).__name__}); the log tells more."


async def ask(tx: AsyncSession, context: Context, kind: str, *, locks: Iterable[str], resource: str | None = None,
              merge: bool = False, **inputs: Any) -> str:
    """Queue a job in `tx`; returns its id. `locks` are resource ids: jobs that share one run one after the other.

    Inputs are ids and plain values, never rows. `merge`: one of this kind and resource that has not begun is enough (for
    jobs that bring the machine to what the rows say when they run).
    """
    if kind not in Registry:
        raise LookupError(f"no job of kind {kind}")
    locks = sorted(set(locks))
    row = JobRow(id=ids.new_uuid(), kind=kind, locks=locks, resource_id=resource or (locks[0] if locks else None),
                 project_id=context.project_id, user_id=context.user_id, request_id=context.request_id, state="queued",
                 step=0, percent=0, cancel=False, input=waits.plain(inputs), memory={}, created_at=context.now())
    if merge and (waiting := await _waiting(tx, kind, resource or locks[0])):
        signal(tx, "jobs", Merged(waiting, row))
        return waiting
    if Registry[kind].steps[0].waits is not None:
        row.waits = {"since": await waits.newest(tx)}
    await _queue(tx, row)
    return row.id


async def _queue(tx: AsyncSession, row: JobRow) -> None:
    """Write a job's row; the runner keeps it when it is committed."""
    await tx.flush()
    row.serial = await insert_row(tx, INSERT, {name: getattr(row, name) for name in COLUMNS})
    signal(tx, "jobs", row)


class Merged(NamedTuple):
    """News for the runner: `row` was not asked for, since this job had not begun. Where it had, but did not say so yet, it follows."""

    job_id: str
    row: JobRow


class CancelAsked(NamedTuple):
    """News for the runner."""

    resource: str


async def _waiting(tx: AsyncSession, kind: str, resource: str) -> str | None:
    query = select(JobRow.id).where(JobRow.state == "queued", JobRow.kind == kind, JobRow.resource_id == resource)
    return (await tx.execute(query.limit(1))).scalar()


async def cancel(tx: AsyncSession, resource: str, kinds: Iterable[str] = ()) -> int:
    """Ask the unfinished jobs of a resource to stop at their next step and undo. Returns how many there are."""
    query = update(JobRow).where(JobRow.resource_id == resource, JobRow.state.in_(OPEN))
    if kinds := tuple(kinds):
        query = query.where(JobRow.kind.in_(kinds))
    result = await tx.execute(query.values(cancel=True).execution_options(synchronize_session=False))
    if result.rowcount:
        signal(tx, "jobs", CancelAsked(resource))
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
    """A job under way, as its steps see it. `memory` keeps plain values from step to step, over restarts.

    That a job runs is not worth a commit: it is saved with the first thing that is. Until then a crash leaves it queued, and it
    begins again.
    """

    def __init__(self, parts: Parts, row: JobRow, job: Job, reached: Reached, paused: Callable[["Run"], None], *, new: bool = False):
        self.parts, self.row, self.job, self._reached, self._paused = parts, row, job, reached, paused
        self.input: dict[str, Any] = row.input
        self.memory: dict[str, Any] = dict(row.memory)
        self.context = internal(row.project_id, row.user_id, row.request_id)
        self.cancelled = asyncio.Event()
        self.saved = False
        self.new = new                                       # nobody has worked on it before
        self.forward = row.state != "undoing"
        self.begun = row.state != "queued"
        self.next: JobRow | None = None                      # what was merged into this job when it had begun already
        self.unsaved: dict[str, Any] = {} if self.begun else dict(zip(BEGUN, ("running", clock.now()), strict=True))
        self.changes: list[Change] = []                      # of rows, to be written with what is saved next
        self.handed: dict[str, Any] = {}                     # from step to step, in memory only: after a restart it is not there

    def driver(self, kind: type[T]) -> T:
        return self.parts.driver(kind)

    @property
    def event(self) -> Mapping[str, Any] | None:
        """The event that the last waiting ended with: its serial, name and payload."""
        return self.memory.get(EVENT)

    def read(self) -> AbstractAsyncContextManager[AsyncSession]:
        return self.parts.database.read()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """A transaction in the middle of a step; the step may run again after it."""
        async with self.parts.database.write(("write", *self._at_step)) as tx:
            await self._write_changes(tx)
            yield tx

    @property
    def _at_step(self) -> tuple[Any, ...]:
        """What transactions of this kind are known by."""
        return self.job.kind, self.row.step, self.forward

    @asynccontextmanager
    async def save(self) -> AsyncIterator[AsyncSession]:
        """The transaction that ends the step: its rows and the job's progress are committed together."""
        await self._reached(self, "done")
        async with self.parts.database.write(self._at_step) as tx:
            await self._write_changes(tx)
            yield tx
            if not (self.forward and await self._wait(tx)):
                await self._advance(tx)
        self.saved = self.new = True

    def later(self, change: Change) -> None:
        """Write these rows with the next thing that is written, and before it; perhaps again, when the step is done again after a
        crash. Not at all when the job is turned round."""
        self.changes.append(change)

    async def _write_changes(self, tx: AsyncSession) -> None:
        for change in (changes := list(self.changes)):
            await change(tx)
        after_commit(tx, lambda: self.changes.__delitem__(slice(len(changes))))

    async def _wait(self, tx: AsyncSession) -> bool:
        """Begin to wait, if this step does and what it waits for has not come already."""
        step = self.job.steps[self.row.step]
        wait = step.waits(self) if step.waits else None
        if wait is None:
            return False
        since = self.row.waits["since"] if self.row.waits else await waits.newest(tx)
        if (event := await waits.find(tx, wait, since)) is not None:
            self.memory[EVENT] = waits.came(event)
            return False
        await self.store(tx, state="waiting", memory=self.memory, waits=wait.saved(since))
        after_commit(tx, lambda: self._paused(self))
        return True

    async def _advance(self, tx: AsyncSession) -> None:
        step = self.row.step + 1 if self.forward else self.row.step - 1
        values = self._at(step) if self.forward else {"step": step}
        if self.row.waits or (self.forward and step < len(self.job.steps) and self.job.steps[step].waits):
            values["waits"] = await self._next_waits(tx, step)
        await self.store(tx, memory=self.memory, **values)

    def _at(self, step: int) -> dict[str, Any]:
        """What the row says when so many steps are done."""
        percent = 100 * min(step, len(self.job.steps)) // max(len(self.job.steps), 1)
        return {"step": step, "percent": percent,
                **({"state": "done", "finished_at": clock.now()} if step == len(self.job.steps) else {})}

    async def _next_waits(self, tx: AsyncSession, step: int) -> dict[str, Any] | None:
        """For a step that will wait: from which event on."""
        will = self.forward and step < len(self.job.steps) and self.job.steps[step].waits is not None
        return {"since": await waits.newest(tx)} if will else None

    def go_on(self, event: EventRow | None) -> None:
        """What it waited for has come (None: that shall be looked for no longer). Saved with what is saved next: after a crash
        before that, the event is found again."""
        values: dict[str, Any] = {"state": "running"}
        if event is not None:
            self.memory[EVENT] = waits.came(event)
            last = self.row.step + 1 == len(self.job.steps)
            values |= {**self._at(self.row.step + 1), "waits": None if last else {"since": event.serial}, "memory": self.memory}
        self._save_later(values)

    def go_past(self) -> None:
        """A brief step is done."""
        self._save_later({**self._at(self.row.step + 1), "memory": self.memory})

    def turn_round(self) -> None:
        """From here on it is undone: with the brief steps that follow, if a life before this may have been there."""
        while not self.new and self.row.step < len(self.job.steps) and self.job.steps[self.row.step].brief:
            self.row.step += 1
        self.forward = False
        self.changes.clear()

    def _save_later(self, values: dict[str, Any]) -> None:
        self.unsaved |= values
        for key, value in values.items():
            setattr(self.row, key, value)

    async def store(self, tx: AsyncSession, **values: Any) -> None:
        """Write values of the job's row, with all that was to be saved later, and keep the copy in memory equal."""
        unsaved, self.unsaved = self.unsaved, {}
        await self._update(tx, {**unsaved, **values})

    async def say_begun(self, tx: AsyncSession) -> None:
        """That it runs, in the middle of a step: nothing else is saved before its time."""
        if not self.begun:
            await self._update(tx, {name: self.unsaved.pop(name) for name in BEGUN})

    async def _update(self, tx: AsyncSession, values: dict[str, Any]) -> None:
        await tx.execute(update(TABLE).where(TABLE.c.id == self.row.id).values(**values))
        if not self.begun and self.next is not None:
            await _queue(tx, self.next)
        self.begun = True
        for key, value in values.items():
            setattr(self.row, key, value)

    async def progress(self, percent: int) -> None:
        """Tell how far the whole job is; at most one write a percent."""
        if percent > self.row.percent:
            async with self.write() as tx:
                await self.store(tx, percent=percent)


async def forget_old(parts: Parts, before: Any) -> int:
    """Delete jobs that ended before a moment."""
    async with parts.database.write() as tx:
        result = await tx.execute(JobRow.__table__.delete().where(JobRow.finished_at < before))
    return result.rowcount
