"""Neutron's way with bodies: one resource or many, its words for what is wrong, both names of a project."""

import functools
import ipaddress
from collections.abc import Sequence
from typing import Any

import jsonschema_rs

from cloudd.core import clock
from cloudd.core.errors import BadRequest
from cloudd.core.http import Field, Shape
from cloudd.core.http import types as t
from cloudd.core.http.microversions import Version
from cloudd.core.http.shapes import UNSET, first_error
from cloudd.network.policies import POLICIES

_TRUE = {"true", "1", "yes", "on", "t", "y"}
_FALSE = {"false", "0", "no", "off", "f", "n"}


def _to_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).lower()
    if text not in _TRUE | _FALSE:
        raise ValueError(f"'{value}' cannot be converted to boolean")
    return text in _TRUE


def _to_int(value: Any) -> int | None:
    if value is None:
        return None
    try:
        return int(value)
    except ValueError:
        raise ValueError(f"'{value}' is not an integer") from None


RULES = frozenset(rule.name for rule in POLICIES)
INT = t.Raw({"type": ["integer", "string"]}, _to_int, answer={"type": "integer"})
BOOL = t.Raw({"type": ["boolean", "string", "integer"]}, _to_bool, answer={"type": "boolean"})
LOOSE_INT = t.Raw({"type": ["integer", "string", "null"]}, _to_int, answer={"type": ["integer", "null"]})
TEXT = t.Text(0, 255)
TAGS = t.List(t.Text(1, 255, pattern="^[^,/]*$"), 0, 50)


class _Cidr(t.Text):
    """A range as the caller wrote it, checked; null where `null`."""

    def __init__(self, *, null: bool = False):
        super().__init__(0, 64, format="cidr", null=null)


CIDR = _Cidr()
CIDR_OR_NULL = _Cidr(null=True)
IP = t.Ip()
IP_OR_NULL = t.Ip(null=True)
UUID = t.Uuid()
MOMENT = t.Text(format="date-time")
UUID_OR_NULL = t.Text(0, 36, pattern=t.UUID_PATTERN, null=True)
OWNER = dict.fromkeys(("project_id", "tenant_id"), t.Text(null=True))
ROUTE = t.Obj({"destination": CIDR, "nexthop": IP}, ("destination", "nexthop"))


class NeutronShape(Shape):
    """A resource of Neutron. A body may hold one (`{"network": {}}`) or, on create, many (`{"networks": [{}]}`)."""

    bulk = True

    def read(self, body: Any, version: Version, use: str = "create") -> Any:
        """The lifted values of the one resource, or of each of the many, under the names on the wire."""
        if isinstance(body, dict) and use == "create" and self.plural in body:
            many = body[self.plural]
            if not isinstance(many, list) or not many:
                raise BadRequest("Resources required", type="HTTPBadRequest")
            return [self.read_one(one.get(self.name, one) if isinstance(one, dict) else one, use) for one in many]
        if not isinstance(body, dict) or self.name not in body:
            raise BadRequest(f"Unable to find '{self.name}' in request body", type="HTTPBadRequest")
        return self.read_one(body[self.name], use)

    def read_one(self, given: Any, use: str) -> dict[str, Any]:
        if not isinstance(given, dict):
            raise BadRequest("Body contains invalid data", type="HTTPBadRequest")
        fields = {item.name: item for item in self.fields}
        if unknown := [name for name in given if name not in fields]:
            raise BadRequest(f"Unrecognized attribute(s) '{', '.join(unknown)}'", type="HTTPBadRequest")
        if refused := [name for name in given if not fields[name].accepts(use)]:
            words = f"Attribute '{refused[0]}' not allowed in POST" if use == "create" else \
                f"Cannot update read-only attribute {refused[0]}"
            raise BadRequest(words, type="HTTPBadRequest")
        if use == "create" and (lacking := [item.name for item in self.fields if item.required and item.name not in given]):
            raise BadRequest(f"Failed to parse request. Required attribute '{lacking[0]}' not specified", type="HTTPBadRequest")
        values = {name: self._value(fields[name], value) for name, value in given.items()}
        _one_project(values)
        if use == "create":
            values.update({item.name: _default(item) for item in self.fields
                           if item.default is not UNSET and item.create and item.name not in values})
        return values

    def _value(self, item: Field, value: Any) -> Any:
        error = first_error(_validator(item), value)
        try:
            if error is not None:
                raise ValueError(_words(error, value))
            return item.type.lift(value)
        except ValueError as exc:
            raise BadRequest(f"Invalid input for {item.name}. Reason: {exc}.", type="HTTPBadRequest") from exc

    def explicit(self, given: dict[str, Any], use: str) -> list[str]:
        """The attributes that a caller asked for: those sent, but on create not those sent at their default."""
        fields = {item.name: item for item in self.fields}
        return [name for name, value in given.items() if name in fields
                and (use != "create" or fields[name].default is UNSET or value != _default(fields[name]))]

    @functools.cache  # noqa: B019 - shapes live as long as the process
    def guarded(self, rules: frozenset[str]) -> tuple[tuple[str, str], ...]:
        """(attribute, rule) of the members that not everybody may see."""
        return tuple((item.name, f"get_{self.name}:{item.name}") for item in self.fields
                     if f"get_{self.name}:{item.name}" in rules)

    def _always(self, item: Field) -> bool:
        return super()._always(item) and f"get_{self.name}:{item.name}" not in RULES

    def views(self, rows: Sequence[Any], request: Any, only: Any = None) -> list[dict[str, Any]]:
        replies = super().views(rows, request, only)
        guarded = self.guarded(_rules(request))
        for row, reply in zip(rows, replies, strict=True) if guarded else ():
            for name in self._hidden(request, guarded, row):
                reply.pop(name, None)
        return replies

    def _hidden(self, request: Any, guarded: tuple[tuple[str, str], ...], row: Any) -> tuple[str, ...]:
        """The attributes that policy does not show; asked once a request for rows of the same owners."""
        hidden = request.params.setdefault("hidden", {})
        owners = (self.name, row.project_id, getattr(row, "network_project_id", None))
        if owners not in hidden:
            target = {"project_id": row.project_id, "tenant_id": row.project_id, "networks:shared": True, "shared": True,
                      "network:project_id": owners[2]}
            hidden[owners] = tuple(name for name, rule in guarded if not request.allows(rule, target))
        return hidden[owners]


