"""Identifiers in the forms that OpenStack uses."""

import re
import secrets
import uuid

_UUID = re.compile(r"[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")


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
