"""Tokens: issued a second, against bare bcrypt; checked a second, against aiohttp that checks nothing."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import bcrypt

from tests.bench import bare, cloud, load
from tests.bench.figures import Figure
from tests.bench.process import Measured

BCRYPT_ROUNDS = 12          # cloudd's default
AIM_MS = 4
CONNECTIONS = 8


def figures(full: bool) -> list[Figure]:
    seconds = 20.0 if full else 6.0
    hashes = _hashes(seconds)
    with cloud.new() as place, place.serving() as daemon:
        ask = load.request("POST", "/identity/v3/auth/tokens", body=cloud.credentials(place.clouds["demo"]))
        issued = load.send(place.port, ask, connections=CONNECTIONS, seconds=seconds)
        caller = place.caller("demo")
        headers = {"X-Auth-Token": caller.token, "X-Subject-Token": caller.token}
        content = caller.request("GET", "/identity/v3/auth/tokens", headers=headers)[1]
        check = load.request("GET", "/identity/v3/auth/tokens", headers)
        load.send(place.port, check, connections=CONNECTIONS, seconds=0.5)
        queries, before = place.queries(), daemon.spent()
        checked = load.send(place.port, check, connections=CONNECTIONS, seconds=seconds)
        cpu = daemon.spent().since(before).cpu * 1000 / len(checked.seconds)
        asked = (place.queries() - queries) / len(checked.seconds)
        rescoped, rescope_cpu, rescope_queries = _rescoped(place, daemon, caller, seconds)
    peer, peer_cpu = bare.measured(_json(content), check, CONNECTIONS, seconds)
    return [
        Figure("tokens issued a second (password)", issued.rate, "/s",
               ((f"bare bcrypt 2^{BCRYPT_ROUNDS} on {os.cpu_count()} cores", hashes),)),
        Figure("tokens checked a second", checked.rate, "/s", (("bare aiohttp, same bytes", peer.rate),)),
        Figure("processor for a token check", cpu, "ms", (("bare aiohttp, same bytes", peer_cpu),)),
        Figure("queries for a token check", asked, "", (("one a check", 1.0),)),
        Figure("tokens from a token a second", rescoped, "/s"),
        Figure("processor for a token from a token", rescope_cpu, "ms", most=AIM_MS),
        Figure("queries for a token from a token", rescope_queries, ""),
    ]


def _rescoped(place: cloud.Cloud, daemon: Measured, caller: cloud.Caller, seconds: float) -> tuple[float, float, float]:
    """Tokens got with a token: how many a second, processor milliseconds and statements of one."""
    body = {"auth": {"identity": {"methods": ["token"], "token": {"id": caller.token}}, "scope": {"project": {"id": caller.project_id}}}}
    ask = load.request("POST", "/identity/v3/auth/tokens", body=body)
    load.send(place.port, ask, connections=CONNECTIONS, seconds=0.5)
    queries, before = place.queries(), daemon.spent()
    made = load.send(place.port, ask, connections=CONNECTIONS, seconds=seconds)
    count = len(made.seconds)
    return made.rate, daemon.spent().since(before).cpu * 1000 / count, (place.queries() - queries) / count


def _json(content: object) -> bytes:
    import orjson

    return orjson.dumps(content)


def _hashes(seconds: float) -> float:
    """Passwords checked a second by bcrypt and nothing else, on all cores."""
    known = bcrypt.hashpw(b"a password", bcrypt.gensalt(BCRYPT_ROUNDS))
    began = time.perf_counter()

    def one_core(_: int) -> int:
        count = 0
        while time.perf_counter() - began < seconds:
            bcrypt.checkpw(b"a password", known)
            count += 1
        return count

    with ThreadPoolExecutor() as pool:
        count = sum(pool.map(one_core, range(os.cpu_count() or 1)))
    return count / (time.perf_counter() - began)
