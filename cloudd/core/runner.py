"""Runs the jobs of core/jobs.py: in order, one at a time per lock, saved after each step, undone when one fails."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from sqlalchemy import select, update

from cloudd.core import clock, log, tasks
from cloudd.core.errors import Away, CloudError
from cloudd.core.jobs import OPEN, Action, Cancelled, Registry, Run, Step, StepFailed, store
from cloudd.core.outage import RETRY_SECONDS, DatabaseDown
from cloudd.core.parts import Parts
from cloudd.core.tables import JobRow

LOG = log.get("cloudd.jobs")
UNDO_ATTEMPTS = 3


@dataclass
class Runner:
    """Takes jobs from the table and runs them. `patience` is how many seconds a step waits for what is away.

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
                    await store(tx, row, state="running", started_at=clock.now())
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
        run = Run(self.parts, row, Registry[row.kind], self.reached)
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
                await store(tx, run.row, state="undoing", error=_words(error), memory=run.memory)
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
        await self._patiently(run, action, step)
        if not run.saved:
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
                async with asyncio.timeout(step.timeout if run.forward else None):
                    return await action(run)
            except Away as exc:
                if not run.forward or run.saved or time.monotonic() >= end:
                    raise
                LOG.warning("job step waits", kind=run.row.kind, step=step.name, resource=run.row.resource_id, error=str(exc))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(run.cancelled.wait(), RETRY_SECONDS)
                raise Cancelled("cancelled")

    async def _back(self, run: Run) -> None:
        while run.row.step >= 0:
            step = run.job.steps[run.row.step] if run.row.step < len(run.job.steps) else None
            undo = step.undo if step else None
            if undo is None:
                async with run.write() as tx:
                    await store(tx, run.row, step=run.row.step - 1)
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
            await store(tx, run.row, step=run.row.step - 1)

    async def _fail(self, run: Run, error: BaseException) -> None:
        if run.job.on_fail:
            await run.job.on_fail(run, error)
        await self._finish(run, "cancelled" if isinstance(error, Cancelled) else "failed")

    async def _finish(self, run: Run, state: str) -> None:
        async with run.write() as tx:
            await store(tx, run.row, state=state, finished_at=clock.now())

    async def reached(self, run: Run, when: str) -> None:
        if self.probe is not None:
            number = run.row.step
            name = run.job.steps[number].name if 0 <= number < len(run.job.steps) else "end"
            await self.probe(run, name, when)


def _words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "the step did not end in time"
    return error.message if isinstance(error, CloudError) else f"{type(error).__name__}: {error}"
