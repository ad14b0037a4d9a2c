"""The one port: the mounted APIs, and besides them health, metrics, the OpenAPI document and what modules add by hand."""

import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from cloudd.core import log
from cloudd.core.errors import CloudError
from cloudd.core.http import openapi
from cloudd.core.http.dispatch import CONTEXT, REQUEST_ID, Dispatcher, base_url
from cloudd.core.parts import Parts

LOG = log.get("cloudd.access")
CLASSIC_PORTS = {5000: "/identity", 8774: "/compute", 9292: "/image", 9696: "/networking"}
Health = Callable[[], Awaitable[None]]
CORS_HEADERS = ("X-Auth-Token, X-Subject-Token, Content-Type, OpenStack-API-Version, X-OpenStack-Nova-API-Version, "
                "X-OpenStack-Request-ID")


class Metrics:
    """What `/metrics` tells, kept in memory (Prometheus text format)."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("cloudd_http_requests", "Requests answered", ("service", "method", "status"),
                                registry=self.registry)
        self.seconds = Histogram("cloudd_http_request_seconds", "Time to answer", ("service",), registry=self.registry,
                                 buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10))
        self.gauges: dict[str, Gauge] = {}

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A figure that is read when somebody asks."""
        self.gauges[name] = Gauge(name, text, registry=self.registry)
        self.gauges[name].set_function(read)


class Front:
    """The HTTP server. Modules add pages by `route` before `start`; `health` maps a part's name to its check."""

    def __init__(self, parts: Parts, dispatcher: Dispatcher, health: Mapping[str, Health]):
        self.parts, self.dispatcher, self.health = parts, dispatcher, health
        self.metrics = Metrics()
        self.metrics.gauge("cloudd_database_queries", "Statements sent to the database", lambda: parts.database.queries)
        self.metrics.gauge("cloudd_database_write_seconds", "Time in write transactions", lambda: parts.database.busy_seconds)
        self.app = web.Application(client_max_size=parts.settings.server.max_body_size)
        self._runner: web.AppRunner | None = None
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
        self._runner = web.AppRunner(self.app, access_log=None, handle_signals=False, shutdown_timeout=5, auto_decompress=False)
        await self._runner.setup()
        if self.parts.settings.server.classic_ports:
            self.dispatcher.aliases = dict(CLASSIC_PORTS)
            listen = listen + [(host, port) for host in dict.fromkeys(host for host, _ in listen) for port in CLASSIC_PORTS
                               if (host, port) not in listen]
        for host, port in listen:
            await web.TCPSite(self._runner, host, port, ssl_context=tls, reuse_address=True, backlog=512).start()

    async def stop(self) -> None:
        if self._runner:
            await self._runner.cleanup()

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
            self._note(raw, response, time.perf_counter() - began)
            return response
        return answer

    def _note(self, raw: web.Request, response: web.StreamResponse, seconds: float) -> None:
        found = self.dispatcher.mounted(raw)
        service = found[0].service if found else "other"
        self.metrics.requests.labels(service, raw.method, str(response.status)).inc()
        self.metrics.seconds.labels(service).observe(seconds)
        context = raw.get(CONTEXT)
        LOG.info(f"{raw.method} {raw.path_qs if service != 'other' else raw.path} {response.status}", ms=round(seconds * 1000, 1),
                 request_id=raw.get(REQUEST_ID, "-"), project=context.project_id if context else None,
                 user=context.user_id if context else None, remote=raw.remote)

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
        return web.Response(body=generate_latest(self.metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _openapi(self, raw: web.Request) -> web.Response:
        document = openapi.document(self.dispatcher.apis, base_url(raw, self.parts.settings))
        return web.Response(body=orjson.dumps(document), content_type="application/json")

    async def _openapi_page(self, raw: web.Request) -> web.Response:
        return web.Response(text=openapi.page(self.dispatcher.apis), content_type="text/html")
