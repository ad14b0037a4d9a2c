"""What several of these bodies and queries hold."""

from collections.abc import Mapping
from typing import Any

from cloudd.block.api import fields
from cloudd.core.errors import BadRequest
from cloudd.core.http import Shape
from cloudd.core.http.types import Raw, Text

NAME = Text(1, 255, pattern=r"\S")
DESCRIPTION = Text(0, 255, null=True, pattern=fields.PRINTABLE)
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
    return fields.boolean("is_public", text)


def mapping(name: str, text: str) -> Mapping[Any, Any]:
    """A filter that is a mapping: `{'key': 'value'}`. Raises BadRequest."""
    found = fields.mapping(text)
    if found is None:
        raise BadRequest(f"Invalid filter {name}={text[:80]}: it must be a mapping, as {{'key': 'value'}}.")
    return found
