"""The peer of our HTTP figures: aiohttp with one handler that answers the same bytes and does nothing else.

`python -m tests.bench.bare PORT FILE` serves the content of FILE as JSON at every address.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench import load
from tests.bench.cloud import Caller, free_port
from tests.bench.process import Measured, running, wait


@contextmanager
def answering(content: bytes) -> Iterator[tuple[int, Measured]]:
    """The port of the peer and its process."""
    with tempfile.TemporaryDirectory(prefix="cloudd-bench-bare-") as directory:
        file, port = Path(directory) / "content", free_port()
        file.write_bytes(content)
        with running(["-m", "tests.bench.bare", str(port), str(file)], Path(directory) / "log") as process:
            wait(lambda: _answers(port))
            yield port, process


def _answers(port: int) -> bool:
    try:
        Caller(port).get("/")
    except OSError:
        return False
    return True


def measured(content: bytes, message: bytes, connections: int, seconds: float) -> tuple[load.Load, float]:
    """The load that the peer carries, and its processor milliseconds for each answer."""
    with answering(content) as (port, process):
        load.send(port, message, connections=connections, seconds=0.5)
        before = process.spent()
        result = load.send(port, message, connections=connections, seconds=seconds)
        return result, process.spent().since(before).cpu * 1000 / len(result.seconds)


def serve(port: int, content: bytes) -> None:
    import uvloop
    from aiohttp import web

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=content, headers={"Content-Type": "application/json"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None, loop=uvloop.new_event_loop())


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]).read_bytes())
