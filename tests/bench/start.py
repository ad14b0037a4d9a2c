"""Start-up: from `cloudd serve` to its first answer, against what Python and the libraries cost alone."""

import statistics
import time

from tests.bench import cloud
from tests.bench.figures import Figure
from tests.bench.process import seconds_of

RUNS = 5
LIBRARIES = "import aiohttp.web, sqlalchemy.ext.asyncio"


def figures(full: bool) -> list[Figure]:
    with cloud.new() as place:
        first = _start(place)                                 # makes the database, the keys and the users
        _start(place)                                         # and this one compiled what the first did not
        again = statistics.median(_start(place) for _ in range(RUNS))
    bare = statistics.median(seconds_of(["-c", "pass"]) for _ in range(RUNS))
    libraries = statistics.median(seconds_of(["-c", LIBRARIES]) for _ in range(RUNS))
    peers = (("python -c pass", bare), ("importing aiohttp and SQLAlchemy", libraries))
    return [Figure("serve to first answer", again, "s", peers, most=1.5),
            Figure("the very first serve, which makes the database", first, "s", (("a later one", again),))]


def _start(place: cloud.Cloud) -> float:
    began = time.perf_counter()
    with place.serving():
        return time.perf_counter() - began
