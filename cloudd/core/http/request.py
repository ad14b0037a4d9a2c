"""One request on its way through an API: caller, version, path, query; and the links that answer it."""

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from aiohttp import web
from multidict import MultiMapping
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.context import Context
from cloudd.core.http.microversions import Change, Version
from cloudd.core.parts import Parts

if TYPE_CHECKING:
    from cloudd.core.http.api import Api, Operation

T = TypeVar("T")
_MARKS = "/%:?#[]@!$&'()*+,;=~"
_FOREIGN = re.compile(r"[^A-Za-z0-9_.\-/%:?#\[\]@!$&'()*+,;=~]")


def quoted(name: str) -> str:
    """Any text as one segment of a path (RFC 3986, pchar)."""
    return quote(name, safe=":@!$&'()*+,;=~")


@dataclass
class Request:
    """What a handler may ask of the request. `prefix` is the mount point that the caller used, project id included."""

    raw: web.Request
    api: "Api"
    operation: "Operation"
    parts: Parts
    context: Context
    version: Version
    prefix: str
    base_url: str
    path: dict[str, str]
    params: dict[str, Any] = field(default_factory=dict)
    loaded: dict[str, Any] = field(default_factory=dict)
    sent: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def query(self) -> MultiMapping[str]:
        """The query string as sent; `params` has the checked and lifted values where the operation declares them."""
        return self.raw.query

    @property
    def settings(self) -> Any:
        return self.parts.settings

    def has(self, change: Change) -> bool:
        """Whether the negotiated microversion has this change of behaviour."""
        return self.version >= change.version

    def driver(self, kind: type[T]) -> T:
        return self.parts.driver(kind)

    def service(self, kind: type[T]) -> T:
        return self.parts.service(kind)

    def link(self, path: str = "", *names: str) -> str:
        """The address of `path` below this API, on the host, scheme and mount point that the caller used.

        Texts that users chose go into the holes `{}` of the path, quoted: a header may be made of the address.
        """
        return f"{self.base_url}{self.prefix}{as_path(path.format(*map(quoted, names)) if names else path)}"

    def host_link(self, path: str) -> str:
        """The address of an absolute path on the host that the caller used."""
        return f"{self.base_url}{as_path(path)}"

    def allows(self, rule: str, target: Any = None) -> bool:
        """Whether policy lets the caller; the target defaults to the caller's own project."""
        return self.parts.policies.allows(self.context, self.api.service, rule, self.own() if target is None else target)

    def require(self, rule: str, target: Any = None) -> None:
        """Raise Forbidden unless policy lets the caller."""
        self.parts.policies.require(self.context, self.api.service, rule, self.own() if target is None else target)

    def own(self) -> dict[str, Any]:
        """The policy target of what the caller is about to make for himself."""
        return {"project_id": self.context.project_id, "tenant_id": self.context.project_id,
                "user_id": self.context.user_id, "domain_id": self.context.domain_id}

    async def load(self, tx: AsyncSession, name: str) -> Any:
        """Run the loader of a path name that the operation did not load by itself."""
        self.loaded[name] = await self.api.loaders[name](self, tx, self.path[name])
        return self.loaded[name]


def as_path(path: str) -> str:
    """A path as it may stand in a header or a link: what cannot is percent-encoded. What separates parts of an address is left, so
    names that may hold it are quoted by whoever puts them in."""
    return quote(path, safe=_MARKS) if _FOREIGN.search(path) else path
