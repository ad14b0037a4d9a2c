"""A request's way: token, operation, version, body, rows, policy, transaction, handler, reply.

The one place that turns exceptions into answers; each in the form of the API that was called, with a request id.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web
from aiohttp.web_protocol import RequestPayloadError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import ids, log, refusals
from cloudd.core.context import Context
from cloudd.core.database import savepoint
from cloudd.core.errors import (
    BadRequest,
    CloudError,
    Forbidden,
    MethodNotAllowed,
    NotFound,
    Unauthorized,
)
from cloudd.core.http.addresses import by_trusted_proxy, client_address, is_host, require_host
from cloudd.core.http.api import Api, Operation, Page, Reply
from cloudd.core.http.body import read_json
from cloudd.core.http.microversions import Version
from cloudd.core.http.request import Request
from cloudd.core.http.shapes import Shape
from cloudd.core.parts import Parts
from cloudd.core.refusals import Allowance

LOG = log.get("cloudd.http")
Authenticator = Callable[[web.Request, Context, str], Awaitable[Context]]
JSON = "application/json"
PART = 500
"""So many rows of a list are made JSON at once."""
REQUEST_ID = web.RequestKey("request_id", str)
CONTEXT = web.RequestKey("context", Context)
VERSION_HEADERS = web.RequestKey("version_headers", dict)


class InternalError(CloudError):
    """What the caller is told of an error that nobody expected."""


@dataclass(frozen=True, slots=True)
class Inside:
    """Who calls from within the daemon, and the write transaction that it shall happen in, if any."""

    context: Context
    tx: AsyncSession | None = None


class Dispatcher:
    """Holds the mounted APIs and answers requests for them. From identity come `authenticate(raw, anonymous, service)` and
    `restrict(raw, caller, service)`, which refuses what the caller's token does not cover."""

    def __init__(self, parts: Parts, authenticate: Authenticator, restrict: Callable[[web.Request, Context, str], None]):
        self.parts, self.authenticate, self.restrict = parts, authenticate, restrict
        self.allowance = parts.services.setdefault(Allowance, Allowance())
        self.probe: Callable[[Request, int, Any], None] | None = None      # where tests look at replies
        self._mounts: dict[str, Api] = {}
        self.apis: list[Api] = []
        self.aliases: dict[int, str] = {}                     # classic port -> mount point that its paths lie below

    def mount(self, api: Api) -> None:
        self.apis.append(api)
        for prefix in api.prefixes:
            self._mounts[prefix] = api
        for rule in api.policies:
            self.parts.policies.add(api.service, rule)
        for operation in api.operations:
            if operation.auth and (api.service, operation.policy) not in self.parts.policies.rules:
                raise LookupError(f"{operation.method} {operation.path}: no policy rule {operation.policy}")

    def service(self, name: str) -> Api:
        """Raises LookupError."""
        for api in self.apis:
            if api.service == name:
                return api
        raise LookupError(f"no service {name!r} is here; there are: {', '.join(api.service for api in self.apis)}")

    def find_mount(self, path: str) -> tuple[Api, str, list[str]] | None:
        """The API of a path, its mount point and the remaining segments (empty ones, from doubled slashes, left out)."""
        segments = [segment for segment in path.split("/") if segment]
        for length in range(min(3, len(segments)), -1, -1):
            prefix = "/" + "/".join(segments[:length]) if length else ""
            if prefix in self._mounts and (prefix or not segments):      # an API at the root has the root's document only
                return self._mounts[prefix], prefix, segments[length:]
        return None

    def mounted(self, raw: web.Request) -> tuple[Api, str, list[str]] | None:
        """The API of a request; on a classic port, paths lie below that service's own mount point."""
        alias = self.aliases.get(_local_port(raw)) if self.aliases else None
        if alias and not raw.path.startswith(tuple(prefix for prefix in self._mounts if prefix.startswith(alias))):
            return self.find_mount(alias + raw.path)
        return self.find_mount(raw.path)

    async def handle(self, raw: web.Request, inside: Inside | None = None) -> web.StreamResponse:
        """Answer any request below a mount point."""
        request_id = inside.context.request_id if inside else ids.new_request_id()
        token = log.request_id.set(request_id)
        raw[REQUEST_ID] = request_id
        found = self.mounted(raw)
        try:
            if found is None:
                raise NotFound(f"Nothing is served at {raw.path}. The services stand in the catalog: openstack catalog list.")
            response = await self._answer(raw, request_id, inside, *found)
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception as exc:
            response = await self._refused(raw, found[0] if found else None, exc, request_id, inside)
        finally:
            log.request_id.reset(token)
        if not response.prepared:
            _sign(response, request_id, found[0] if found else None)
        return response

    def refuse(self, raw: web.Request, exc: BaseException) -> web.Response:
        """Answer what was refused before it came here, in the form of the API whose path it has."""
        raw[REQUEST_ID] = request_id = ids.new_request_id()
        found = self.mounted(raw)
        api = found[0] if found else None
        return _sign(self._refuse(raw, api, _meaning(raw, exc, request_id), request_id), request_id, api)

    async def _refused(self, raw: web.Request, api: Api | None, exc: Exception, request_id: str,
                       inside: Inside | None) -> web.Response:
        error = _meaning(raw, exc, request_id)
        caller = error.facts.get("caller") or (raw.get(CONTEXT) if isinstance(error, Forbidden) else None)
        if api and caller and caller.user_id:
            transaction = savepoint(inside.tx) if inside and inside.tx else self.parts.database.write()
            await refusals.tell(transaction, self.allowance, caller, api.service, raw.method, raw.path, error)
        forget_frames(exc)
        return self._refuse(raw, api, error, request_id)

    def _refuse(self, raw: web.Request, api: Api | None, error: CloudError, request_id: str) -> web.Response:
        dialect = api.dialect if api else None
        status = dialect.status(error) if dialect else error.status
        accept = ",".join(raw.headers.getall("Accept", ()))
        body, headers = dialect.refusal(accept, error, request_id) if dialect else ({"error": {
            "code": status, "title": error.title, "message": error.message}}, {})
        if status == 401:
            headers = {**headers, "WWW-Authenticate": f'Keystone uri="{base_url(raw, self.parts.settings)}/identity"'}
        headers = {**headers, **error.headers, **raw.get(VERSION_HEADERS, {})}
        payload = body if isinstance(body, bytes) else orjson.dumps(body)
        if raw.method == "HEAD":
            payload = b""
        headers.setdefault("Content-Type", JSON)
        return web.Response(status=status, body=payload, headers=headers)

    async def _answer(self, raw: web.Request, request_id: str, inside: Inside | None, api: Api, prefix: str,
                      segments: list[str]) -> web.StreamResponse:
        anonymous = Context(request_id=request_id, global_request_id=raw.headers.get("X-OpenStack-Request-ID"),
                            remote_address=client_address(raw, self.parts.settings))
        require_host(raw)
        if "%00" in raw.raw_path:       # no database keeps it, no name has it
            raise BadRequest("Malformed request: a NUL character stands in the address.")
        project, segments = self._project(api, segments)
        if segments and api.suffix:
            segments = [*segments[:-1], segments[-1].removesuffix(api.suffix)]
        found = api.router.find(segments)
        if segments and raw.path.endswith("/") and not api.trailing_slash:
            found = None
        version: Version = (0, 0)
        if api.negotiation:
            raw[VERSION_HEADERS] = {"Vary": ", ".join(filter(None, ("OpenStack-API-Version", api.negotiation.legacy)))}
            version = api.negotiation.version(raw.headers)
            raw[VERSION_HEADERS] = api.negotiation.headers(version)
        sent = None
        context = anonymous
        if not (found and any(not operation.auth for operation in found[0].operations.get(_method(raw, found[0]), ()))):
            context = await self._caller(raw, anonymous, api.service, inside)
        raw[CONTEXT] = context
        if found is None:
            raise NotFound(f"The resource {raw.path} could not be found: there is no such operation.", type="NoSuchOperation")
        node, values = found
        candidates = self._candidates(raw, node)
        if any(operation.body or operation.action for operation in candidates):
            sent = await read_json(raw, self.parts.settings, known=context.user_id is not None)
        operation = _choose(raw, candidates, version, sent)
        if project is not None and project != context.project_id:
            raise BadRequest(f"Malformed request URL: the project {project} in it is not the token's ({context.project_id}).")
        request = Request(raw=raw, api=api, operation=operation, parts=self.parts, context=context, version=version,
                          prefix=prefix + (f"/{project}" if project else ""), sent=sent,
                          base_url=base_url(raw, self.parts.settings), path=dict(zip(operation.names, values, strict=True)))
        return await self._run(request, inside.tx if inside else None)

    async def _caller(self, raw: web.Request, anonymous: Context, service: str, inside: Inside | None) -> Context:
        if inside is None:
            return await self.authenticate(raw, anonymous, service)
        self.restrict(raw, inside.context, service)
        return inside.context

    def _project(self, api: Api, segments: list[str]) -> tuple[str | None, list[str]]:
        if api.project_in_path and segments and not api.router.knows(segments[0]) and ids.is_uuid(segments[0]):
            return segments[0], segments[1:]
        return None, segments

    def _candidates(self, raw: web.Request, node: Any) -> list[Operation]:
        method = _method(raw, node)
        if method not in node.operations and raw.path.endswith("/"):      # an id was left out, it seems
            raise NotFound(f"The resource {raw.path} could not be found: there is no such operation.", type="NoSuchOperation")
        if method not in node.operations:
            error = MethodNotAllowed(f"{raw.method} is not possible at {raw.path}; possible: "
                                     f"{', '.join(sorted(node.operations))}.")
            error.headers["Allow"] = ", ".join(sorted(node.operations))
            raise error
        return node.operations[method]

    async def _run(self, request: Request, outer: AsyncSession | None) -> web.StreamResponse:
        operation = request.operation
        body = _lift_body(request)
        if operation.query is not None:
            request.params = read_query(operation.query, request)
        if outer is None:
            await request.api.dialect.before(request)
        if operation.live or operation.stream:
            async with self.parts.database.read() as tx:
                await self._load(request, tx)
            self._permit(request)
            return await self._reply(request, await operation.handler(**self._arguments(request, None, body)))
        async with savepoint(outer) if outer else self.parts.database.transaction(operation.write, operation) as tx:
            await self._load(request, tx)
            if operation.guard:
                await operation.guard(request, tx, body)
            else:
                self._permit(request)
            result = await operation.handler(**self._arguments(request, tx, body))
            if operation.write:
                await tx.flush()
                await request.api.dialect.written(request, tx)
            return await self._reply(request, result)

    async def _load(self, request: Request, tx: AsyncSession) -> None:
        try:
            for name in request.operation.names:
                if name in request.api.loaders:
                    await request.load(tx, name)
        except NotFound as missing:
            if request.api.dialect.forbids_before(request, missing):
                self._permit(request)
            raise

    def _permit(self, request: Request) -> None:
        operation = request.operation
        if operation.auth:
            request.require(operation.policy, operation.target(request) if operation.target else
                            request.api.dialect.target(request))

    def _arguments(self, request: Request, tx: AsyncSession | None, body: Any) -> dict[str, Any]:
        have = {**request.path, **request.loaded, "request": request, "tx": tx, "body": body}
        return {name: have[name] for name in request.operation.wants}

    async def _reply(self, request: Request, result: Any) -> web.StreamResponse:
        if isinstance(result, web.StreamResponse):
            return result
        operation, status, headers = request.operation, request.operation.status, dict(request.headers)
        if isinstance(result, Reply):
            status, headers, result = result.status or status, {**headers, **result.headers}, result.body
        if operation.reply is not None and result is not None:
            result = await dress(request, operation.reply, result)
        content = result if isinstance(result, bytes | None) else orjson.dumps(result)
        if self.probe is not None:
            self.probe(request, status, content)
        headers.update(request.raw.get(VERSION_HEADERS, {}))
        if content is None:
            return web.Response(status=status, headers=headers)
        headers.setdefault("Content-Type", JSON)
        return web.Response(status=status, body=content, headers=headers)


