"""Schema documents of metadata definitions."""

from typing import Any

from cloudd.core.http import Shape
from cloudd.image.api import API
from cloudd.image.api.metadefs import ASSOCIATION, NAMESPACE
from cloudd.image.api.metadefs_contents import OBJECT, PROPERTY, TAG
from cloudd.image.api.schemas import SCHEMA, many

READ = {"type": "string", "readOnly": True}
STAMPED = {"created_at": READ, "updated_at": READ}
LINKED = {**STAMPED, "self": READ, "schema": READ}


def one(name: str, shape: Shape, **more: Any) -> dict[str, Any]:
    """The schema of one thing: what may be sent, and what is only read."""
    schema = shape.at((0, 0))
    return {"name": name, "properties": {**schema["properties"], **more}, "required": schema["required"],
            "additionalProperties": False}


NAMESPACE_SCHEMA = one("namespace", NAMESPACE, **LINKED)
OBJECT_SCHEMA = one("object", OBJECT, **LINKED)
PROPERTY_SCHEMA = one("property", PROPERTY)
TAG_SCHEMA = one("tag", TAG, **STAMPED)
ASSOCIATION_SCHEMA = one("resource_type_association", ASSOCIATION, **STAMPED)
DOCUMENTS = {
    "namespace": NAMESPACE_SCHEMA, "namespaces": many("namespaces", NAMESPACE_SCHEMA),
    "object": OBJECT_SCHEMA, "objects": many("objects", OBJECT_SCHEMA),
    "property": PROPERTY_SCHEMA, "tag": TAG_SCHEMA, "tags": many("tags", TAG_SCHEMA),
    "properties": {"name": "properties", "properties": {"properties": {"type": "object", "additionalProperties": PROPERTY_SCHEMA}}},
    "resource_type": ASSOCIATION_SCHEMA, "resource_types": many("resource_type_associations", ASSOCIATION_SCHEMA),
}


def _serve(name: str) -> None:
    @API.resource("/schemas/metadefs").get(f"/{name}", policy="get_metadef_namespaces", answer=SCHEMA)
    async def schema() -> dict[str, Any]:
        return DOCUMENTS[name]
    schema.__doc__ = f"Show the schema of metadata definitions: {name}."


for _name in DOCUMENTS:
    _serve(_name)
