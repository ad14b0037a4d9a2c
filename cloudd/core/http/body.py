"""A request's body: how much is taken, from whom, and as what."""

from typing import Any

import orjson
from aiohttp import web

from cloudd.core.errors import BadRequest, TooLarge, UnsupportedMedia

DEEPEST = 100
"""Levels of a body. What is read deeper than some 250 could not be written again."""
PLAIN = ("", "identity")


async def read_bytes(raw: web.Request, settings: Any, *, known: bool, encodings: tuple[str, ...] = PLAIN) -> bytes:
    """All of it; from somebody whom no token names at most `max_anonymous_body_size`. Who undoes other `encodings` names them.
    Raises TooLarge, UnsupportedMedia."""
    encoding = raw.headers.get("Content-Encoding", "")
    if encoding.strip().lower() not in encodings:
        error = UnsupportedMedia(f"The content encoding {encoding[:64]} is not served: send the body as it is.")
        error.headers["Accept-Encoding"] = "identity"
        raise error
    option = "max_body_size" if known else "max_anonymous_body_size"
    most = min(getattr(settings.server, option), settings.server.max_body_size)
    if (raw.content_length or 0) > most:
        raise _too_large(most, option)
    data = bytearray()
    while chunk := await raw.content.readany():
        data += chunk
        if len(data) > most:
            raise _too_large(most, option)
    return bytes(data)


async def read_json(raw: web.Request, settings: Any, *, known: bool) -> Any:
    """The JSON value that was sent; None where nothing was."""
    data = await read_bytes(raw, settings, known=known)
    if not data:
        return None
    if b"\\u0000" in data:
        raise BadRequest("Malformed request body: a text in it has a NUL character.", type="MalformedRequestBody")
    kind = raw.content_type
    if "json" not in kind and raw.headers.get("Content-Type"):
        raise UnsupportedMedia(f"The content type {kind} is not served: send application/json.")
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as exc:
        raise BadRequest(f"Malformed request body: it is not JSON ({exc}).", type="MalformedRequestBody") from exc
    if data.count(b"{") + data.count(b"[") > DEEPEST and _is_deep(value):
        raise BadRequest(f"Malformed request body: it is nested deeper than {DEEPEST} levels.", type="MalformedRequestBody")
    return value


def _is_deep(value: Any) -> bool:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer)
                 if isinstance(inner, dict | list)]
        if not level:
            return False
    return True


def _too_large(most: int, option: str) -> TooLarge:
    without = " without a token" if option == "max_anonymous_body_size" else ""
    return TooLarge(f"The request body is larger than the {most} bytes that this cloud accepts{without} ({option}).")
