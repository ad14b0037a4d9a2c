"""Doing nothing: memory, processor and wake-ups of a daemon that nobody calls."""

import tempfile
import time
from pathlib import Path

from tests.bench import bare, cloud, load
from tests.bench.figures import Figure
from tests.bench.process import Measured, running, wait
from tests.bench.start import LIBRARIES

SETTLE_SECONDS = 3
WINDOW_SECONDS = 10
REQUESTS = 1000
PATHS = ("/compute/v2.1/servers/detail", "/compute/v2.1/flavors/detail", "/image/v2/images", "/networking/v2.0/networks",
         "/networking/v2.0/ports", "/identity/v3/auth/catalog", "/compute/v2.1/limits", "/networking/v2.0/security-groups",
         "/compute/v2.1/os-keypairs", "/networking/v2.0/routers")


def figures(full: bool) -> list[Figure]:
    window = 60 if full else WINDOW_SECONDS
    with cloud.new() as place:
        with place.serving():
            place.fill()
        with place.serving() as daemon:
            time.sleep(SETTLE_SECONDS)
            memory, threads = daemon.resident_mb(), daemon.threads()
            cpu, sleeps = of(daemon, window)
            after = _worked(place, daemon)
    with bare.answering(b"{}") as (_, peer):
        time.sleep(SETTLE_SECONDS)
        peer_memory, peer_threads, (_, peer_sleeps) = peer.resident_mb(), peer.threads(), of(peer, WINDOW_SECONDS)
    bare_name = "a bare aiohttp server"
    return [
        Figure("resident memory, idle", memory, "MB", (("importing aiohttp and SQLAlchemy", _libraries_mb()),
                                                       (bare_name, peer_memory)), most=120),
        Figure(f"resident memory after {REQUESTS:,} requests", after, "MB", (("idle", memory),)),
        Figure(f"processor, idle for {window} s", cpu, "%", (("one core", 100.0),), most=1),
        Figure(f"wake-ups a minute, idle for {window} s", sleeps, "", ((bare_name, peer_sleeps),)),
        Figure("threads, idle", threads, "", ((bare_name, peer_threads),)),
    ]


def of(process: Measured, window: float) -> tuple[float, float]:
    """Processor in percent of a core, and how often a minute some thread woke."""
    before = process.spent()
    time.sleep(window)
    spent = process.spent().since(before)
    return 100 * spent.cpu / window, 60 * spent.sleeps / window


def _worked(place: cloud.Cloud, daemon: Measured) -> float:
    headers = {"X-Auth-Token": place.caller("demo").token}
    for path in PATHS:
        load.send(place.port, load.request("GET", path, headers), connections=4, seconds=60, most=REQUESTS // len(PATHS))
    return daemon.resident_mb()


def _libraries_mb() -> float:
    """What the libraries alone take."""
    with tempfile.TemporaryDirectory(prefix="cloudd-bench-") as directory:
        mark = Path(directory) / "ready"
        text = f"{LIBRARIES}, pathlib, time; pathlib.Path({str(mark)!r}).touch(); time.sleep(60)"
        with running(["-c", text], Path(directory) / "log") as process:
            wait(mark.exists)
            return process.resident_mb()
