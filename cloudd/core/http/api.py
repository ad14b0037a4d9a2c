"""Declaring operations: an Api is one service's face, a Resource a part of its paths, an Operation one method on one path."""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cloudd.core.http.microversions import Change, Negotiation, V, Version
from cloudd.core.http.router import Router, names
from cloudd.core.http.shapes import LAST, Shape
from cloudd.core.http.types import Type
from cloudd.core.policy import Rule

Handler = Callable[..., Awaitable[Any]]
Loader = Callable[[Any, Any, str], Awaitable[Any]]
READS = {"GET", "HEAD"}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that is not just the row: another status, headers, or a body made by hand."""

    body: Any = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """A header that cannot be sent is an error while the transaction can still be undone."""
        for name, value in self.headers.items():
            if not (value.isascii() and value.isprintable()):
                raise ValueError(f"the header {name} was made of unquoted text: {value!r}")


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list. `more`: rows follow; `first`/`last`: keys of its rows; `extra`: members beside the list."""

    rows: list[Any]
    limit: int | None = None
    more: bool = False
    last: str | None = None
    first: str | None = None
    reverse: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Operation:
    """One operation as the outside sees it. Made by the decorators of Resource, never by hand.

    `reply` is the shape that a returned row, list or Page is dressed in; `answer` says what a body is that the handler makes itself:
    the type of all of it, or the shape of what stands in it as it would for `reply`, where that changes with the version;
    `media` is its media type, where a browser or XML reads it.
    `listing` is what a list may be filtered and sorted by. `home` is the file that declares it, as a module's name.
    `write`: runs in a write transaction (GET and HEAD do not). `live`: touches the machine, `stream`: moves data itself; both get
    no transaction. `auth=False`: needs no token. `target(request)`: the policy target where the loaded row is not it.
    `guard(request, tx, body)` asks policy itself, where that takes more than one question (Neutron's rules of attributes).
    """

    api: "Api"
    method: str
    path: str
    handler: Handler
    action: str | None = None
    status: int = 200
    body: Shape | None = None
    use: str = "create"
    query: Shape | None = None
    policy: str | None = None
    reply: Shape | None = None
    answer: Type | Shape | None = None
    media: str = "application/json"
    listing: Any = None
    many: bool = False
    since: Version = (0, 0)
    until: Version = LAST
    write: bool = True
    live: bool = False
    stream: bool = False
    auth: bool = True
    target: Callable[[Any], Any] | None = None
    guard: Callable[[Any, Any, Any], Awaitable[None]] | None = None
    deprecated: bool = False
    home: str = ""
    names: tuple[str, ...] = ()
    wants: tuple[str, ...] = ()

    def lives(self, version: Version) -> bool:
        return self.since <= version <= self.until

    @property
    def summary(self) -> str:
        return (self.handler.__doc__ or self.handler.__name__.replace("_", " ")).strip().split("\n")[0]


class Api:
    """One service: where it is mounted, how it negotiates versions, words its errors and pages its lists.

    `prefixes`: mount points, the first is the one in links made without a request. `project_in_path`: the project id may
    stand behind the prefix. `trailing_slash`: whether `/images/` is `/images` (not for Glance). `negotiation`: None for a
    service of one version. `suffix`: what a path may end in beside its own words (Neutron's `.json`).
    """

    def __init__(self, service: str, *, prefixes: Iterable[str], dialect: Any, policies: Iterable[Rule] = (),
                 negotiation: Negotiation | None = None, project_in_path: bool = False, title: str = "",
                 trailing_slash: bool = True, suffix: str = ""):
        self.service, self.prefixes, self.dialect = service, tuple(prefixes), dialect
        self.policies, self.negotiation, self.project_in_path = tuple(policies), negotiation, project_in_path
        self.title, self.trailing_slash, self.suffix = title or service, trailing_slash, suffix
        self.router = Router()
        self.operations: list[Operation] = []
        self.loaders: dict[str, Loader] = {}

    def loader(self, name: str) -> Callable[[Loader], Loader]:
        """Declare how `{name}` in a path becomes a row: `async def load(request, tx, value)`, raising NotFound."""
        def keep(function: Loader) -> Loader:
            self.loaders[name] = function
            return function
        return keep

    def resource(self, path: str = "", **defaults: Any) -> "Resource":
        """A part of the paths; `defaults` are options that its operations share."""
        return Resource(self, path, defaults)

    def declare(self, method: str, path: str, handler: Handler, options: dict[str, Any]) -> None:
        for bound in ("since", "until"):
            if isinstance(options.get(bound), str | Change):
                value = options[bound]
                options[bound] = value.version if isinstance(value, Change) else V(value)
        if options.get("auth", True) and not options.get("policy"):
            raise TypeError(f"{method} {path}: an operation needs a policy, or auth=False")
        options.setdefault("home", handler.__module__)
        options.setdefault("write", method not in READS)
        options.setdefault("many", method == "GET" and not path.endswith("}"))
        wants = tuple(inspect.signature(handler).parameters)
        operation = Operation(api=self, method=method, path=path, handler=handler, names=tuple(names(path)), wants=wants,
                              **options)
        self._check(operation)
        self.operations.append(operation)
        self.router.add(method, path, operation)

    def _check(self, operation: Operation) -> None:
        known = {"request", "tx", "body", *operation.names}
        if unknown := set(operation.wants) - known:
            raise TypeError(f"{operation.method} {operation.path}: handler wants {sorted(unknown)}, has {sorted(known)}")
        if (operation.live or operation.stream) and "tx" in operation.wants:
            raise TypeError(f"{operation.method} {operation.path}: live and stream operations get no transaction")


class Resource:
    """Operations below one path. The decorators take the fields of Operation as options."""

    def __init__(self, api: Api, path: str, defaults: dict[str, Any]):
        self.api, self.path, self.defaults = api, path, defaults

    def _method(self, method: str, path: str, options: dict[str, Any]) -> Callable[[Handler], Handler]:
        def keep(handler: Handler) -> Handler:
            usual = {"PUT": {"use": "update"}, "PATCH": {"use": "update"}, "DELETE": {"status": 204}}.get(method, {})
            self.api.declare(method, self.path + path, handler, {**usual, **self.defaults, **options})
            return handler
        return keep

    def get(self, path: str = "", **options: Any) -> Callable[[Handler], Handler]:
        return self._method("GET", path, options)

    def head(self, path: str = "", **options: Any) -> Callable[[Handler], Handler]:
        return self._method("HEAD", path, options)

    def post(self, path: str = "", **options: Any) -> Callable[[Handler], Handler]:
        return self._method("POST", path, options)

    def put(self, path: str = "", **options: Any) -> Callable[[Handler], Handler]:
        return self._method("PUT", path, options)

    def patch(self, path: str = "", **options: Any) -> Callable[[Handler], Handler]:
        return self._method("PATCH", path, options)

    def delete(self, path: str = "", **options: Any) -> Callable[[Handler], Handler]:
        return self._method("DELETE", path, options)
