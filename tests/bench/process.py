"""A process that is measured: its memory, processor time and wake-ups from /proc, and how it is started and ended."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOOK_SECONDS = 0.005


@dataclass(frozen=True)
class Spent:
    """What a process has used since it began: processor seconds, and how often one of its threads went to sleep."""

    cpu: float
    sleeps: int

    threads: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def since(self, before: "Spent") -> "Spent":
        """By the threads that are there now: what one spent that has ended since is not known any more."""
        pairs = [(now, before.threads.get(thread, (0, 0))) for thread, now in self.threads.items()]
        return Spent(sum(now[0] - then[0] for now, then in pairs) / 1e9, sum(now[1] - then[1] for now, then in pairs))


@dataclass(frozen=True)
class Measured:
    """A running process."""

    process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        return self.process.pid

    def alive(self) -> bool:
        """Raises RuntimeError when it ended by itself."""
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.process.args} ended with {self.process.returncode}")
        return True

    def _status(self) -> dict[str, str]:
        return dict(line.split(":", 1) for line in Path(f"/proc/{self.pid}/status").read_text().splitlines())

    def resident_mb(self) -> float:
        return int(self._status()["VmRSS"].split()[0]) / 1024

    def highest_mb(self) -> float:
        """The most that it had since this was last asked."""
        highest = int(self._status()["VmHWM"].split()[0]) / 1024
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")
        return highest

    def threads(self) -> int:
        return int(self._status()["Threads"])

    def spent(self) -> Spent:
        """Over all threads; the scheduler's own nanoseconds, since ticks of 10 ms are too coarse for an idle daemon."""
        threads = {}
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            sleeps = (task / "status").read_text().split("\nvoluntary_ctxt_switches:")[1].split()[0]
            threads[task.name] = (int((task / "schedstat").read_text().split()[0]), int(sleeps))
        return Spent(sum(cpu for cpu, _ in threads.values()) / 1e9, sum(sleeps for _, sleeps in threads.values()), threads)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """As an installed cloudd runs: from compiled modules."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, **(extra or {})}


@contextmanager
def running(arguments: list[str], log: Path, extra: Mapping[str, str] | None = None) -> Iterator[Measured]:
    """`python ARGUMENTS`, ended with the block."""
    with log.open("ab") as output:
        process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=environment(extra), stdout=output, stderr=output)
    try:
        yield Measured(process)
    finally:
        process.terminate()
        process.wait(60)


def seconds_of(arguments: list[str]) -> float:
    """How long `python ARGUMENTS` runs."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment(), check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def wait(condition: object, seconds: float = 60, every: float = LOOK_SECONDS) -> float:
    """Until `condition()` is true; how long that took. Raises TimeoutError."""
    began = time.perf_counter()
    while not condition():  # type: ignore[operator]
        if time.perf_counter() - began > seconds:
            raise TimeoutError(f"not within {seconds} s")
        time.sleep(every)
    return time.perf_counter() - began
