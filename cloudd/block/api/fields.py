"""Types of fields, and forms of query strings, that several resources share."""

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block import versions as v
from cloudd.block.config import CONFIG
from cloudd.core import clock
from cloudd.core.errors import BadRequest, CloudError, NotFound
from cloudd.core.http import Change, Page, Request
from cloudd.core.http import types as t
from cloudd.core.http.dialects import ListQuery
from cloudd.core.http.lists import Column, Listing, equals

KEY = r"^[a-zA-Z0-9-_:. /]{1,255}$"
NAME = t.Text(0, 255, null=True, strip=True)
PRINTABLE = r"^[^\p{C}\p{Zl}\p{Zp}]*$"
DESCRIPTION = t.Text(0, 255, null=True, strip=True)
METADATA = t.Map(t.Text(0, 255), keys=KEY)
METADATA_OR_NULL = t.Map(t.Text(0, 255), keys=KEY, null=True)
TEXTS = t.Map(t.Text())
BOOLEAN = t.Bool(text=True)
UUID = t.Text(0, 64, pattern=t.UUID_PATTERN)
UUID_OR_NULL = t.Text(0, 64, pattern=t.UUID_PATTERN, null=True)
MOMENT = t.Text(null=True)
LINKS = t.List(t.Record({"rel": t.Text(), "href": t.Text()}))
MOST = 2**31 - 1
SIZE = t.Raw({"type": ["integer", "string"], "pattern": "^[0-9]+$", "minimum": 1, "maximum": MOST})
SIZE_OR_NULL = t.Raw({"type": ["integer", "string", "null"], "pattern": "^[0-9]+$", "minimum": 1, "maximum": MOST})
TRUE, FALSE = ("1", "t", "true", "on", "y", "yes"), ("0", "f", "false", "off", "n", "no")
COMPARE: dict[str, Callable[[Column, Any], ColumnElement[bool]]] = {
    "gt": lambda column, moment: column > moment, "gte": lambda column, moment: column >= moment,
    "lt": lambda column, moment: column < moment, "lte": lambda column, moment: column <= moment,
    "eq": lambda column, moment: column == moment, "neq": lambda column, moment: column != moment}
Values = Sequence[str]


def size(value: Any) -> int | None:
    """A size that may be written in digits."""
    if value is None:
        return None
    number = int(value)
    if not 0 < number <= MOST:
        raise BadRequest(f"Invalid input for field/attribute size. Value: {str(value)[:50]}. It must be a whole number of GiB from 1 to "
                         f"{MOST}.", type="ValidationError")
    return number


def stripped(value: str | None) -> str | None:
    return value.strip() if value is not None else None


def links(request: Request, kind: str, key: str) -> list[dict[str, str]]:
    project = f"/{request.context.project_id}" if request.prefix.endswith(f"/{request.context.project_id}") else ""
    return [{"rel": "self", "href": request.link(f"/{kind}/{key}")},
            {"rel": "bookmark", "href": request.host_link(f"/volume{project}/{kind}/{key}")}]


def flag(request: Request, name: str) -> bool:
    """A yes or no in the query string; nothing is a no."""
    return boolean(name, request.query.get(name, "false"))


def boolean(name: str, text: str) -> bool:
    if text.strip().lower() in TRUE:
        return True
    if text.strip().lower() in FALSE:
        return False
    raise BadRequest(f"Invalid input received: '{name} = {text}': it must be true or false.")


# -- filters ------------------------------------------------------------------------------------------------------------


def like(column: Column) -> Callable[[Values], ColumnElement[bool]]:
    return lambda values: column.icontains(values[-1], autoescape=True)


def truth(column: Column, name: str) -> Callable[[Values], ColumnElement[bool]]:
    return lambda values: column.is_(boolean(name, values[-1]))


