"""Payloads on their way in and out: content types, encodings, sizes; as Barbican takes and gives them."""

import base64
import binascii

from cloudd.core.errors import BadRequest, NotAcceptable, TooLarge
from cloudd.core.http.accept import takes

TEXT = "text/plain"
OCTETS = "application/octet-stream"
BINARY = (OCTETS, "application/pkcs8")
SUPPORTED = (TEXT, *BINARY)
BASE64 = "base64"


def normal(content_type: str) -> str | None:
    """One of SUPPORTED, from what a client calls it; None for anything else. The one charset is UTF-8."""
    kind, *parameters = (part.strip().lower() for part in content_type.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if (name.strip(), value.strip().strip('"')) != ("charset", "utf-8"):
            return None
    return kind if kind in SUPPORTED else None


def require_size(size: int, most: int) -> None:
    if size > most:
        raise TooLarge(f"The payload has {size} bytes, this cloud takes {most} of one secret (max_secret_bytes).")


def from_json(payload: str, content_type: str | None, encoding: str | None, most: int) -> tuple[bytes, str]:
    """What a body of JSON carries, and its type. Raises BadRequest, TooLarge."""
    if content_type is None:
        raise BadRequest("payload_content_type must be supplied where there is a payload: use one of " + ", ".join(SUPPORTED) + ".")
    kind = normal(content_type)
    if kind is None:
        raise BadRequest(f"payload_content_type {content_type[:100]!r} is not supported: use one of {', '.join(SUPPORTED)}.")
    if (encoding == BASE64) != (kind in BINARY):
        raise BadRequest(f"payload_content_encoding {encoding!r} does not go with {kind}: " + (
            "use base64." if kind in BINARY else "leave it out, text stands as it is."))
    require_size(len(payload.encode(errors="surrogatepass")), most)
    text = payload.strip()
    if not text:
        raise BadRequest("The payload is empty: leave it out to add it later.")
    return (_decoded(text), kind) if encoding else (_encoded(text), kind)


def from_body(data: bytes, content_type: str, encoding: str | None, most: int) -> tuple[bytes, str]:
    """What a body is as it stands, and its type, which is supported. Raises BadRequest, TooLarge."""
    if not data:
        raise BadRequest("No data supplied to process: the body is the payload.")
    require_size(len(data), most)
    kind = normal(content_type) or OCTETS
    if kind == TEXT:
        if not _is_text(data):
            raise BadRequest("The payload is no text in UTF-8: send it as application/octet-stream.")
        return data, kind
    if encoding and encoding.lower() not in (BASE64, "binary"):
        raise BadRequest(f"The Content-Encoding {encoding[:100]!r} is not supported: use base64, or none.")
    if encoding and encoding.lower() == BASE64:
        return _decoded(data.decode("ascii", errors="replace")), kind
    return data, kind


def _decoded(text: str) -> bytes:
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise BadRequest("The payload is not base64, as payload_content_encoding says.") from exc
    if not data:
        raise BadRequest("The payload is empty: leave it out to add it later.")
    return data


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as exc:
        raise BadRequest("The payload is no text: it has half of a surrogate pair.") from exc


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def asks_for_payload(accept: str) -> bool:
    """Whether a secret is asked for its payload by its own address, as clients of before do."""
    return normal(accept) is not None


def answer_type(accept: str, data: bytes, kind: str) -> str:
    """The type that a payload goes out as, by what the caller takes. Raises NotAcceptable."""
    wanted = normal(accept) if accept.strip() else OCTETS
    if wanted is None and takes(accept, kind):                # as `*/*`
        wanted = kind
    if wanted is None or (wanted == TEXT and not _is_text(data)):
        raise NotAcceptable(f"Wrong payload content-type: {accept[:100]!r} was asked for, the secret is {kind}.")
    return wanted
