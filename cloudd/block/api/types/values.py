"""What several of these bodies and queries hold."""

from collections.abc import Mapping
from typing import Any

from cloudd.block.api import fields
from cloudd.core.errors import BadRequest
from cloudd.core.http.shapes import Single
from cloudd.core.http.types import Text

NAME = Text(1, 255, pattern=r"\S")
DESCRIPTION = Text(0, 255, null=True, pattern=fields.PRINTABLE)
KEY = r"^[a-zA-Z0-9-_:.]{1,255}$"
VALUE = Text(0, 255, null=True)
SPEC = Single(KEY, VALUE)
NONE_WORDS = ("none", "null", "")


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