def moments(column: Column, name: str) -> Callable[[Values], ColumnElement[bool]]:
    """`gt:2026-01-01T00:00:00,lte:...`"""
    def clause(values: Values) -> ColumnElement[bool]:
        parts = []
        for text in values[-1].split(","):
            operator, colon, moment = text.partition(":")
            if operator not in COMPARE or not colon:
                raise BadRequest(f"Invalid {operator[:50]} operator in {name}: use one of {', '.join(COMPARE)}, as gt:2026-01-31.")
            try:
                parts.append(COMPARE[operator](column, clock.parse(moment)))
            except (ValueError, OverflowError) as exc:
                raise BadRequest(f"Invalid {moment[:50]} value in {name}: it must be a moment in ISO 8601.") from exc
        return and_(*parts)
    return clause


def pairs(owner: Column, key: Column, value: Column, of: Column) -> Callable[[Values], ColumnElement[bool]]:
    """`{'key': 'value'}`: all of the pairs; a text that is no mapping: a key of that name."""
    def clause(values: Values) -> ColumnElement[bool]:
        wanted = mapping(values[-1])
        if wanted is None:
            return owner.in_(select(of).where(key == values[-1]))
        return and_(*(owner.in_(select(of).where(key == str(name), value == str(text))) for name, text in wanted.items()),
                    true())
    return clause


def mapping(text: str) -> Mapping[Any, Any] | None:
    """A mapping as Python or JSON writes it; None for anything else."""
    try:
        found = ast.literal_eval(text) if len(text) <= 65_536 else None
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None
    return found if isinstance(found, dict) else None


def read_filters(request: Request, listing: Listing, public: Mapping[str, Change | None], texts: Mapping[str, Column]) -> ListQuery | None:
    """What a list asks for, with the filters that the caller may use at his version. None: nothing can be found.

    Administrators may filter by all; others by `public`, each from its version on: before 3.31 other names are ignored, then refused.
    `texts` can be looked in with `name~` from 3.34 on.
    """
    asked, public = request.api.dialect.read_list(request), _configured(request, public)
    kept, bad = [], []
    for name, values in asked.filters:
        plain = name.removesuffix("~") if request.has(v.LIKE_FILTERS) else name
        since = public.get(plain)
        if since is not None and not request.has(since):
            continue
        known = plain in texts if plain != name else name in listing.filters
        if known and (request.context.is_admin or plain in public):
            kept.append((name, values))
        elif request.context.is_admin:
            return None
        else:
            bad.append(name)
    if bad and request.has(v.RESOURCE_FILTERS):
        raise BadRequest(f"Invalid filters {','.join(bad)[:200]} are found in query options: use {', '.join(sorted(public))}.")
    return ListQuery(tuple(kept), asked.sorts, asked.limit, asked.marker, offset=asked.offset)


def _configured(request: Request, public: Mapping[str, Change | None]) -> Mapping[str, Change | None]:
    """What the operator lets users filter this list by, where he says so; it counts from 3.31 on."""
    shape = request.operation.reply
    chosen = CONFIG.filters.get(shape.name or "") if shape and request.has(v.RESOURCE_FILTERS) else None
    return public if chosen is None else {name.removesuffix("~"): public.get(name.removesuffix("~")) for name in chosen}


def with_likes(filters: Mapping[str, Any], texts: Mapping[str, Column]) -> dict[str, Any]:
    return {**filters, **{f"{name}~": like(column) for name, column in texts.items()}}


def exact(column: Column) -> Callable[[Values], ColumnElement[bool]]:
    return lambda values: equals(column, values[-1:])


class Rows(Listing):
    """A list whose marker is somebody's id: one that is not there is not found."""

    def no_marker(self, marker: str) -> CloudError:
        return NotFound(f"{self.model.__name__} {marker[:255]} could not be found.", type="MarkerNotFound")


async def page(request: Request, tx: AsyncSession, listing: Listing, query: Any, asked: ListQuery | None) -> Page:
    """The rows asked for, and how many there are, if that is asked as well (3.45)."""
    counted = request.has(v.WITH_COUNT) and flag(request, "with_count")
    if asked is None:
        return Page([], extra={"count": 0} if counted else {})
    found = await listing.page(request, tx, query, asked)
    if not counted:
        return found
    rows = listing.filtered(query, asked).with_only_columns(func.count()).order_by(None)
    return Page(found.rows, found.limit, found.more, found.last, found.first, extra={"count": (await tx.execute(rows)).scalar() or 0})
