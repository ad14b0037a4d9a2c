"""Identity: tokens issued and checked (tokens.py), and 10,000 users listed, page by page and at once, against bare SQL."""

import http.client
import json
import sqlite3
import statistics
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import create_engine, func, insert, select

from cloudd.identity.models import User
from tests.bench import bare, cloud, load, tokens
from tests.bench.figures import Figure

USERS = 10_000
PAGE = 100
PATH = "/identity/v3/users"
COLUMNS = ", ".join(column.name for column in User.__table__.columns)
AIM_MS = 5


@dataclass(frozen=True)
class Walk:
    """A list read to its end: how many users there were, the seconds of each page, and the addresses of the pages."""

    users: int
    seconds: list[float]
    paths: list[str]


def figures(full: bool) -> list[Figure]:
    return [*tokens.figures(full), *_lists(5.0 if full else 2.0)]


def _lists(seconds: float) -> list[Figure]:
    with cloud.new() as place, place.serving() as daemon:
        caller = place.caller("admin")
        marker = caller.get(PATH)["users"][0]["id"]
        few = _queries(place, caller, f"{PATH}?limit={PAGE}&marker={marker}")
        count = _multiply(place.state)
        walk, whole = _walk(place.port, caller.token, f"{PATH}?limit={PAGE}"), _walk(place.port, caller.token, PATH)
        if (walk.users, whole.users) != (count, count):
            raise RuntimeError(f"of {count} users {walk.users} were listed page by page, {whole.users} at once")
        many = _queries(place, caller, walk.paths[-2])
        content = json.dumps(caller.get(walk.paths[1]), separators=(",", ":")).encode()
        early, late = (load.request("GET", walk.paths[at], {"X-Auth-Token": caller.token}) for at in (1, -2))
        first, before = load.send(place.port, early, connections=1, seconds=seconds), daemon.spent()
        last = load.send(place.port, late, connections=1, seconds=seconds)
        cpu = daemon.spent().since(before).cpu * 1000 / len(last.seconds)
        rows, at_once = _bare_pages(place.state), _bare_whole(place.state)
    peer, peer_cpu = bare.measured(content, load.request("GET", "/"), 1, seconds)
    sql = "the same rows, bare SQL"
    return [
        Figure(f"a page of {PAGE} users of {USERS}", first.median_ms, "ms",
               ((sql, statistics.median(rows) * 1000), ("bare aiohttp, same bytes", peer.median_ms)), most=AIM_MS),
        Figure(f"a page of {PAGE} at the end of the list", last.median_ms, "ms", (("at its beginning", first.median_ms),), times=1.5),
        Figure(f"processor for a page of {PAGE}", cpu, "ms", (("bare aiohttp, same bytes", peer_cpu),), most=AIM_MS),
        Figure(f"{USERS} users, {PAGE} a page", sum(walk.seconds) * 1000, "ms", ((sql, sum(rows) * 1000),)),
        Figure(f"{USERS} users at once", sum(whole.seconds) * 1000, "ms", ((sql, at_once * 1000),)),
        Figure(f"queries for a page of {PAGE} of {USERS}", many, "", (("with few users", few),), times=1.01)]


def _multiply(state: Path) -> int:
    """Copies of one user until there are USERS; how many there are then."""
    table = User.__table__
    engine = create_engine(f"sqlite:///{state}/cloudd.db", connect_args={"timeout": 30})
    with engine.begin() as connection:
        have = connection.execute(select(func.count()).select_from(table)).scalar_one()
        pattern = dict(connection.execute(select(table).where(table.c.name == "demo")).one()._mapping)
        connection.execute(insert(table), [{**pattern, "id": uuid.uuid4().hex, "name": f"bench-{number}"}
                                           for number in range(have, USERS)])
    engine.dispose()
    return max(have, USERS)


def _walk(port: int, token: str, path: str) -> Walk:
    """Read a list over one connection, following `next`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    users, seconds, paths = 0, [], []
    while path:
        began = time.perf_counter()
        connection.request("GET", path, headers={"X-Auth-Token": token})
        body = json.loads(connection.getresponse().read())
        seconds.append(time.perf_counter() - began)
        paths.append(path)
        users += len(body["users"])
        parts = urlsplit(body["links"]["next"] or "")
        path = f"{parts.path}?{parts.query}" if parts.path else ""
    connection.close()
    return Walk(users, seconds, paths)


def _queries(place: cloud.Cloud, caller: cloud.Caller, path: str) -> float:
    """How many statements one GET sends, once what may be kept in memory is there."""
    caller.get(path)
    before = place.queries()
    for _ in range(10):
        caller.get(path)
    return (place.queries() - before) / 10


def _bare_pages(state: Path) -> list[float]:
    """Seconds for each page, read by sqlite3 alone into tuples."""
    connection, seconds, marker = sqlite3.connect(f"file:{state}/cloudd.db?mode=ro", uri=True), [], ""
    rows = [("",)]
    while rows:
        began = time.perf_counter()
        rows = connection.execute(f"SELECT {COLUMNS} FROM identity_users WHERE id > ? ORDER BY id LIMIT ?", (marker, PAGE)).fetchall()
        if rows:
            seconds.append(time.perf_counter() - began)
            marker = rows[-1][0]
    connection.close()
    return seconds


def _bare_whole(state: Path) -> float:
    connection = sqlite3.connect(f"file:{state}/cloudd.db?mode=ro", uri=True)
    began = time.perf_counter()
    connection.execute(f"SELECT {COLUMNS} FROM identity_users ORDER BY id").fetchall()
    connection.close()
    return time.perf_counter() - began
