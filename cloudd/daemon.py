"""Makes every part in order, starts them, stops them in reverse."""

import asyncio
import contextlib
import ctypes
import fcntl
import gc
import os
import signal
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

from cloudd.block.service import BlockModule
from cloudd.compute.service import ComputeModule
from cloudd.core import clock, jobs, log, systemd, tasks, tls
from cloudd.core.database import Database
from cloudd.core.errors import StartError
from cloudd.core.events import Bus, Retention
from cloudd.core.http.dispatch import Dispatcher
from cloudd.core.http.local import Local
from cloudd.core.http.server import Front
from cloudd.core.module import Module
from cloudd.core.outage import DatabaseDown
from cloudd.core.parts import Parts
from cloudd.core.policy import Policies
from cloudd.core.runner import Runner
from cloudd.core.work.deadlines import Deadlines
from cloudd.core.work.threads import Elastic
from cloudd.identity.service import IdentityModule
from cloudd.image.service import ImageModule
from cloudd.keymanager.service import KeyManagerModule
from cloudd.network.service import NetworkModule
from cloudd.settings import Settings

LOG = log.get("cloudd.daemon")
MODULES: tuple[type[Module], ...] = (IdentityModule, KeyManagerModule, ImageModule, NetworkModule, BlockModule, ComputeModule)
HOUSEKEEPING_SECONDS = 3600
THREADS = 8                             # for calls that block and belong to nobody's own pool: files, hashes
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3                   # malloc.h
LARGE = 128 * 1024
MEMORY_SECONDS = 30
COLLECT = (10_000, 20, 20)              # a request makes some thousand objects, and they die by themselves


class AlreadyRunning(StartError):
    """Another daemon holds this state directory."""


class Daemon:
    """One running cloud. `async with Daemon(settings).running(): ...`"""

    def __init__(self, settings: Settings):
        self.settings = settings
        self.parts = Parts(settings, Database(settings.database.url, settings.database.pool_size), Policies(),
                           deadlines=Deadlines(settings.jobs.seconds()))
        self.parts.bus = Bus(self.parts.database, Retention.of(settings.events))
        self.parts.services[Runner] = self.jobs = Runner(self.parts, limits=settings.jobs.by_kind(), patience=settings.jobs.patience)
        self.modules = [kind(self.parts) for kind in MODULES]
        identity = next(module for module in self.modules if isinstance(module, IdentityModule))
        identity.catalog_of(self.modules)
        self.dispatcher = Dispatcher(self.parts, identity.authenticate, identity.tokens.restrict)
        self.parts.services[Local] = Local(self.dispatcher)
        self.ready = False
        self.tls: ssl.SSLContext | None = None
        self.front = Front(self.parts, self.dispatcher, self._health())

    def _health(self) -> dict[str, Callable[..., object]]:
        checks = {"daemon": self._started, "database": self.parts.database.check}
        for module in self.modules:
            checks.update(module.health())
        return checks

    async def _started(self) -> None:
        if not self.ready:
            raise StartError("still starting: what is on the machine is being compared with what shall be there")

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Daemon"]:
        """Everything started, in order; stopped in reverse at the end of the block."""
        asyncio.get_running_loop().set_default_executor(Elastic("blocking", THREADS))
        async with AsyncExitStack() as stack:
            stack.enter_context(only_one(Path(self.settings.server.state_dir)))
            stack.push_async_callback(self.parts.database.close)
            stack.push_async_callback(tasks.stop_all, tasks.own())
            await self.parts.database.check_schema()
            await self._open(stack)
            await self._serve(stack)
            await self._start(stack)
            self.ready = True
            yield self

    async def _open(self, stack: AsyncExitStack) -> None:
        for module in self.modules:
            for api in module.apis:
                self.dispatcher.mount(api)
        if self.settings.policy.file:
            self.parts.policies.override(Path(self.settings.policy.file))
        for module in self.modules:
            stack.push_async_callback(module.stop)
            await module.open()
            module.routes(self.front)

    async def _serve(self, stack: AsyncExitStack) -> None:
        if paths := tls.wanted(self.settings):
            self.tls = tls.ssl_context(paths)
        stack.push_async_callback(self.front.stop)
        await self.front.start(self.settings.server.addresses(), self.tls)

    async def _start(self, stack: AsyncExitStack) -> None:
        await self.parts.bus.start()
        stack.push_async_callback(self.parts.bus.stop)
        for module in self.modules:
            await module.start()
        await self.jobs.start()
        stack.push_async_callback(self.jobs.stop)
        for name, work in (("certificate", self._renew_certificate), ("old events", self.parts.bus.forget_old),
                           ("old jobs", self._forget_old_jobs)):
            tasks.repeat(name, work, lambda: HOUSEKEEPING_SECONDS)

    async def _forget_old_jobs(self) -> None:
        await jobs.forget_old(self.parts, clock.now() - timedelta(days=self.settings.jobs.retention_days))

    async def _renew_certificate(self) -> None:
        await asyncio.to_thread(self.renew_certificate)

    async def alive(self) -> None:
        """Whether a restart would not help. It would not while the database itself is down. Raises what a broken daemon does."""
        with contextlib.suppress(DatabaseDown):
            await self.parts.database.ping()

    def renew_certificate(self) -> None:
        """Ours is renewed before its end, and an operator's read again: new connections get the newest, none is cut."""
        if self.tls is not None and (paths := tls.wanted(self.settings)):
            self.tls.load_cert_chain(paths.certificate, paths.key)


@contextlib.contextmanager
def only_one(state_dir: Path):
    """Hold the state directory; the kernel lets go of it however the process ends."""
    state_dir.mkdir(parents=True, exist_ok=True)
    handle = os.open(state_dir / "cloudd.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.truncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        yield
    except BlockingIOError:
        raise AlreadyRunning(f"another cloudd already runs on {state_dir} (its pid is in {state_dir}/cloudd.lock)") from None
    finally:
        os.close(handle)


def collect_seldom() -> None:
    """What the start made stays, so the garbage collector need not look through it in the midst of requests."""
    gc.freeze()
    gc.set_threshold(*COLLECT)
    gc.enable()


class Memory:
    """Gives back to the system what a burst of requests needed. glibc keeps it: it raises by itself the size from which on memory is
    given back at once, and of the rest only what lies at the very end."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None)
        self._trim = getattr(libc, "malloc_trim", None)       # musl has none, and gives all back
        self._usual = 0
        for option in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD) if self._trim else ():
            libc.mallopt(option, LARGE)

    async def give_back(self) -> None:
        """When there is more than the last time."""
        if self._trim and resident_pages() > 1.05 * self._usual:
            await asyncio.to_thread(self._trim, 0)
            self._usual = resident_pages()


def resident_pages() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1])


async def serve(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT; the exit status."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with Daemon(settings).running() as daemon:
        collect_seldom()
        tasks.repeat("memory", Memory().give_back, lambda: MEMORY_SECONDS)
        LOG.info("cloudd is ready", listen=settings.server.listen, state_dir=settings.server.state_dir)
        systemd.ready()
        watchdog = tasks.start("watchdog", systemd.watchdog(daemon.alive))
        await stopping.wait()
        systemd.stopping()
        watchdog.cancel()
        LOG.info("cloudd is stopping")
    return 0
