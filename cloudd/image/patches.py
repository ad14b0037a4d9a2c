"""JSON patches as Glance reads them: RFC 6902's add, replace and remove on members of the image, one level deep.

Two media types: `openstack-images-v2.1-json-patch` (`{"op": "replace", "path": "/name", "value": ...}`) and the older v2.0,
where the operation's name is the member (`{"replace": "/name", "value": ...}`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jsonschema_rs

from cloudd.core.errors import BadRequest, Conflict, Forbidden, UnsupportedMedia
from cloudd.core.http.shapes import first_error
from cloudd.core.ids import whole
from cloudd.image.images import BASE, READONLY
from cloudd.image.models import Image

OPERATIONS = ("add", "replace", "remove")
MEDIA = {"application/openstack-images-v2.1-json-patch": 1, "application/openstack-images-v2.0-json-patch": 0}
_ONE = {"type": "object", "required": ["url", "metadata"], "additionalProperties": False, "properties": {
    "url": {"type": "string", "maxLength": 2048}, "metadata": {"type": "object"},
    "validation_data": {"type": "object", "additionalProperties": False, "required": ["os_hash_algo", "os_hash_value"], "properties": {
        "checksum": {"type": "string", "minLength": 32, "maxLength": 32}, "os_hash_algo": {"type": "string", "maxLength": 64},
        "os_hash_value": {"type": "string", "maxLength": 128}}}}}
LOCATION = jsonschema_rs.validator_for(_ONE)
LOCATIONS = jsonschema_rs.validator_for({"type": "array", "items": _ONE})
QUEUED_ONLY = frozenset({"disk_format", "container_format"})


@dataclass
class Patch:
    """What a patch comes to: members with new values, properties that go, and (operation, position, value) of locations."""

    changes: dict[str, Any] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    locations: list[tuple[str, str, Any]] = field(default_factory=list)

    def urls(self) -> list[str]:
        """The addresses that the patch brings."""
        return [one["url"] for _, _, value in self.locations for one in (value if isinstance(value, list) else [value] if value else [])]


def read(media: str, body: Any, image: Image) -> Patch:
    """Check a patch against an image. Raises UnsupportedMedia, BadRequest, Forbidden (read-only), Conflict (not there)."""
    if media not in MEDIA:
        raise UnsupportedMedia(f"The content type {media} is not served here: send {' or '.join(MEDIA)}.")
    if not isinstance(body, list):
        raise BadRequest("Request body must be a JSON array of operation objects.")
    patch = Patch()
    present = set(image.properties)
    for number, entry in enumerate(body):
        operation, name, tail = _entry(entry, number, new=bool(MEDIA[media]))
        _apply(patch, present, image, operation, name, tail, entry)
    return patch


def _entry(entry: Any, number: int, new: bool) -> tuple[str, str, list[str]]:
    if not isinstance(entry, Mapping):
        raise BadRequest(f"Operation {number} of the patch is not an object.")
    if new:
        operation, path = entry.get("op"), entry.get("path")
    else:
        named = [key for key in OPERATIONS if key in entry]
        operation, path = (named[0], entry[named[0]]) if len(named) == 1 else (None, None)
    if operation not in OPERATIONS:
        raise BadRequest(f"Operation {number} of the patch is {operation!r}: it must be one of {', '.join(OPERATIONS)}.")
    if operation != "remove" and "value" not in entry:
        raise BadRequest(f"Operation \"{operation}\" requires a member named \"value\".")
    return operation, *_path(path)


def _path(path: Any) -> tuple[str, list[str]]:
    if not isinstance(path, str) or not path.startswith("/") or path.endswith("/") or "//" in path:
        raise BadRequest(f"Invalid JSON pointer for this resource: {path!r}. It is /NAME, as in /name.")
    if "~" in path.replace("~0", "").replace("~1", ""):
        raise BadRequest(f"Pointer {path!r} contains \"~\" not part of a recognized escape sequence.")
    parts = [part.replace("~1", "/").replace("~0", "~").strip() for part in path[1:].split("/")]
    if len(parts) > 1 and parts[0] not in ("tags", "locations"):
        raise BadRequest(f"Invalid JSON pointer for this resource: {path!r}. It is one level deep: /NAME.")
    return parts[0], parts[1:]


def _apply(patch: Patch, present: set[str], image: Image, operation: str, name: str, tail: list[str], entry: Any) -> None:
    if name in READONLY:
        raise Forbidden(f"Attribute '{name}' is read-only.", type="ReadonlyProperty")
    if name == "locations":
        patch.locations.append(_location(operation, tail, entry.get("value")))
        return
    if name in QUEUED_ONLY and image.status != "queued":
        raise Forbidden(f"Attribute {name} can be only replaced for a queued image.", type="Forbidden")
    if name == "tags" and tail:
        _patch_tag(patch, image, operation, tail, entry)
    elif operation == "remove":
        _remove(patch, present, name)
    else:
        if operation == "replace" and name not in BASE and name not in present:
            raise Conflict(f"Property {name} does not exist.")
        present.add(name)
        patch.removed.discard(name)
        patch.changes[name] = entry["value"]


def _location(operation: str, tail: list[str], value: Any) -> tuple[str, str, Any]:
    depth = 0 if operation == "replace" else 1
    if len(tail) != depth:
        raise BadRequest(f"Invalid JSON pointer for locations: {operation} takes /locations{'/POSITION' * depth}.")
    if operation == "replace" and value == []:
        raise Forbidden("Cannot set locations to empty list.", type="Forbidden")
    if operation != "remove":
        _check_location((LOCATIONS if operation == "replace" else LOCATION), value)
    return operation, tail[0] if tail else "-", value


def _check_location(validator: jsonschema_rs.Validator, value: Any) -> None:
    if error := first_error(validator, value):
        raise BadRequest(f"The location is not as it must be ({{\"url\": TEXT, \"metadata\": OBJECT}}): {error.message}.")


def _remove(patch: Patch, present: set[str], name: str) -> None:
    if name in BASE:
        raise Forbidden(f"Property {name} may not be removed.", type="Forbidden")
    if name not in present:
        raise Conflict(f"Property {name} does not exist.")
    present.discard(name)
    patch.changes.pop(name, None)
    patch.removed.add(name)


def _patch_tag(patch: Patch, image: Image, operation: str, tail: list[str], entry: Any) -> None:
    tags = list(patch.changes.get("tags", image.tags))
    index = tail[0]
    number = len(tags) if index == "-" and operation == "add" else whole(index)
    if number is None or number >= len(tags) + (operation == "add"):
        raise Conflict(f"There is no tag number {index}: the image has {len(tags)}.")
    if operation == "add":
        tags.insert(number, entry["value"])
    elif operation == "replace":
        tags[number] = entry["value"]
    else:
        del tags[number]
    patch.changes["tags"] = tags
