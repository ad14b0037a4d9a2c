"""Secrets: one stored and one opened, against the same sealing and the same commit by bare sqlite3."""

import os
import sqlite3
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from cloudd.keymanager.sealing import of_secret, seal, unseal
from tests.bench import cloud, load
from tests.bench.figures import Figure

TIMES = 200
PATH = "/key-manager/v1/secrets"
BODY = {"name": "bench", "algorithm": "aes", "bit_length": 256, "mode": "xts", "secret_type": "symmetric",
        "payload": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "payload_content_type": "application/octet-stream",
        "payload_content_encoding": "base64"}
AIM_MS = 10


def figures(full: bool) -> list[Figure]:
    seconds = 5.0 if full else 2.0
    with cloud.new() as place, place.serving() as daemon:
        caller = place.caller("demo")
        headers = {"X-Auth-Token": caller.token}
        ref = caller.post(PATH, BODY)["secret_ref"]
        path = f"{PATH}/{ref.rpartition('/')[2]}/payload"
        found = []
        for name, message in (("stored", load.request("POST", PATH, headers, BODY)),
                              ("opened, which the audit log is told", load.request("GET", path, {**headers, "Accept": "*/*"}))):
            before = daemon.spent()
            result = load.send(place.port, message, connections=1, seconds=seconds)
            if result.refused:
                raise RuntimeError(f"of {len(result.seconds)} secrets {result.refused} were not {name}")
            found.append((name, result.median_ms, daemon.spent().since(before).cpu * 1000 / len(result.seconds)))
        peer = _bare(place.state)
    sealing = "sealed and committed, bare sqlite3"
    return [figure for name, median, cpu in found for figure in (
        Figure(f"a secret {name}", median, "ms", ((sealing, peer),), most=AIM_MS), Figure(f"processor for a secret {name}", cpu, "ms"))]


def _bare(state: Path) -> float:
    """Milliseconds to seal 32 bytes, commit them as cloudd does, read them again and open them."""
    connection, key, data = sqlite3.connect(state / "bare.db", isolation_level=None), os.urandom(32), os.urandom(32)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE payloads (id INTEGER PRIMARY KEY, sealed BLOB)")

    def once(number: int) -> None:
        connection.execute("INSERT INTO payloads VALUES (?, ?)", (number, seal(key, of_secret("p", str(number)), data)))
        sealed = connection.execute("SELECT sealed FROM payloads WHERE id = ?", (number,)).fetchone()[0]
        if unseal(key, of_secret("p", str(number)), sealed) != data:
            raise RuntimeError("what was sealed did not open")
    median = statistics.median(_timed(once, number) for number in range(TIMES)) * 1000
    connection.close()
    return median


def _timed(work: Callable[[int], None], number: int) -> float:
    began = time.perf_counter()
    work(number)
    return time.perf_counter() - began
