"""A real S3 server (moto) as a process of its own, for tests."""

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.api.conftest import free_port
from tests.waiting import until_ready

KEY, SECRET = "testing", "not%2Fso%20secret"


def request(url: str, method: str) -> int:
    with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=10) as answer:
        return answer.status


@contextmanager
def server(log: Path) -> Iterator[str]:
    """HOST:PORT of a server with the bucket `images`."""
    place = f"127.0.0.1:{free_port()}"
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", place.rpartition(":")[2]],
                                   stdout=output, stderr=output)
    try:
        until_ready(int(place.rpartition(":")[2]), seconds=60)
        request(f"http://{place}/images", "PUT")
        yield place
    finally:
        process.terminate()
        process.wait(10)


def address(place: str, path: str = "images") -> str:
    """What [image] stores takes."""
    return f"http://{KEY}:{SECRET}@{place}/{path}"
