"""Types of fields: each gives its JSON schema and, where the wire is looser than the logic, a lift to the plain value."""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Any

UUID_PATTERN = "^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$"
_TRUE = {"1", "t", "true", "on", "y", "yes"}
_FALSE = {"0", "f", "false", "off", "n", "no"}


class Type:
    """Parent of all types. `lift` turns a valid wire value into what logic uses; `lifts` says whether it ever changes one."""

    lifts = False

    def __init__(self, null: bool = False):
        self.null = null

    def schema(self) -> dict[str, Any]:
        inner = self._schema()
        if not self.null:
            return inner
        return {"anyOf": [inner, {"type": "null"}]} if "type" not in inner or isinstance(inner["type"], list) else _nullable(inner)

    def _schema(self) -> dict[str, Any]:
        raise NotImplementedError

    def answer(self) -> dict[str, Any]:
        """The schema of the value in replies: the lifted one, without the bounds that only hold for what is sent."""
        inner = self._answer()
        return _nullable(inner) if self.null and isinstance(inner.get("type"), str) else inner

    def _answer(self) -> dict[str, Any]:
        return {name: value for name, value in self._schema().items() if name in ("type", "format")}

    def lift(self, value: Any) -> Any:
        return value


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    schema = {**schema, "type": [schema["type"], "null"]}
    if "enum" in schema:
        schema["enum"] = [*schema["enum"], None]
    return schema


class Any_(Type):
    """Any JSON value."""

    def _schema(self) -> dict[str, Any]:
        return {}


class Text(Type):
    """Text of `low` to `high` characters; `pattern` is an ECMA regular expression; `strip` drops outer blanks."""

    def __init__(self, low: int = 0, high: int | None = 255, *, pattern: str | None = None, null: bool = False,
                 strip: bool = False, format: str | None = None):
        super().__init__(null)
        self.low, self.high, self.pattern, self.lifts, self.format = low, high, pattern, strip, format

    def _schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "string", "minLength": self.low}
        if self.high is not None:
            schema["maxLength"] = self.high
        if self.pattern:
            schema["pattern"] = self.pattern
        if self.format:
            schema["format"] = self.format
        return schema

    def lift(self, value: Any) -> Any:
        return value.strip() if self.lifts and isinstance(value, str) else value


class Uuid(Type):
    def _schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": UUID_PATTERN}


class Int(Type):
    """An integer in [low, high]; `text` accepts it as digits in text as well, as Nova does."""

    def __init__(self, low: int | None = None, high: int | None = None, *, text: bool = False, null: bool = False):
        super().__init__(null)
        self.low, self.high, self.lifts = low, high, text

    def _answer(self) -> dict[str, Any]:
        return {"type": "integer"}

    def _schema(self) -> dict[str, Any]:
        bounds = {key: value for key, value in (("minimum", self.low), ("maximum", self.high)) if value is not None}
        if not self.lifts:
            return {"type": "integer", **bounds}
        return {"type": ["integer", "string"], "pattern": "^-?[0-9]+$", **bounds}

    def lift(self, value: Any) -> Any:
        return int(value) if self.lifts and isinstance(value, str) else value

    def outside(self, value: Any) -> bool:
        """Whether digits in text lie outside the bounds, which the schema cannot say."""
        return (self.low is not None and value < self.low) or (self.high is not None and value > self.high)


class Number(Type):
    def __init__(self, low: float | None = None, *, null: bool = False):
        super().__init__(null)
        self.low = low

    def _schema(self) -> dict[str, Any]:
        return {"type": "number", **({"minimum": self.low} if self.low is not None else {})}


class Bool(Type):
    """True or false; `text` accepts the words that oslo.utils' strutils reads as such."""

    def __init__(self, *, text: bool = False, null: bool = False):
        super().__init__(null)
        self.lifts = text

    def _answer(self) -> dict[str, Any]:
        return {"type": "boolean"}

    def _schema(self) -> dict[str, Any]:
        if not self.lifts:
            return {"type": "boolean"}
        words = sorted(_TRUE | _FALSE)
        words += [word.capitalize() for word in words] + [word.upper() for word in words]
        return {"type": ["boolean", "string"], "enum": [True, False, *dict.fromkeys(words)]}

    def lift(self, value: Any) -> Any:
        return value.lower() in _TRUE if isinstance(value, str) else value


class Enum(Type):
    def __init__(self, *values: Any, null: bool = False):
        super().__init__(null)
        self.values = values

    def _schema(self) -> dict[str, Any]:
        return {"enum": list(self.values)}

    def schema(self) -> dict[str, Any]:
        return {"enum": [*self.values, None]} if self.null else self._schema()

    def answer(self) -> dict[str, Any]:
        return self.schema()


