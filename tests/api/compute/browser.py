"""A headless Chromium, driven by its own DevTools protocol over a websocket."""

import asyncio
import base64
import contextlib
import itertools
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

BINARY = shutil.which("chromium")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-extensions", "--disable-default-apps",
         "--remote-debugging-port=0", "--window-size=900,620")


class Page:
    def __init__(self, ws: aiohttp.ClientWebSocketResponse):
        self.ws, self._ids = ws, itertools.count(1)
        self.complaints: list[str] = []
        self._loaded = False

    async def command(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._ids)
        await self.ws.send_json({"id": number, "method": method, "params": params})
        while True:
            message = await self.ws.receive_json(timeout=30)
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            self._heard(message)

    def _heard(self, message: dict[str, Any]) -> None:
        level = message.get("params", {}).get("entry", {}).get("level")
        if level == "error" or message.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(str(message["params"]))
        self._loaded = self._loaded or message.get("method") == "Page.loadEventFired"

    async def open(self, url: str) -> None:
        """Go to an address and wait until the page is loaded."""
        for domain in ("Page", "Runtime", "Log"):
            await self.command(f"{domain}.enable")
        self._loaded = False
        await self.command("Page.navigate", url=url)
        while not self._loaded:
            self._heard(await self.ws.receive_json(timeout=30))

    async def evaluate(self, script: str) -> Any:
        result = await self.command("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def until(self, script: str, seconds: float = 20) -> Any:
        """Wait in the page until a script gives something true; what it last gave stands in the error."""
        body = f"""new Promise((done) => {{ const end = Date.now() + {seconds * 1000};
            const look = () => {{ const found = ({script}); found || Date.now() > end ? done(found) : setTimeout(look, 50); }};
            look(); }})"""
        found = await self.evaluate(body)
        shown = await self.evaluate("document.body.innerText")
        assert found, f"{script}: not within {seconds} s; the page says {shown!r}; {self.complaints}"
        return found

    async def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode((await self.command("Page.captureScreenshot"))["data"]))


@contextlib.asynccontextmanager
async def browser(directory: Path) -> AsyncIterator[Page]:
    """One page of a fresh browser."""
    process = await asyncio.create_subprocess_exec(str(BINARY), *FLAGS, f"--user-data-dir={directory}", "about:blank",
                                                   stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE)
    try:
        address = await asyncio.wait_for(_address(process), 60)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://{address}/json/list") as answer:
                target = next(one for one in await answer.json() if one["type"] == "page")
            async with session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as ws:
                yield Page(ws)
    finally:
        process.terminate()
        await process.communicate()


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    while line := await process.stderr.readline():
        if b"DevTools listening on ws://" in line:
            return line.decode().split("ws://")[1].split("/")[0]
    raise AssertionError("the browser ended")
