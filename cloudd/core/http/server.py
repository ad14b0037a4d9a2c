"""The one port: the mounted APIs, and besides them health, metrics, the OpenAPI document and what modules add by hand."""

import hmac
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from cloudd.core import log
from cloudd.core.errors import CloudError, Forbidden
from cloudd.core.http import openapi, openapi_page
from cloudd.core.http.addresses import by_trusted_proxy, client_address, networks, require_host, within
from cloudd.core.http.connections import Limits
from cloudd.core.http.dispatch import CONTEXT, REQUEST_ID, Dispatcher, base_url, forget_frames
from cloudd.core.http.doors import Door, Runner
from cloudd.core.http.metrics import Metrics
from cloudd.core.parts import Parts

LOG = log.get("cloudd.access")
CLASSIC_PORTS = {5000: "/identity", 8774: "/compute", 8776: "/volume", 9292: "/image", 9311: "/key-manager", 9696: "/networking"}
NAME = "cloudd"
"""What the Server header says: no versions."""
LINGER_SECONDS = 5.0
"""How long the rest of a refused body is read, so that its sender sees the answer."""
READ_AHEAD = 1 << 16
"""Bytes of a body that are taken before somebody wants them; twice as much stops the sender."""
LONGEST_SHOWN = 1000
Health = Callable[[], Awaitable[None]]
CORS_HEADERS = ("X-Auth-Token, X-Subject-Token, Content-Type, OpenStack-API-Version, X-OpenStack-Nova-API-Version, "
                "X-OpenStack-Request-ID")


