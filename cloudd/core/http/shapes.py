"""Shapes: what a resource looks like on the wire, each field with its lifetime; schemas and views are made from them.

One shape serves requests and replies. A field's flags say where it stands:
`create`/`update`: may be sent; `required`: must be sent on create; `reply`: is answered.
"""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from operator import attrgetter
from typing import Any

import jsonschema_rs

from cloudd.core.errors import BadRequest
from cloudd.core.http import words
from cloudd.core.http.microversions import Change, V, Version, show
from cloudd.core.http.types import FORMATS, Any_, Int, List, Raw, Text, Type

UNSET: Any = type("Unset", (), {"__repr__": lambda self: "UNSET", "__bool__": lambda self: False})()
LAST: Version = (999, 999)


def _bound(value: "str | Change | Version | None", default: Version) -> Version:
    if isinstance(value, Change):
        return value.version
    if isinstance(value, tuple):
        return value
    return V(value) if value else default


class Field:
    """One member of a shape.

    `of` tells where a reply takes the value from: an attribute's name, or a function of (row, request). `default` is put in
    on create when the field was not sent. `since`/`until` are microversions (`until` is the last that has it). `answer` is the
    type in replies where it is not what requests send; `sometimes`: not every reply has it.
    """

    def __init__(self, name: str, type: Type | None = None, *, required: bool = False, default: Any = UNSET,
                 create: bool = True, update: bool = True, reply: bool = True, readonly: bool = False,
                 since: "str | Change | Version | None" = None, until: "str | Version | None" = None,
                 of: str | Callable[[Any, Any], Any] | None = None, column: str | None = None,
                 answer: Type | None = None, sometimes: bool = False):
        self.answer, self.sometimes = answer or type or Any_(), sometimes
        self.name, self.type = name, type or Any_()
        self.required, self.default = required, default
        self.create, self.update, self.reply = create and not readonly, update and not readonly, reply
        self.since, self.until = _bound(since, (0, 0)), _bound(until, LAST)
        self.column = column or name
        self.attribute = None if callable(of) else of or self.column
        self.get: Callable[[Any, Any], Any] = of if callable(of) else _getter(of or self.column)

    def lives(self, version: Version) -> bool:
        return self.since <= version <= self.until

    def later(self, change: Change) -> "Field":
        """The same member, where it comes with this change only."""
        twin = copy(self)
        twin.since = max(self.since, change.version)
        return twin

    def accepts(self, use: str) -> bool:
        return self.create if use == "create" else self.update


def _getter(name: str) -> Callable[[Any, Any], Any]:
    get = attrgetter(name)
    return lambda row, request: get(row)


class Members:
    """The members of a reply: those that are an attribute of the row are read in one call, the others made one by one."""

    def __init__(self, fields: Iterable[Field]):
        self.fields = tuple(fields)
        plain = {item.name: item.attribute for item in self.fields if item.attribute}
        self._blank = {item.name: UNSET for item in self.fields}          # keeps the order
        self._plain, self._read = tuple(plain), attrgetter(*plain.values()) if len(plain) > 1 else None
        self._made = tuple((item.name, item.get) for item in self.fields if not (self._read and item.attribute))

    def of(self, row: Any, request: Any) -> dict[str, Any]:
        reply = self._blank.copy()
        if self._read is not None:
            reply.update(zip(self._plain, self._read(row), strict=True))
        for name, get in self._made:
            value = get(row, request)
            if value is UNSET:
                del reply[name]
            else:
                reply[name] = value
        return reply

    def with_extra(self, row: Any, reply: dict[str, Any]) -> dict[str, Any]:
        """The reply and before it the members of the row that no field names."""
        extra = getattr(row, "extra", None)
        return {**{name: value for name, value in extra.items() if name not in self._blank}, **reply} if extra else reply

    def some(self, only: Iterable[str]) -> "Members":
        return Members([item for item in self.fields if item.name in only])