def _sign(response: Any, request_id: str, api: Api | None) -> Any:
    response.headers.setdefault("X-Openstack-Request-Id", request_id)
    if api is not None and api.service == "compute":
        response.headers.setdefault("X-Compute-Request-Id", request_id)
    return response


def _meaning(raw: web.Request, exc: BaseException, request_id: str) -> CloudError:
    """Any exception as what the caller is told."""
    if isinstance(exc, CloudError):
        return exc
    if isinstance(exc, web.HTTPException):                    # aiohttp's own: no such page, an expectation that nobody meets
        error = BadRequest(exc.text or exc.reason)
        error.status, error.title = exc.status, exc.reason
        return error
    if isinstance(exc, RequestPayloadError):
        return BadRequest(f"Malformed request: {exc}.")
    if isinstance(exc, RecursionError):
        return BadRequest("Malformed request body: it is nested too deeply.", type="MalformedRequestBody")
    if isinstance(exc, OverflowError) or (isinstance(exc, DBAPIError) and "DataError" in repr(exc.orig)):
        return BadRequest("A value in the request does not fit: a number is too large, or text is not valid.")
    LOG.error("request failed unexpectedly", method=raw.method, path=raw.path, error=repr(exc), exc_info=exc)
    return InternalError(f"cloudd met an error it did not expect ({type(exc).__name__}). The log has it under {request_id}.")