class List(Type):
    def __init__(self, item: Type, low: int = 0, high: int | None = None, *, unique: bool = False, null: bool = False):
        super().__init__(null)
        self.item, self.low, self.high, self.unique = item, low, high, unique
        self.lifts = item.lifts

    def _schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "array", "items": self.item.schema(), "minItems": self.low}
        if self.high is not None:
            schema["maxItems"] = self.high
        if self.unique:
            schema["uniqueItems"] = True
        return schema

    def _answer(self) -> dict[str, Any]:
        return {"type": "array", "items": self.item.answer()}

    def lift(self, value: Any) -> Any:
        return [self.item.lift(item) for item in value] if self.lifts and isinstance(value, Sequence) else value


class Map(Type):
    """A free mapping: keys match `keys`, values are of one type; at most `high` pairs."""

    def __init__(self, value: Type | None = None, *, keys: str | None = None, low: int = 0, high: int | None = None,
                 null: bool = False):
        super().__init__(null)
        self.value, self.keys, self.low, self.high = value or Any_(), keys, low, high
        self.lifts = self.value.lifts

    def _schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "object", "minProperties": self.low}
        if self.high is not None:
            schema["maxProperties"] = self.high
        if self.keys:
            return {**schema, "patternProperties": {self.keys: self.value.schema()}, "additionalProperties": False}
        return {**schema, "additionalProperties": self.value.schema()}

    def _answer(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": self.value.answer()}

    def lift(self, value: Any) -> Any:
        return {key: self.value.lift(item) for key, item in value.items()} if self.lifts and isinstance(value, Mapping) else value


class Obj(Type):
    """An object with named members, each `(Type, required)`; other members are refused unless `extra`."""

    def __init__(self, members: Mapping[str, Type], required: Sequence[str] = (), *, extra: bool = False, null: bool = False):
        super().__init__(null)
        self.members, self.required, self.extra = dict(members), list(required), extra
        self.lifts = any(member.lifts for member in members.values())

    def _schema(self) -> dict[str, Any]:
        return {"type": "object", "properties": {name: member.schema() for name, member in self.members.items()},
                "required": self.required, "additionalProperties": self.extra}

    def _answer(self) -> dict[str, Any]:
        return {"type": "object", "properties": {name: member.answer() for name, member in self.members.items()},
                "required": self.required, "additionalProperties": self.extra}

    def lift(self, value: Any) -> Any:
        if not self.lifts or not isinstance(value, Mapping):
            return value
        return {key: self.members[key].lift(item) if key in self.members else item for key, item in value.items()}


class Record(Obj):
    """An object that always has all of its members, but for those that stand there `sometimes`."""

    def __init__(self, members: Mapping[str, Type], sometimes: Sequence[str] = (), *, extra: bool = False, null: bool = False):
        super().__init__(members, [name for name in members if name not in sometimes], extra=extra, null=null)


class Raw(Type):
    """A schema written out, for what the other types cannot say. `answer` is that of the value in replies, where it is another."""

    def __init__(self, schema: Mapping[str, Any], lift: Any = None, *, answer: Mapping[str, Any] | None = None):
        super().__init__(False)
        self._raw, self._lift, self._told = dict(schema), lift, dict(schema if answer is None else answer)
        self.lifts = lift is not None

    def _schema(self) -> dict[str, Any]:
        return self._raw

    def schema(self) -> dict[str, Any]:
        return self._raw

    def answer(self) -> dict[str, Any]:
        return self._told

    def lift(self, value: Any) -> Any:
        return self._lift(value) if self._lift else value


class Either(Type):
    """A value of one of several types."""

    def __init__(self, *kinds: Type):
        super().__init__(False)
        self.kinds = kinds

    def _schema(self) -> dict[str, Any]:
        return {"anyOf": [kind.schema() for kind in self.kinds]}

    def _answer(self) -> dict[str, Any]:
        return {"anyOf": [kind.answer() for kind in self.kinds]}


class Ip(Text):
    """An IPv4 or IPv6 address (`version` 4 or 6 for one kind only), in its canonical text."""

    def __init__(self, version: int | None = None, *, null: bool = False):
        super().__init__(0, 64, null=null, format={4: "ipv4", 6: "ipv6", None: "ip-address"}[version])
        self.lifts = True

    def lift(self, value: Any) -> Any:
        return str(ipaddress.ip_address(value)) if isinstance(value, str) and value else value


def is_mac(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}", value) is not None


def is_ip(value: Any) -> bool:
    """An address without a scope: what stands behind a `%` may be any text."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return isinstance(value, str) and "%" not in value               # a scope may hold any text, and means nothing here


def is_cidr(value: Any) -> bool:
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        return False
    return isinstance(value, str) and "/" in value and "%" not in value


FORMATS = {"ip-address": is_ip, "cidr": is_cidr, "mac-address": is_mac}
MAC = Text(0, 32, format="mac-address")
CIDR = Text(0, 64, format="cidr")
NULL = Raw({"type": "null"})
NONE = Raw({"type": "array", "maxItems": 0})
NOTHING = Raw({"not": {}})          # of a reply: there is no body
