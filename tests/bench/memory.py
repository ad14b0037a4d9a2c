"""Memory: what a daemon with nothing to do takes, and which module and library it goes to."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests import realcloud, realtenant
from tests.bench import cloud, guest
from tests.bench.costs import pss_kb
from tests.bench.figures import Figure
from tests.bench.process import ROOT, Measured, environment

SETTLE_SECONDS = 3
SHOWN = 12
GUESTS = 2
BEFORE = {"idle": 80.5, "import": 74.8, "guests": 126.0}        # before what few requests need was left out


def figures(full: bool) -> list[Figure]:
    python, costs = _costs()
    imported = (python + costs.total()) / 1024
    with cloud.new() as place:
        with place.serving():
            place.fill()
        with place.serving() as daemon:
            time.sleep(SETTLE_SECONDS)
            idle, resident = pss_kb(daemon.pid) / 1024, daemon.resident_mb()
    whole = (("what is imported", imported),)
    return [*_real(), Figure("proportional set, idle, simulated", idle, "MB", (("before", BEFORE["idle"]), *whole), most=100),
            Figure("resident set, idle, simulated", resident, "MB", (("the proportional set", idle),)),
            Figure("imported by the daemon", imported, "MB", (("before", BEFORE["import"]), ("Python alone", python / 1024))),
            *(Figure(f"  of it {name}", kb / 1024, "MB", whole) for name, kb in _by_room(costs).most_common(None if full else SHOWN))]


def _real() -> list[Figure]:
    """With the drivers for a real machine, sealed off as in tests/guest: alone, and with guests."""
    if os.geteuid() or not guest.IMAGE.exists():
        print(f"memory: with the real drivers needs root and {guest.IMAGE} (make guest)")
        return []
    with tempfile.TemporaryDirectory(prefix="cloudd-bench-") as directory:
        place = realcloud.RealCloud(Path(directory), f"bench-{os.getpid()}")
        with realcloud.running(place):
            place.daemon.init("--no-guest", "--guest-image", str(guest.IMAGE))
            place.daemon.stop()
            place.daemon.start()
            time.sleep(SETTLE_SECONDS)
            idle = pss_kb(Measured(place.daemon.process).pid) / 1024
            asyncio.run(_with_guests(place))
            time.sleep(SETTLE_SECONDS)
            busy = pss_kb(Measured(place.daemon.process).pid) / 1024
    return [Figure("proportional set, idle, real drivers", idle, "MB", most=100),
            Figure(f"proportional set, real drivers, {GUESTS} guests run", busy, "MB", (("before", BEFORE["guests"]), ("idle", idle)))]


async def _with_guests(place: realcloud.RealCloud) -> None:
    async with realtenant.at_work(place) as tenant:
        for server in [await tenant.create(realtenant.short_name("bench")) for _ in range(GUESTS)]:
            await tenant.becomes(server, "ACTIVE")


def _costs() -> tuple[int, Counter[str]]:
    told = subprocess.run([sys.executable, "-m", "tests.bench.costs"], cwd=ROOT, env=environment(), capture_output=True, check=True)
    found = json.loads(told.stdout)
    return found["python"], Counter(found["costs"])


def _by_room(costs: Counter[str]) -> Counter[str]:
    """cloudd's own by module, drivers by kind; others by library."""
    rooms: Counter[str] = Counter()
    for name, kb in costs.items():
        parts = name.split(".")
        ours = parts[0] == "cloudd"
        rooms[".".join(parts[:3 if parts[1:2] == ["drivers"] else 2]) if ours else parts[0]] += kb
    return rooms
