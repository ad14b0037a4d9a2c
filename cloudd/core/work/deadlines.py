"""How long anything may take before it is given up: the one table. `[jobs] deadlines` overrides it.

Steps of jobs name theirs (`step.disks`). Calls of drivers have theirs by name (`hypervisor.start`), or by the beginning of it. A call
that outlives its deadline is left behind: its caller gets the driver's own error, which names the call, however it hangs.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")

SECONDS: dict[str, float] = {
    "step.machine": 900,                  # asks the hypervisor or the dataplane for what is quick when they work
    "step.memory": 7200,                  # writes or reads a guest's memory
    "step.guest": 21600,                  # waits for a guest to shut down, as long as its owner wants
    "step.disks": 21600,                  # copies or converts disks of this machine
    "step.transfer": 86400,               # fetches or sends an image's data
    "step.fault": 300,                    # leaves a fault when the job has failed

    "hypervisor": 60,
    "hypervisor.open": 120,
    "hypervisor.start": 300,
    "hypervisor.destroy": 120,
    "hypervisor.undefine": 120,
    "hypervisor.detach_nic": 120,         # the guest is asked several times
    "hypervisor.detach_disk": 120,
    "hypervisor.resize_disk": 600,
    "hypervisor.save": 3600,
    "hypervisor.restore": 3600,
    "hypervisor.export_disk": 21600,
    "hypervisor.volumes": 120,
    "hypervisor.volumes.switch": 300,     # guests' file systems come to rest first
    "hypervisor.volumes.still": 300,
    "hypervisor.volumes.commit": 21600,
    "hypervisor.volumes.mirror": 86400,
    "hypervisor.disks": 600,
    "hypervisor.disks.cache_image": 86400,
    "hypervisor.disks.create_root_disk": 21600,
    "hypervisor.disks.create_blank_disk": 3600,
    "hypervisor.disks.resize": 3600,
    "hypervisor.consoles": 60,

    "network": 120,
    "network.open": 300,
    "network.restore": 3600,

    "volume": 120,
    "volume.open": 600,
    "volume.list": 600,
    "volume.tidy": 3600,
    "volume.create_volume": 21600,        # may copy or convert
    "volume.delete_volume": 3600,         # may write zeros
    "volume.revert_volume": 21600,
    "volume.merge_volume": 21600,
    "volume.prepare_snapshot": 600,
    "volume.create_snapshot": 21600,
    "volume.cache_image": 86400,
    "volume.changed": 3600,
    "volume.export": 86400,
    "volume.manage_volume": 3600,
    "volume.unmanage": 21600,
    "volume.extents": 600,                # for each piece

    "store": 120,
    "store.read": 300,                    # for each chunk
    "store.write": 300,                   # likewise
    "store.commit": 3600,
    "store.adopt": 21600,
    "store.keys": 600,
}
GRACE_SECONDS = 2.0
"""How long a call that is given up may clean up behind itself."""

END = object()
UNDER_WAY: ContextVar[list[str] | None] = ContextVar("calls under way", default=None)
"""The calls that a step is in, for the error that tells why it did not end."""


class Deadlines:
    """The table as the settings have it."""

    def __init__(self, own: Mapping[str, float] | None = None):
        self._seconds = {**SECONDS, **(own or {})}

    def of(self, name: str) -> float:
        """Of a name, or of the longest beginning of it that the table has."""
        while name not in self._seconds:
            name, dot, _ = name.rpartition(".")
            if not dot:
                raise LookupError("no deadline")
        return self._seconds[name]

    def guard(self, driver: T, kind: type, name: str, error: Callable[[str], Exception], makes: type | None = None) -> T:
        """Give the methods that `kind` declares their deadlines in this driver, and likewise what they return of type `makes`."""
        for method, declared in vars(kind).items():
            if not getattr(declared, "__isabstractmethod__", False):
                continue
            work, call = partial(_own, driver, method), f"{name}.{method}"
            if inspect.iscoroutinefunction(declared):
                setattr(driver, method, self._call(work, call, error, makes))
            elif "AsyncIterator" in str(declared.__annotations__.get("return", "")):
                setattr(driver, method, self._stream(work, call, error))
        return driver

    def _call(self, work: Callable[..., Awaitable[T]], name: str, error: Callable[[str], Exception],
              makes: type | None) -> Callable[..., Awaitable[T]]:
        seconds = self.of(name)

        async def call(*args: Any, **kwargs: Any) -> T:
            result = await bounded(work(*args, **kwargs), seconds, name, error)
            if makes is not None and isinstance(result, makes):
                self.guard(result, makes, name.partition(".")[0], error)
            return result
        return call

    def _stream(self, work: Callable[..., AsyncIterator[T]], name: str,
                error: Callable[[str], Exception]) -> Callable[..., AsyncIterator[T]]:
        seconds = self.of(name)

        async def stream(*args: Any, **kwargs: Any) -> AsyncIterator[T]:
            source: Any = work(*args, **kwargs)
            try:
                while (chunk := await _next(source, seconds, name, error)) is not END:
                    yield chunk
            finally:
                await source.aclose()
        return stream


def _own(driver: Any, method: str, *args: Any, **kwargs: Any) -> Any:
    """What the driver's class does under this name."""
    return getattr(type(driver), method)(driver, *args, **kwargs)


@contextmanager
def _noted(name: str) -> Iterator[None]:
    """A call is under way; one that did not end stays noted."""
    under_way = UNDER_WAY.get()
    if under_way is None:
        yield
        return
    under_way.append(name)
    try:
        yield
    except asyncio.CancelledError:
        raise
    except BaseException:
        under_way.remove(name)
        raise
    else:
        under_way.remove(name)


async def bounded(work: Awaitable[T], seconds: float, name: str, error: Callable[[str], Exception]) -> T:
    """The result of a call, or its error when the deadline has passed; even one that cannot be cancelled holds up nobody."""
    task = asyncio.ensure_future(work)
    with _noted(name):
        try:
            await asyncio.wait((task,), timeout=seconds)
        except asyncio.CancelledError:
            await _give_up(task)
            raise
        if not task.done():
            await _give_up(task)
            raise error(_late(name, seconds))
        return task.result()


async def _next(source: Any, seconds: float, name: str, error: Callable[[str], Exception]) -> Any:
    """A stream stays in the task of its reader, since what it holds open may belong to that."""
    with _noted(name):
        try:
            async with asyncio.timeout(seconds) as limit:
                return await anext(source, END)
        except TimeoutError as exc:
            raise error(_late(name, seconds)) if limit.expired() else exc from None


def _late(name: str, seconds: float) -> str:
    return f"the call {name} did not end within {seconds:g} seconds and was given up"


async def _give_up(task: "asyncio.Future[Any]") -> None:
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    task.cancel()
    await asyncio.wait((task,), timeout=GRACE_SECONDS)