class Front:
    """The HTTP server. Modules add pages by `route` before `start`; `health` maps a part's name to its check."""

    def __init__(self, parts: Parts, dispatcher: Dispatcher, health: Mapping[str, Health]):
        self.parts, self.dispatcher, self.health = parts, dispatcher, health
        self.metrics = Metrics()
        self.metrics.gauge("cloudd_database_queries", "Statements sent to the database", lambda: parts.database.queries)
        self.metrics.gauge("cloudd_database_write_seconds", "Time in write transactions", lambda: parts.database.busy_seconds)
        self.app = web.Application(client_max_size=parts.settings.server.max_body_size)
        self.app.on_response_prepare.append(_name)
        self._runner: Runner | None = None
        self._origins = frozenset(parts.settings.server.cors_origins)
        for path, handler in (("/healthz", self._healthz), ("/metrics", self._metrics), ("/openapi.json", self._openapi),
                              ("/openapi", self._openapi_page)):
            self.route("GET", path, handler)

    def route(self, method: str, path: str, handler: Any) -> None:
        """Serve a path outside the OpenStack APIs (consoles, pages); aiohttp's own path syntax."""
        self.app.router.add_route(method, path, self._logged(handler))

    async def start(self, listen: list[tuple[str, int]], tls: ssl.SSLContext | None = None) -> None:
        """Open the sockets. Raises OSError when an address is taken."""
        self.app.router.add_route("*", r"/{path:[\s\S]*}", self._logged(self.dispatcher.handle))
        self._runner = Runner(self.app, house=self._house(), access_log=None, handle_signals=False, shutdown_timeout=5,
                              auto_decompress=False, lingering_time=LINGER_SECONDS, read_bufsize=READ_AHEAD)
        await self._runner.setup()
        if self.parts.settings.server.classic_ports:
            self.dispatcher.aliases = dict(CLASSIC_PORTS)
            listen = listen + [(host, port) for host in dict.fromkeys(host for host, _ in listen) for port in CLASSIC_PORTS
                               if (host, port) not in listen]
        for host, port in listen:
            await Door(self._runner, host, port, tls).start()

    def _house(self) -> dict[str, Any]:
        options = self.parts.settings.server
        limits = Limits(options.head_timeout, options.body_timeout, options.idle_timeout, options.max_head_size)
        return {"limits": limits, "per_address": options.max_connections_per_address, "exempt": networks(options.trusted_proxies),
                "refuse": self.refuse, "abort": self.abort}

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()

    def refuse(self, raw: web.Request, error: BaseException) -> web.StreamResponse:
        """Answer what never came to a handler, or broke one that is not an API's."""
        response = self.dispatcher.refuse(raw, error)
        response.headers["Server"] = NAME
        self._note(raw, response.status, 0.0, reason=str(error))
        forget_frames(error)
        return response

    def abort(self, raw: web.BaseRequest, exc: BaseException | None, why: str) -> None:
        """Note an answer that came to no end: the client is not there any more, or does not read, or a part broke in the midst."""
        if exc is not None and not isinstance(exc, ConnectionError):
            LOG.error("an answer broke off", method=raw.method, path=raw.path, error=repr(exc), exc_info=exc)
        else:
            self._note(raw, 499, 0.0, reason=why)

    def _logged(self, handler: Any) -> Any:
        async def answer(raw: web.Request) -> web.StreamResponse:
            began = time.perf_counter()
            origin = raw.headers.get("Origin")
            if origin and raw.method == "OPTIONS" and origin in self._origins:
                response: web.StreamResponse = web.Response(status=204)
            else:
                try:
                    response = await handler(raw)
                except CloudError as exc:
                    response = web.Response(status=exc.status, text=exc.message, headers=exc.headers)
            if origin in self._origins and not response.prepared:
                response.headers.update({"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Headers": CORS_HEADERS,
                                         "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
                                         "Access-Control-Expose-Headers": CORS_HEADERS + ", X-Openstack-Request-Id, Location"})
            self._note(raw, response.status, time.perf_counter() - began)
            return response
        return answer

    def _note(self, raw: Any, status: int, seconds: float, reason: str | None = None) -> None:
        found = self.dispatcher.mounted(raw)
        service = found[0].service if found else "other"
        self.metrics.requests.labels(service, raw.method, str(status)).inc()
        self.metrics.seconds.labels(service).observe(seconds)
        context = raw.get(CONTEXT)
        path = (raw.path_qs if service != "other" else raw.rel_url.raw_path)[:LONGEST_SHOWN]
        LOG.info(f"{raw.method} {path} {status}", ms=round(seconds * 1000, 1), reason=reason,
                 request_id=raw.get(REQUEST_ID, "-"), project=context.project_id if context else None,
                 user=context.user_id if context else None, remote=client_address(raw, self.parts.settings))

    async def _healthz(self, raw: web.Request) -> web.Response:
        """200 when every part answers, else 503 and which does not, in words."""
        failed = {}
        for name, check in self.health.items():
            try:
                await check()
            except Exception as exc:                          # whatever is wrong with a part is what we are here to tell
                failed[name] = str(exc) or type(exc).__name__
        body = {"status": "failing" if failed else "ok", **{name: failed.get(name, "ok") for name in self.health}}
        return web.Response(status=503 if failed else 200, body=orjson.dumps(body), content_type="application/json")

    async def _metrics(self, raw: web.Request) -> web.Response:
        """For those whom the settings name: by address, or by a token of its own."""
        if not self._may_measure(raw):
            raise Forbidden("The metrics are for the addresses in [server] metrics_from, and for who sends metrics_token.")
        return web.Response(body=generate_latest(self.metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    def _may_measure(self, raw: web.Request) -> bool:
        options = self.parts.settings.server
        sent = raw.headers.get("Authorization", "").removeprefix("Bearer ")
        if options.metrics_token and hmac.compare_digest(sent.encode(errors="replace"), options.metrics_token.encode()):
            return True
        if "X-Forwarded-For" in raw.headers and not by_trusted_proxy(raw, self.parts.settings):
            return False                                      # for whom this proxy asks, we cannot know
        return within(client_address(raw, self.parts.settings), networks(options.metrics_from))

    async def _openapi(self, raw: web.Request) -> web.Response:
        require_host(raw)                                     # it goes into the document
        document = openapi.document(self.dispatcher.apis, base_url(raw, self.parts.settings))
        return web.Response(body=orjson.dumps(document), content_type="application/json")

    async def _openapi_page(self, raw: web.Request) -> web.Response:
        return web.Response(text=openapi_page.page(self.dispatcher.apis), content_type="text/html")


async def _name(raw: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = NAME