class Shape:
    """The members of one resource. `name` is its wrapper on the wire (None: no wrapper), `plural` the list's.

    `extra`: whether unknown members are accepted (True, or the type that they have: a row's `extra` keeps them and the view
    shows them), refused (False), or refused from a Change on. `bulk`: a body may make many at once, and is answered with a list.
    """

    bulk = False

    def __init__(self, name: str | None, *fields: Field, plural: str | None = None, extra: bool | Type | Change = False,
                 low: int = 0, doc: str = ""):
        self.name, self.fields, self.extra, self.low, self.doc = name, fields, extra, low, doc
        self.plural = plural or f"{name}s"
        self._shows_more = extra is True or isinstance(extra, Type)
        self.stretches = sorted({bound for item in fields for bound in (item.since, _next(item.until)) if bound < LAST}
                                 | ({extra.version} if isinstance(extra, Change) else set()))

    def _stretch(self, version: Version) -> Version:
        """The first version of the stretch in which nothing changes that holds `version`."""
        return max((bound for bound in self.stretches if bound <= version), default=(0, 0))

    @functools.cache  # noqa: B019 - shapes live as long as the process
    def fields_at(self, stretch: Version) -> tuple[Field, ...]:
        return tuple(item for item in self.fields if item.lives(stretch))

    def at(self, version: Version, use: str = "create") -> dict[str, Any]:
        """The JSON schema of a request body at a version; `use` is create or update."""
        return self._schema_at(self._stretch(version), use)

    @functools.cache  # noqa: B019
    def _schema_at(self, stretch: Version, use: str) -> dict[str, Any]:
        fields = [item for item in self.fields_at(stretch) if item.accepts(use)]
        extra = self.extra.schema() if isinstance(self.extra, Type) else self._takes_more(stretch)
        inner = {"type": "object", "properties": {item.name: item.type.schema() for item in fields},
                 "required": [item.name for item in fields if item.required and use == "create"],
                 "additionalProperties": extra}
        if self.low:
            inner["minProperties"] = self.low
        if self.name is None:
            return inner
        return {"type": "object", "properties": {self.name: inner}, "required": [self.name], "additionalProperties": extra}

    def _takes_more(self, stretch: Version) -> bool:
        return stretch < self.extra.version if isinstance(self.extra, Change) else bool(self.extra)

    @functools.cache  # noqa: B019
    def _validator(self, stretch: Version, use: str) -> Any:
        return jsonschema_rs.Draft202012Validator(self._schema_at(stretch, use), formats=FORMATS, validate_formats=True)

    def read(self, body: Any, version: Version, use: str = "create") -> dict[str, Any]:
        """Check a request body and lift it: wrapper off, texts to values, defaults in. Raises BadRequest."""
        stretch = self._stretch(version)
        if (error := first_error(self._validator(stretch, use), body)) is not None:
            raise invalid(error, body, self._schema_at(stretch, use))
        given = body if self.name is None else body[self.name]
        return self._lift(given, stretch, use)

    def _lift(self, given: Mapping[str, Any], stretch: Version, use: str) -> dict[str, Any]:
        """What a reply has and a request may not set is not taken, where unknown members are: it is none of them."""
        kept_out = {item.name for item in self.fields_at(stretch) if not item.accepts(use)}
        lifted = {name: value for name, value in given.items() if name not in kept_out}
        for item in self.fields_at(stretch):
            if item.name in lifted and item.type.lifts:
                lifted[item.name] = _lift_one(item, lifted[item.name])
            elif item.name not in lifted and use == "create" and item.default is not UNSET and item.create:
                lifted[item.name] = item.default() if callable(item.default) else item.default
        return lifted

    def view(self, row: Any, request: Any, only: Iterable[str] | None = None) -> dict[str, Any]:
        """The row as this request's version sees it; `only` keeps just these members (Neutron's `fields`)."""
        return self.views((row,), request, only)[0]

    def views(self, rows: Sequence[Any], request: Any, only: Iterable[str] | None = None) -> list[dict[str, Any]]:
        """The same of many rows: what is the same for all of them is done once."""
        members = self._members(self._stretch(request.version))
        if only:
            members = members.some(only)
        replies = [members.of(row, request) for row in rows]
        return [members.with_extra(row, reply) for row, reply in zip(rows, replies, strict=True)] if self._shows_more else replies

    @functools.cache  # noqa: B019
    def _members(self, stretch: Version) -> Members:
        return Members([item for item in self.fields_at(stretch) if item.reply])

    def answer(self, version: Version) -> dict[str, Any]:
        """The JSON schema of one resource in a reply, without its wrapper."""
        return self._answer_at(self._stretch(version))

    @functools.cache  # noqa: B019
    def _answer_at(self, stretch: Version) -> dict[str, Any]:
        fields = [item for item in self.fields_at(stretch) if item.reply]
        return {"type": "object", "properties": {item.name: _noted(item) for item in fields},
                "required": sorted({item.name for item in fields if self._always(item)}),
                "additionalProperties": self.extra.answer() if isinstance(self.extra, Type) else self._shows_more}

    def _always(self, item: Field) -> bool:
        """Whether every reply has a member."""
        return not item.sometimes

    def names(self) -> frozenset[str]:
        return frozenset(item.name for item in self.fields)

    def columns(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """A lifted body as column values: the members that this shape names, under their columns' names."""
        return {item.column: body[item.name] for item in self.fields if item.name in body}


def nested(name: str, shape: Shape, *, many: bool = False, since: Change | None = None, **options: Any) -> list[Field]:
    """A member of replies that is what another shape tells, or a list of it: a field for each stretch of versions where that stays."""
    starts = [first := _bound(since, (0, 0)), *(bound for bound in shape.stretches if bound > first)]
    fields = []
    for start, after in zip(starts, [*starts[1:], LAST], strict=True):
        one = Raw(shape.answer(start))
        fields.append(Field(name, answer=List(one) if many else one, readonly=True, since=start,
                            until=LAST if after == LAST else (after[0], after[1] - 1), **options))
    return fields


def part(shape: Shape) -> Raw:
    """What a shape tells, as a part of another reply; of a shape that is the same at all versions."""
    return Raw(shape.answer((0, 0)))


def queried(*names: str) -> Shape:
    """A query string in which these names mean something, whatever stands under them; others are ignored."""
    return Shape(None, *(Field(name, Text(0, None)) for name in names), extra=True)


class Unchecked(Shape):
    """A body that its handler reads itself (a JSON patch); `schema` is what OpenAPI says of it."""

    def __init__(self, schema: Mapping[str, Any]):
        super().__init__(None)
        self._document = dict(schema)

    def at(self, version: Version, use: str = "create") -> dict[str, Any]:
        return self._document

    def read(self, body: Any, version: Version, use: str = "create") -> Any:
        return body


class Single(Shape):
    """A body whose one member bears the name that stands in the path: a spec of a flavor or type."""

    def __init__(self, keys: str, value: Type):
        super().__init__(None)
        self.value = value
        self._document = {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": False,
                          "patternProperties": {keys: value.schema()}}

    def at(self, version: Version, use: str = "create") -> dict[str, Any]:
        return self._document

    def _schema_at(self, stretch: Version, use: str) -> dict[str, Any]:  # type: ignore[override]
        return self._document

    def _lift(self, given: Mapping[str, Any], stretch: Version, use: str) -> dict[str, Any]:
        return {key: self.value.lift(value) for key, value in given.items()}


def named(body: dict[str, Any], name: str) -> dict[str, Any]:
    """The body of one member, which must be the one that the path names. Raises BadRequest."""
    if name not in body:
        raise BadRequest(f"Request body and URI mismatch: the address names {name}, the body {', '.join(body)}.")
    return body


def first_error(validator: Any, body: Any) -> Any:
    """What is wrong first. `iter_errors` would make all of a large body's errors before it gives one."""
    try:
        validator.validate(body)
    except jsonschema_rs.ValidationError as error:
        return error.with_traceback(None)
    except ValueError as exc:                                 # its limit of depth
        raise BadRequest("Malformed request body: it is nested too deeply.", type="MalformedRequestBody") from exc
    return None


def _noted(item: Field) -> dict[str, Any]:
    """The schema of a member of a reply, with the version that brought it."""
    schema = item.answer.answer()
    return schema if item.since == (0, 0) else {**schema, "x-min-version": show(item.since)}


def _next(version: Version) -> Version:
    return LAST if version == LAST else (version[0], version[1] + 1)


def _lift_one(item: Field, value: Any) -> Any:
    try:
        lifted = item.type.lift(value)
    except ValueError as exc:
        raise BadRequest(f"Invalid input for field/attribute {item.name}. Value: {value}. {exc}") from exc
    if isinstance(item.type, Int) and isinstance(value, str) and item.type.outside(lifted):
        low = item.type.low is not None and lifted < item.type.low
        message = words.PLAIN["minimum" if low else "maximum"](repr(lifted), item.type.low if low else item.type.high)
        raise BadRequest(f"Invalid input for field/attribute {item.name}. Value: {value}. {message}")
    return lifted


def invalid(error: Any, body: Any, schema: Mapping[str, Any]) -> BadRequest:
    """What a schema error tells the caller: the member, its value (cut), and what is wrong with it in jsonschema's words."""
    path = [str(part) for part in error.instance_path]
    value = functools.reduce(lambda inner, part: inner[int(part)] if isinstance(inner, list) else inner[part], path, body)
    value = words.HIDDEN if path and words.secret(path[-1]) else words.masked(value)
    message = words.of(error, value, schema)
    if len(message) > 400:
        message = message[:200] + " ... " + message[-180:]
    if not path:
        return BadRequest(f"Invalid input: {message}", type="ValidationError")
    return BadRequest(f"Invalid input for field/attribute {path[-1]}. Value: {str(value)[:100]}. {message}", type="ValidationError",
                      path=".".join(path))
