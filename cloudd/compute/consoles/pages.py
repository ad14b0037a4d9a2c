"""The two pages with a console in them, and their third-party parts as npm brought them (`make consoles`)."""

from pathlib import Path
from typing import Any

from aiohttp import web

from cloudd.compute.consoles.tickets import ConsoleType
from cloudd.core.http.server import Front

PAGES = Path(__file__).resolve().parents[2] / "console_pages"
VENDORS = (PAGES / "vendor", PAGES.parents[1] / "node_modules")
PAGE_OF = {ConsoleType.NOVNC: "/console/vnc.html", ConsoleType.SERIAL: "/console/serial.html"}
SERVED = ("@novnc/novnc/core/", "@novnc/novnc/vendor/", "@xterm/xterm/lib/", "@xterm/xterm/css/", "@xterm/addon-fit/lib/")
OWN = ("console.css", "vnc.js", "serial.js", "typing.js")


class ConsolePages:
    """Static files under /console/. Their addresses carry tickets, so nothing is cached and no referrer is sent."""

    def __init__(self, settings: Any):
        framed = " ".join(("'self'", *settings.compute.console_origins))
        self.headers = {
            "Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' "
                                       f"data: blob:; connect-src 'self' ws: wss:; base-uri 'none'; frame-ancestors {framed}"}

    def routes(self, front: Front) -> None:
        for path in PAGE_OF.values():
            front.route("GET", path, self._page)
        front.route("GET", "/console/static/{name}", self._own)
        front.route("GET", "/console/vendor/{path:.+}", self._vendor)

    async def _page(self, raw: web.Request) -> web.StreamResponse:
        return web.FileResponse(PAGES / raw.path.rpartition("/")[2], headers=self.headers)

    async def _own(self, raw: web.Request) -> web.StreamResponse:
        name = raw.match_info["name"]
        if name not in OWN:
            return web.Response(status=404)
        return web.FileResponse(PAGES / name, headers={"Cache-Control": "no-cache"})

    async def _vendor(self, raw: web.Request) -> web.StreamResponse:
        path = raw.match_info["path"]
        if path.startswith(SERVED) and ".." not in path.split("/"):
            for root in VENDORS:
                if (root / path).is_file():
                    return web.FileResponse(root / path, headers={"Cache-Control": "max-age=3600"})
        return web.Response(status=404, text="There is no such file; `make consoles` fetches the consoles' third-party parts.")
