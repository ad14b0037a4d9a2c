"""Runs the jobs of core/jobs.py: in order, one at a time per lock, saved after each step, undone when one fails."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select, update

from cloudd.core import clock, log, tasks
from cloudd.core.errors import Away, CloudError
from cloudd.core.jobs import OPEN, Action, CancelAsked, Cancelled, Merged, Registry, Run, Step, StepFailed
from cloudd.core.outage import RETRY_SECONDS, DatabaseDown
from cloudd.core.parts import Parts
from cloudd.core.tables import EventRow, JobRow
from cloudd.core.work import deadlines
from cloudd.core.work.queue import Queue
from cloudd.core.work.waits import EventMissed, Wait, Waits, find

LOG = log.get("cloudd.jobs")
UNDO_ATTEMPTS = 3
LOOK_SECONDS = 5.0
"""How often, while there is work, the table is looked at for jobs that another process has queued."""
BEGUN_SECONDS = 1.0
"""A job whose first step takes longer than this says that it runs, in a commit of its own: people look."""
OVERLAP = 100
"""By how many serials looks overlap: another process's job may have been committed after one with a higher serial."""


class StepLate(CloudError):
    """A step did not end within its deadline."""


@dataclass
class Runner:
    """Runs the open jobs. `patience` is how many seconds a step waits for what is away.

    The database is read at the start; from then on who asks for a job hands its row over (`Database.listen`).
    `probe(run, step, when)` is where fault tests put their fingers: when is `begin`, `done` (worked, not saved), `saved`.
    """

    parts: Parts
    limits: dict[str, int] = field(default_factory=dict)
    probe: Callable[[Run, str, str], Awaitable[None]] | None = None
    patience: float = 0.0

    def __post_init__(self) -> None:
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._running: dict[str, tuple[Run, asyncio.Task[None]]] = {}
        self._main: asyncio.Task[None] | None = None
        self._stopping = False
        self._queue = Queue(self._room)
        self._waits = Waits(self._over)
        self._over_rows: dict[str, EventRow | None] = {}      # waits that ended: with which event, None at the deadline
        self._known: dict[str, JobRow] = {}                   # what is open, those included that are left alone
        self._handed: list[JobRow] = []
        self._new: set[str] = set()                           # of those that were handed to us and not begun
        self._cancels: set[str] = set()
        self._deaf: list[Callable[[], None]] = []
        self._newest = 0
        self._must_look, self._time_to_look = True, False
        self._next_look: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        listen = self.parts.database.listen
        self._deaf = [listen("jobs", self._heard), listen("events", self._happened)]
        self._wake()
        self._main = tasks.start("jobs", self._loop())

    async def stop(self, grace: float = 10.0) -> None:
        """Start nothing more, let steps reach their save for `grace` seconds, cancel the rest (they run again)."""
        self._stopping = True
        if self._next_look is not None:
            self._next_look.cancel()
        self._waits.stop()
        for stop_listening in self._deaf:
            stop_listening()
        running = [task for _, task in self._running.values()]
        if running:
            await asyncio.wait(running, timeout=grace)
        for task in [*running, *([self._main] if self._main else [])]:
            task.cancel()
        await asyncio.gather(*running, *([self._main] if self._main else []), return_exceptions=True)

    async def settled(self, timeout: float = 60) -> None:
        """Wait until no job is queued or running; those that wait for events may (for tests and for a clean stop)."""
        await asyncio.wait_for(self._idle.wait(), timeout)

    # -- news ---------------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        self._idle.clear()
        self._news.set()

    def _heard(self, news: Sequence[Any] | None) -> None:
        """At a commit, before anybody else can write."""
        if news is None:
            self._must_look = True
        for item in news or ():
            if isinstance(item, Merged):
                self._merged(item)
            elif isinstance(item, CancelAsked):
                self._cancels.add(item.resource)
            else:
                self._handed.append(item)
                self._new.add(item.id)
        self._wake()

    def _merged(self, news: Merged) -> None:
        run, _ = self._running.get(news.job_id, (None, None))
        if run is not None and not run.begun:
            run.next = news.row

    def _happened(self, news: Sequence[Any] | None) -> None:
        if not self._waits:
            return
        if news is None:
            self._must_look = True
            self._wake()
        else:
            self._waits.heard(news)

    def _over(self, row: JobRow, event: EventRow | None) -> None:
        """What a job waited for came, or its deadline."""
        self._over_rows[row.id] = event
        if row.id not in self._running:                        # else it is still on its way to rest
            self._queue.add(row)
        self._wake()

    # -- which run ----------------------------------------------------------------------------------------------------

    def _room(self, kind: str) -> int | None:
        return self.limits.get(kind, Registry[kind].limit)

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
        if self._must_look or self._time_to_look:              # at the start: what had begun has its locks before anything else begins
            await self._look()
        if self._cancels:
            await self._read_cancels()
        self._begin()
        if self._running and self._next_look is None:
            self._next_look = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look_again)
        if not self._queue and not self._running and not self._news.is_set():
            self._idle.set()

    def _look_again(self) -> None:
        self._next_look, self._time_to_look = None, True
        self._wake()

    def _begin(self) -> None:
        """Launch what may run of what was handed to us and of what waits."""
        handed, self._handed = self._handed, []
        for row in handed:
            self._take(row)
        for row in [] if self._stopping else self._queue.begin():
            self._launch(row)

    async def _look(self) -> None:
        """Take what is open in the table and was not handed to us: all of it at the start and when news may have been lost."""
        query = select(JobRow).where(JobRow.state.in_(OPEN)).order_by(JobRow.state == "queued", JobRow.serial)
        whole, self._must_look = self._must_look, False
        if not whole:
            query = query.where(JobRow.serial > self._newest - OVERLAP)
        try:
            async with self.parts.database.write() as tx:      # not `read`: nobody ends or begins to wait meanwhile
                for row in (await tx.execute(query)).scalars():
                    self._newest = max(self._newest, row.serial)
                    self._take(row)
                if whole:
                    await self._waits.catch_up(tx)
        except BaseException:
            self._must_look = self._must_look or whole
            raise
        self._time_to_look = False

    def _take(self, row: JobRow) -> None:
        """A job that is new to us, to the queue or to those that wait."""
        if row.id in self._known:
            return
        self._known[row.id] = row
        if row.kind not in Registry:
            LOG.error("a job of unknown kind is left alone", job=row.id, kind=row.kind)
        elif row.state == "waiting" and not row.cancel:
            if (row.waits or {})["hold"]:
                self._queue.hold(row)
            self._waits.add(row)
        else:
            self._queue.add(row, begun=row.state in ("running", "undoing") or (row.state == "waiting" and (row.waits or {})["hold"]))

    async def _read_cancels(self) -> None:
        resources, self._cancels = self._cancels, set()
        query = select(JobRow.id).where(JobRow.resource_id.in_(resources), JobRow.state.in_(OPEN), JobRow.cancel)
        try:
            async with self.parts.database.read() as tx:
                ids = set((await tx.execute(query)).scalars())
        except BaseException:
            self._cancels |= resources
            raise
        for job_id in ids & self._known.keys():
            self._cancel(self._known[job_id])

    def _cancel(self, row: JobRow) -> None:
        row.cancel = True
        if row.id in self._running:
            self._running[row.id][0].cancelled.set()
        if self._waits.remove(row.serial) is not None:
            self._over(row, None)

    def _launch(self, row: JobRow) -> None:
        run = Run(self.parts, row, Registry[row.kind], self.reached, self._paused, new=row.id in self._new)
        self._new.discard(row.id)
        if row.cancel:
            run.cancelled.set()
        self._running[row.id] = (run, tasks.start(f"job {row.kind} {row.resource_id}", self._work(run)))

    def _paused(self, run: Run) -> None:
        """A job has begun to wait: known from this very commit on, so that no event goes by."""
        self._waits.add(run.row)

    # -- one job ------------------------------------------------------------------------------------------------------

    async def _work(self, run: Run) -> None:
        token = log.request_id.set(run.row.request_id)
        left: JobRow | None = None                            # its row, unless we are ended ourselves in its middle
        long = asyncio.get_running_loop().call_later(BEGUN_SECONDS, self._takes_long, run)
        try:
            await self._forward_or_back(run)
            left = run.row
        except DatabaseDown:
            left = await self._read_again(run)
        except Exception as exc:
            LOG.error("job stopped unexpectedly and waits for a restart", job=run.row.id, kind=run.row.kind,
                      error=repr(exc), exc_info=exc)
            await self._say_begun(run)                        # nothing more is merged into a job that is stuck
            self._queue.end(run.row)
        finally:
            long.cancel()
            log.request_id.reset(token)
            self._running.pop(run.row.id, None)
            if left is not None:
                self._rest(left)
            self._wake()

    def _rest(self, row: JobRow) -> None:
        """A job whose task has ended: it is over, or waits; or it goes on from its row, since the database was away."""
        if row.state not in OPEN:
            self._queue.end(row)
            self._known.pop(row.id, None)
        elif row.state != "waiting":
            self._known[row.id] = row
            self._launch(row)
        else:
            self._queue.pause(row, hold=(row.waits or {})["hold"])
            if row.cancel and self._waits.remove(row.serial) is not None:
                self._over_rows[row.id] = None
            if row.id in self._over_rows:                      # it came, or was cancelled, in the meantime
                self._queue.add(row)

    def _takes_long(self, run: Run) -> None:
        if not run.begun:
            tasks.start(f"job {run.row.kind} {run.row.resource_id} has begun", self._say_begun(run))

    async def _say_begun(self, run: Run) -> None:
        with contextlib.suppress(DatabaseDown):
            async with self.parts.database.write() as tx:
                await run.say_begun(tx)

    async def _until_saved(self, run: Run) -> None:
        """Until the database takes changes again."""
        while not self._stopping:
            await asyncio.sleep(RETRY_SECONDS)
            with contextlib.suppress(DatabaseDown):
                async with run.write() as tx:
                    await tx.execute(update(JobRow).where(JobRow.id == run.row.id).values(id=run.row.id))
                return

    async def _read_again(self, run: Run) -> JobRow | None:
        """The row as soon as the database works again: the job goes on from it as after a restart."""
        while not self._stopping:
            await self._until_saved(run)
            with contextlib.suppress(DatabaseDown):
                async with run.read() as tx:
                    row = (await tx.execute(select(JobRow).where(JobRow.id == run.row.id))).scalar_one()
                self._waits.remove(row.serial)
                self._over_rows.pop(row.id, None)
                if row.state == "waiting":
                    self._known[row.id] = row
                    self._waits.add(row)
                    self._must_look = True
                return row
        return None

    async def _forward_or_back(self, run: Run) -> None:
        if run.forward:
            error = await self._after_wait(run) if run.row.state == "waiting" else None
            error = error or await self._forward(run)
            if run.row.state == "waiting" and error is None:
                return
            if error is None:
                if run.unsaved or run.row.state != "done":    # killed between its last save and this, by a cloudd that saved both
                    await self._finish(run, "done")
                return
            run.turn_round()
            async with run.write() as tx:
                await run.store(tx, state="undoing", step=run.row.step, error=_words(error), memory=run.memory, waits=None)
        else:
            error = StepFailed(run.row.error or "interrupted")
        await self._back(run)
        await self._fail(run, error)

    async def _after_wait(self, run: Run) -> BaseException | None:
        """What a job waited for is there, or will not come any more."""
        wait, event = Wait.of(run.row), self._over_rows.pop(run.row.id, None)
        if event is None:
            async with run.read() as tx:                      # what came at the last moment counts
                event = await find(tx, wait, (run.row.waits or {})["since"])
        run.go_on(event)
        if event is not None or run.cancelled.is_set():
            return None
        error = EventMissed(wait)
        LOG.warning("job waited in vain", kind=run.row.kind, step=run.job.steps[run.row.step].name, resource=run.row.resource_id,
                    error=error.message)
        return error

    async def _forward(self, run: Run) -> BaseException | None:
        while run.row.step < len(run.job.steps) and run.row.state != "waiting":
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
        await self._patiently(run, action, step)
        if not run.saved and step.brief and run.forward:
            await self.reached(run, "done")
            run.go_past()
        elif not run.saved:
            async with run.save():
                pass
        LOG.debug("job step done", kind=run.row.kind, step=step.name, forward=run.forward, resource=run.row.resource_id,
                  ms=round((time.perf_counter() - began) * 1000, 1))
        await self.reached(run, "saved")

    async def _patiently(self, run: Run, action: Action, step: Step) -> None:
        """Do a step, again while what it needs is away and our patience lasts. An undoing does not wait: the owner does."""
        end = time.monotonic() + self.patience
        while True:
            try:
                return await self._in_time(action(run), step.name, f"step.{step.deadline}")
            except Away as exc:
                if not run.forward or run.saved or time.monotonic() >= end:
                    raise
                LOG.warning("job step waits", kind=run.row.kind, step=step.name, resource=run.row.resource_id, error=str(exc))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(run.cancelled.wait(), RETRY_SECONDS)
                raise Cancelled("cancelled")

    async def _in_time(self, work: Awaitable[None], what: str, deadline: str) -> None:
        """Await what a job does, as long as it may take. Raises StepLate, which names the calls that it was in."""
        seconds, calls = self.parts.deadlines.of(deadline), list[str]()
        token = deadlines.UNDER_WAY.set(calls)
        try:
            async with asyncio.timeout(seconds) as limit:
                await work
        except TimeoutError as exc:
            if not limit.expired():
                raise
            where = f" It was in {', '.join(calls)}." if calls else ""
            raise StepLate(f"{what} did not end within {seconds:g} seconds and was given up.{where}") from exc
        finally:
            deadlines.UNDER_WAY.reset(token)

    async def _back(self, run: Run) -> None:
        while run.row.step >= 0:
            step = run.job.steps[run.row.step] if run.row.step < len(run.job.steps) else None
            undo = step.undo if step else None
            if undo is None:
                async with run.write() as tx:
                    await run.store(tx, step=run.row.step - 1)
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
            await run.store(tx, step=run.row.step - 1)

    async def _fail(self, run: Run, error: BaseException) -> None:
        if run.job.on_fail:
            await self._leave_fault(run, run.job.on_fail, error)
        await self._finish(run, "cancelled" if isinstance(error, Cancelled) else "failed")

    async def _leave_fault(self, run: Run, on_fail: Callable[[Run, BaseException], Awaitable[None]], error: BaseException) -> None:
        for attempt in range(1, UNDO_ATTEMPTS + 1):
            try:
                await self._in_time(on_fail(run, error), "leaving a fault", "step.fault")
                return
            except DatabaseDown:
                raise
            except Exception as exc:
                if attempt == UNDO_ATTEMPTS:
                    raise
                LOG.error("leaving a fault failed, is tried again", kind=run.row.kind, resource=run.row.resource_id, error=repr(exc))

    async def _finish(self, run: Run, state: str) -> None:
        async with run.write() as tx:
            await run.store(tx, state=state, finished_at=clock.now())

    async def reached(self, run: Run, when: str) -> None:
        if self.probe is not None:
            number = run.row.step
            name = run.job.steps[number].name if 0 <= number < len(run.job.steps) else "end"
            await self.probe(run, name, when)


def _words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "the step did not end in time"
    return error.message if isinstance(error, CloudError) else f"{type(error).__name__}: {error}"
