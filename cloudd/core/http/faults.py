"""What Nova and Cinder have in common on the wire: an error is one member named for its status, and a page may be empty."""

from typing import Any

from cloudd.core.errors import BadRequest, CloudError, Unauthorized
from cloudd.core.http.request import Request
from cloudd.core.ids import ANY, whole

NAMES = {400: "badRequest", 403: "forbidden", 404: "itemNotFound", 405: "badMethod",
         409: "conflictingRequest", 413: "overLimit", 415: "badMediaType", 429: "overLimit", 501: "notImplemented",
         503: "serviceUnavailable"}
SCHEMA = {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": {
    "type": "object", "required": ["code", "message"], "properties": {
        "code": {"type": "integer"}, "message": {"type": "string"}, "retryAfter": {"type": "string"}}}}


def told(error: CloudError, status: int) -> tuple[dict[str, Any], dict[str, str]]:
    """The body of an error, and its headers."""
    if isinstance(error, Unauthorized):                       # said by keystonemiddleware, in Keystone's words
        return {"error": {"code": 401, "title": error.title, "message": error.message}}, {}
    fault = {"code": status, "message": error.message}
    headers = {"Retry-After": "0"} if status in (413, 429) else {}
    if headers:
        fault["retryAfter"] = "0"
    return {NAMES.get(status, "computeFault"): fault}, headers


def page_size(request: Request) -> int:
    """The `limit`; 0 asks for an empty page. Raises BadRequest."""
    text, most = request.query.get("limit"), request.settings.api.max_limit
    if text is None:
        return most
    if (wanted := whole(text, ANY)) is None:
        raise BadRequest(f"Invalid input for query parameters limit. Value: {text}. It must be a number from 0 on.")
    return min(wanted, most)
