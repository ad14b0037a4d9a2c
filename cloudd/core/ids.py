"""Identifiers in the forms that OpenStack uses, and numbers that somebody wrote."""

import re
import secrets
import uuid

_UUID = re.compile(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
MOST = 2**63 - 1
"""What a database holds."""
ANY = 10**100
"""As good as no limit, where a number that is too large is made smaller."""


def new_uuid() -> str:
    """A random UUID with dashes: servers, images, networks, ports."""
    return str(uuid.uuid4())


def new_hex() -> str:
    """A random UUID without dashes: Keystone's users, projects, roles."""
    return uuid.uuid4().hex


def new_request_id() -> str:
    return f"req-{uuid.uuid4()}"


def new_secret(size: int = 24) -> str:
    """A random URL-safe secret of `size` bytes of entropy."""
    return secrets.token_urlsafe(size)


def is_uuid(value: object) -> bool:
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def whole(text: object, most: int = MOST) -> int | None:
    """The number from 0 to `most` that ASCII digits stand for; None for all else.

    `isdigit` alone lets through what `int` does not read (`²`), and thousands of digits, at which it gives up.
    """
    digits = str(text)
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 101:
        return None
    number = int(digits)
    return number if number <= most else None
