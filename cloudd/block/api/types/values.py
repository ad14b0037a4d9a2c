"""What several of these bodies and queries hold."""

import ast
from typing import Any

from cloudd.core.errors import BadRequest
from cloudd.core.http import Shape
from cloudd.core.http.types import Bool, Raw, Text

NAME = Text(1, 255, pattern=r"\S")
DESCRIPTION = Text(0, 255, null=True, pattern=r"^[^\p{C}\p{Zl}\p{Zp}]*$")
BOOL = Bool(text=True)
SPACED_KEY = r"^[a-zA-Z0-9-_:. /]{1,255}$"
KEY = r"^[a-zA-Z0-9-_:.]{1,255}$"
VALUE = Text(0, 255, null=True)
NONE_WORDS = ("none", "null", "")


class OneSpec(Shape):
    """A body whose one member is named by the path."""

    def __init__(self) -> None:
        super().__init__(None)
        self._document = Raw({"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": False,
                              "patternProperties": {KEY: VALUE.schema()}}).schema()

    def at(self, version: Any, use: str = "create") -> dict[str, Any]:
        return self._document

    def _schema_at(self, stretch: Any, use: str) -> dict[str, Any]:
        return self._document

    def _lift(self, given: Any, stretch: Any, use: str) -> dict[str, Any]:
        return dict(given)


def named(body: dict[str, Any], key: str) -> dict[str, Any]:
    """The body of one spec, which must be the one that the address names. Raises BadRequest."""
    if key not in body:
        raise BadRequest(f"Request body and URI mismatch: the address names {key}, the body {', '.join(body)}.")
    return body


def publicity(text: str | None) -> bool | None:
    """The list filter `is_public`: unnamed it is true, `none` asks for all. Raises BadRequest."""
    if text is None:
        return True
    if text.lower() in NONE_WORDS:
        return None
    return boolean("is_public", text)


def boolean(name: str, text: str) -> bool:
    """A word of a query string. Raises BadRequest."""
    if text.lower() in ("t", "true", "on", "y", "yes", "1"):
        return True
    if text.lower() in ("f", "false", "off", "n", "no", "0"):
        return False
    raise BadRequest(f"Invalid {name} filter [{text}]: it is true or false.")


def mapping(name: str, text: str) -> dict[str, Any]:
    """A filter that is a mapping, as Python writes one: `{'key': 'value'}`. Raises BadRequest."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError) as exc:
        raise BadRequest(f"Invalid filter {name}={text[:80]}: it must be a mapping, as {{'key': 'value'}}.") from exc
    if not isinstance(value, dict):
        raise BadRequest(f"Invalid filter {name}={text[:80]}: it must be a mapping, as {{'key': 'value'}}.")
    return value