def _default(item: Field) -> Any:
    return item.default() if callable(item.default) else item.default


@functools.cache
def _validator(item: Field) -> Any:
    return jsonschema_rs.Draft202012Validator(item.type.schema(), formats=t.FORMATS, validate_formats=True)


def _words(error: Any, value: Any) -> str:
    message = str(error.message)
    if len(message) > 300:
        message = message[:200] + " ... " + message[-90:]
    return message if str(value)[:50] in message else f"'{str(value)[:100]}': {message}"


def _one_project(values: dict[str, Any]) -> None:
    """`tenant_id` is the older name of `project_id`."""
    older = values.pop("tenant_id", None)
    if older is not None and values.setdefault("project_id", older) != older:
        raise BadRequest("'project_id' and 'tenant_id' do not match", type="HTTPBadRequest")


def _rules(request: Any) -> frozenset[str]:
    rules = request.params.get("rules")
    if rules is None:
        rules = request.params["rules"] = frozenset(
            name for service, name in request.parts.policies.rules if service == "network" and name.startswith("get_"))
    return rules


def project_fields() -> tuple[Field, ...]:
    """Both names of the owner."""
    return (Field("project_id", t.Text(0, 255), update=False), Field("tenant_id", t.Text(0, 255), update=False, of="project_id",
                                                                    column="project_id"))


def _moment(name: str) -> Any:
    return lambda row, request: clock.iso(getattr(row, name))


def standard_fields(*, tags: bool = True, name: bool = True, name_required: bool = False) -> tuple[Field, ...]:
    """The members of every standard resource."""
    fields = [Field("id", UUID, readonly=True)]
    if name:
        fields.append(Field("name", TEXT, required=name_required, default=UNSET if name_required else ""))
    fields += [*project_fields(), Field("description", TEXT, default=""),
               Field("created_at", MOMENT, readonly=True, of=_moment("created_at")),
               Field("updated_at", MOMENT, readonly=True, of=_moment("updated_at")), Field("revision_number", t.Int(), readonly=True)]
    if tags:
        fields.append(Field("tags", TAGS, update=False))
    return tuple(fields)


def is_shared(row: Any, request: Any) -> bool:
    """Whether a row is shared with the caller."""
    return row.shared_with(request.context.project_id)


def host_bits(cidr: str) -> str:
    """A range without host bits."""
    return str(ipaddress.ip_network(cidr, strict=False))