async def dress(request: Request, shape: Shape, result: Any) -> Any:
    """A row, a list of rows or a Page in the words of its shape and the service's dialect."""
    if isinstance(result, list):
        return request.api.dialect.page(request, shape.plural, await _listed(request, shape, result), Page(result))
    only = request.api.dialect.read_list(request).fields if "fields" in request.query else None
    if isinstance(result, Page):
        return request.api.dialect.page(request, shape.plural, await _listed(request, shape, result.rows, only), result)
    view = shape.view(result, request, only)
    return view if shape.name is None else request.api.dialect.one(request, shape.name, view)


async def _listed(request: Request, shape: Shape, rows: list[Any], only: Iterable[str] | None = None) -> list[Any]:
    """What rows look like; of many, part by part in JSON already: so the collector never has to look through all of them, and between
    two parts others get their turn (unless this request holds up all who write)."""
    if len(rows) <= PART:
        return shape.views(rows, request, only)
    parts = []
    for first in range(0, len(rows), PART):
        views = orjson.dumps(shape.views(rows[first:first + PART], request, only))
        parts.append(orjson.Fragment(views[1:-1]))                       # some elements of a list with the commas between them
        if not request.operation.write:
            await asyncio.sleep(0)
    return parts


def forget_frames(exc: BaseException | None) -> None:
    """Let go of the frames that an error came through. Where one of them holds the error in a variable, that is a cycle, and with it
    the request's body would stay until the collector runs."""
    while exc is not None:
        exc.__traceback__ = None
        exc = exc.__cause__ or exc.__context__


