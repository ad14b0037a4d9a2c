"""What refused requests leave: memory of a daemon that strangers have sent bodies which fit no schema."""

import time

from cloudd.daemon import MEMORY_SECONDS
from tests.bench import cloud, load
from tests.bench.figures import Figure
from tests.bench.process import Measured

REFUSED = 10_000
WARM = 500
SETTLE_SECONDS = MEMORY_SECONDS + 3
CROWD = 200
LOGIN = "/identity/v3/auth/tokens"
KINDS = {"60 kB that fail their schema": {"auth": {"identity": {"methods": ["x" * 300] * 200}}},
         "1 MB that fails its schema": {"auth": {"identity": "x" * (1 << 20)}}}


def figures(full: bool) -> list[Figure]:
    found = []
    for kind, body in KINDS.items():
        message = load.request("POST", LOGIN, body=body)
        with cloud.new() as place, place.serving() as daemon:
            load.send(place.port, message, connections=8, seconds=60, most=WARM, hostile=True)
            before, _ = _settled(daemon), daemon.highest_mb()
            load.send(place.port, message, connections=8, seconds=600 if full else 60, most=REFUSED, hostile=True)
            highest, after = daemon.highest_mb(), _settled(daemon)
            load.send(place.port, message, connections=CROWD, seconds=60, most=2000, hostile=True)
            crowd, late = daemon.highest_mb(), _settled(daemon)
            was = (("before", before),)
            found += [Figure(f"memory after {REFUSED:,} refused: {kind}", after, "MB", was, times=1.1),
                      Figure(f"  at most, 8 at once: {kind}", highest, "MB", was),
                      Figure(f"  at most, {CROWD} at once: {kind}", crowd, "MB", was),
                      Figure(f"  after that: {kind}", late, "MB", was, times=1.1)]
    return found


def _settled(daemon: Measured) -> float:
    time.sleep(SETTLE_SECONDS)
    return daemon.resident_mb()
