"""Types of attributes as Neutron converts them: many spellings in, one kept; null where it clears."""

import ipaddress
from typing import Any

from cloudd.core.http import types as t

HEX = frozenset("0123456789abcdef")
GROUPS = {(":", 6): 2, ("-", 6): 2, (":", 3): 4, ("-", 3): 4, (".", 3): 4, (":", 2): 6, ("-", 2): 6}    # (separator, groups): digits
ONE_LINE = r"^[^\x00-\x1f\x7f]*$"
MOST = 128                                           # of a collection inside a resource to which upstream sets no limit


def mac(text: str) -> str:
    """A MAC address in any usual spelling as `xx:xx:xx:xx:xx:xx`. Raises ValueError, also for one that no interface has."""
    digits = _digits(text.lower())
    if digits is None:
        raise ValueError(f"'{text}' is not a valid MAC address")
    if digits in ("0" * 12, "f" * 12) or int(digits[:2], 16) & 1:
        raise ValueError(f"'{text}' is not a valid MAC address: no interface has the all-zero, broadcast or a multicast one")
    return ":".join(digits[at:at + 2] for at in range(0, 12, 2))


def _digits(text: str) -> str | None:
    separator = next((sign for sign in ":-." if sign in text), None)
    parts = text.split(separator) if separator else [text]
    width = GROUPS.get((separator, len(parts))) if separator else 12
    least = {2: 1, 4: 1, 6: 5, 12: 11}.get(width or 0, 0)
    if width is None or not all(least <= len(part) <= width and set(part) <= HEX for part in parts):
        return None
    return "".join(part.zfill(width) for part in parts)


def prefix(text: str | None) -> str | None:
    """A range of addresses, kept with its mask: that of one address where none was sent; nothing sent is none."""
    if not text:
        return None
    try:
        if "%" in text:
            raise ValueError
        return str(ipaddress.ip_interface(text))
    except ValueError:
        raise ValueError(f"'{text}' is not a valid IP address or prefix") from None


class Emptied(t.List):
    """A list that null empties."""

    def __init__(self, item: t.Type, high: int | None = None, *, unique: bool = False):
        super().__init__(item, 0, high, unique=unique, null=True)

    def lift(self, value: Any) -> Any:
        return super().lift(value or [])


class Text(t.Text):
    """Text that null empties."""

    def __init__(self, high: int = 255):
        super().__init__(0, high, null=True)

    def lift(self, value: Any) -> Any:
        return value or ""


class Map(t.Map):
    """A mapping that null empties."""

    def __init__(self) -> None:
        super().__init__(null=True, high=MOST)

    def lift(self, value: Any) -> Any:
        return value or {}


def lenient(type_: t.Type) -> Any:
    """How a filter's value is converted: as the attribute's, and what does not convert matches nothing."""
    def convert(value: str) -> Any:
        try:
            return type_.lift(value)
        except ValueError:
            return value
    return convert


MAC = t.Raw({"type": "string", "maxLength": 64}, mac)
MAC_OR_NULL = t.Raw({"type": ["string", "null"], "maxLength": 64}, lambda value: None if value is None else mac(value))
PREFIX = t.Raw({"type": ["string", "null"], "maxLength": 64}, prefix)
CONVERTED = (MAC, MAC_OR_NULL, PREFIX)
