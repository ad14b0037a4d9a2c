"""What may be sent of volumes."""

from typing import Any

from cloudd.block import versions as v
from cloudd.block.api import fields as f
from cloudd.core.errors import BadRequest
from cloudd.core.http import Field, Shape
from cloudd.core.http import types as t
from cloudd.core.http.microversions import Version

HINTS = "OS-SCH-HNT:scheduler_hints"
REFERENCE = t.Text(0, 255, null=True)


class NewVolume(Shape):
    """A volume as it is asked for: scheduler hints stand beside the wrapper, where nothing else may."""

    def _schema_at(self, stretch: Version, use: str) -> dict[str, Any]:
        schema = super()._schema_at(stretch, use)
        return {**schema, "properties": {**schema["properties"], HINTS: {"type": ["object", "null"]}}, "additionalProperties": False}

    def read(self, body: Any, version: Version, use: str = "create") -> dict[str, Any]:
        return {**super().read(body, version, use), "hints": body.get(HINTS) or {}}


VOLUME_NEW = NewVolume(
    "volume",
    Field("name", f.NAME),
    Field("description", f.DESCRIPTION),
    Field("display_name", f.NAME),
    Field("display_description", f.DESCRIPTION),
    Field("volume_type", REFERENCE),
    Field("metadata", f.METADATA_OR_NULL),
    Field("snapshot_id", f.UUID_OR_NULL),
    Field("source_volid", f.UUID_OR_NULL),
    Field("consistencygroup_id", f.UUID_OR_NULL),
    Field("size", f.SIZE_OR_NULL),
    Field("availability_zone", t.Text(1, 255, null=True)),
    Field("multiattach", t.Bool(text=True, null=True)),
    Field("image_id", REFERENCE),
    Field("imageRef", REFERENCE),
    Field("group_id", REFERENCE, since=v.GROUPS),
    Field("backup_id", f.UUID_OR_NULL, since=v.FROM_BACKUP),
    extra=v.STRICT,
)


class Changed(Shape):
    """Of a change something has to be in it, from 3.53 on."""

    def read(self, body: Any, version: Version, use: str = "update") -> dict[str, Any]:
        lifted = super().read(body, version, use)
        if not lifted and version >= v.STRICT.version:
            raise BadRequest("Invalid input: nothing is to be changed: name, description or metadata is required.", type="ValidationError")
        return lifted


VOLUME_CHANGE = Changed(
    "volume",
    Field("name", f.NAME),
    Field("description", f.DESCRIPTION),
    Field("display_name", f.NAME),
    Field("display_description", f.DESCRIPTION),
    Field("metadata", f.METADATA),
)