def base_url(raw: web.Request, settings: Any) -> str:
    """`scheme://host` as the caller sees us: pinned by the settings, told by a trusted proxy, or from the request. Raises BadRequest."""
    if settings.server.public_url:
        return settings.server.public_url.rstrip("/")
    scheme, host = raw.scheme, raw.host
    if settings.server.trusted_proxies and by_trusted_proxy(raw, settings):
        scheme = raw.headers.get("X-Forwarded-Proto", scheme)
        host = raw.headers.get("X-Forwarded-Host", host)
    return f"{scheme if scheme in ('http', 'https') else raw.scheme}://{host if is_host(host) else 'localhost'}"


def _local_port(raw: web.Request) -> int:
    return raw.transport.get_extra_info("sockname")[1] if raw.transport else 0


def _method(raw: web.Request, node: Any) -> str:
    return "GET" if raw.method == "HEAD" and "HEAD" not in node.operations else raw.method


def _choose(raw: web.Request, candidates: list[Operation], version: Version, sent: Any) -> Operation:
    """Of the operations at one path and method, the one for this action and version."""
    actions = {operation.action for operation in candidates if operation.action}
    if actions:
        if not isinstance(sent, dict) or len(sent) != 1:
            raise BadRequest("Malformed request body: an action is an object with one member, the action's name.")
        name = next(iter(sent))
        chosen = [operation for operation in candidates if operation.action == name]
        if not chosen:
            raise BadRequest(f"There is no such action: {name}. There are: {', '.join(sorted(actions))}.")
    else:
        chosen = candidates
    for operation in chosen:
        if operation.lives(version):
            return operation
    raise NotFound(f"The resource could not be found: {raw.path} has no such operation at version {version[0]}.{version[1]}.")


def _lift_body(request: Request) -> Any:
    operation = request.operation
    if operation.body is None:
        return request.sent.get(operation.action) if operation.action else request.sent
    if not isinstance(request.sent, dict | list):
        raise BadRequest("Malformed request body: a JSON object is required.", type="MalformedRequestBody")
    return operation.body.read(request.sent, request.version, operation.use)


def read_query(shape: Shape, request: Request) -> dict[str, Any]:
    """Check the query string against a shape whose fields are lists or single values; lifted values by name."""
    given: dict[str, Any] = {}
    fields = {item.name: item for item in shape.fields}
    for name in dict.fromkeys(request.query):
        values = request.query.getall(name)
        many = name in fields and "array" in str(fields[name].type.schema().get("type"))
        given[name] = list(values) if many else values[-1]
    return shape.read(given, request.version)


def unauthorized() -> Unauthorized:
    return Unauthorized("The request you have made requires authentication.")
