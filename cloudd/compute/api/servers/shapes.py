"""What is sent to make, change and act on servers."""

from typing import Any

from cloudd.compute import versions as v
from cloudd.compute.api import PRINTABLE
from cloudd.core.errors import BadRequest
from cloudd.core.http import Field, Shape
from cloudd.core.http import types as t
from cloudd.core.http.microversions import Version

NAME = t.Text(1, 255, pattern=r"^(?!\s)[^\u0000-\u001f\u007f]*\S$", strip=True)
METADATA = t.Map(t.Text(0, 255), keys=r"^[a-zA-Z0-9-_:. ]{1,255}$")
TAG = t.Text(1, 60, pattern="^[^,/]*$")
TAGS = t.List(TAG, high=50, unique=True)
DESCRIPTION = t.Text(0, 255, null=True, pattern=PRINTABLE)
CERTIFICATES = t.List(t.Text(1, 255), 1, 50, unique=True, null=True)
HOSTNAME = t.Text(2, 63, pattern=r"^[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+$")
FQDN = t.Text(2, 255, pattern=r"^([a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+[.]?)+$")
DISK_CONFIG = t.Enum("AUTO", "MANUAL")
FILES = t.List(t.Obj({"path": t.Text(1, None), "contents": t.Text(0, None)}, ["path", "contents"]))
PASSWORD = t.Text(0, 255)
POSITIVE = t.Int(1, 2**31 - 1, text=True)
BOOLEAN = t.Bool(text=True)


class Address(t.Type):
    """An address of one kind, or empty for none; lifted to its shortest text."""

    lifts = True

    def __init__(self, version: int):
        super().__init__()
        self.version = version

    def _schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "format": f"ipv{self.version}"}, {"type": "string", "maxLength": 0}]}

    def lift(self, value: Any) -> Any:
        return t.Ip(self.version).lift(value) or None


class Ref(t.Text):
    """An id, or the address of the thing with the id at its end; a number, where ids may be numbers, becomes text."""

    def __init__(self, number: bool = False):
        super().__init__(0 if not number else 1, 255)
        self.number, self.lifts = number, True

    def _schema(self) -> dict[str, Any]:
        schema = super()._schema()
        return {**schema, "type": ["string", "integer"], "minimum": 0} if self.number else schema

    def lift(self, value: Any) -> Any:
        text = str(value)
        return text.rstrip("/").rsplit("/", 1)[-1] if "://" in text else text


PORT = t.Raw({"anyOf": [{"type": "string", "pattern": t.UUID_PATTERN}, {"type": "null"}]})


def _networks(*, tag: bool, words: bool) -> t.Raw:
    # before 2.37 the uuid may have any form here; what is none is refused with Nova's own words
    uuid = {"type": "string", "pattern": t.UUID_PATTERN} if words else {"type": "string"}
    members = {"uuid": uuid, "port": PORT.schema(), "fixed_ip": {"anyOf": [{"type": "string", "format": "ipv4"},
                                                                           {"type": "string", "format": "ipv6"}]}}
    if tag:
        members["tag"] = TAG.schema()
    listed = {"type": "array", "items": {"type": "object", "properties": members, "additionalProperties": False}}
    return t.Raw({"oneOf": [listed, {"type": "string", "enum": ["none", "auto"]}]} if words else listed)


def _devices(*, tag: bool, volume_type: bool = False) -> t.List:
    members: dict[str, t.Type] = {
        "device_name": t.Text(0, 255, pattern="^[a-zA-Z0-9._/-]*$"),
        "source_type": t.Enum("volume", "image", "snapshot", "blank"),
        "uuid": t.Text(1, 255, pattern="^[a-zA-Z0-9._-]*$"), "image_id": t.Uuid(),
        "destination_type": t.Enum("local", "volume"), "guest_format": t.Text(0, 255, null=True),
        "device_type": t.Text(0, 255, null=True), "disk_bus": t.Text(0, 255, null=True),
        "boot_index": t.Raw({"type": ["integer", "string", "null"], "pattern": "^-?[0-9]*$|^[Nn]one$"}),
        "volume_id": t.Uuid(), "snapshot_id": t.Uuid(), "volume_size": t.Raw({
            "anyOf": [t.Int(1, 2**31 - 1, text=True).schema(), {"type": "null"}, {"type": "string", "maxLength": 0}]}),
        "no_device": t.Raw({"type": ["boolean", "string", "object", "null"]}), "delete_on_termination": BOOLEAN}
    if tag:
        members["tag"] = TAG
    if volume_type:
        members["volume_type"] = t.Text(0, 255, null=True)
    return t.List(t.Obj(members), high=255)


OLD_DEVICES = t.List(t.Obj({}, extra=True), high=255)
GROUPS = t.List(t.Obj({"name": t.Text(1, 255)}, ["name"]), unique=False)
HINTS = {"type": "object", "properties": {
    "group": {"type": "string", "pattern": t.UUID_PATTERN},
    **{name: {"oneOf": [{"type": "string", "pattern": t.UUID_PATTERN},
                        {"type": "array", "items": {"type": "string", "pattern": t.UUID_PATTERN}}]}
       for name in ("different_host", "same_host")},
    "query": {"type": ["string", "array", "object"]}, "target_cell": {"type": "string"},
    "different_cell": {"type": ["string", "array"]}, "build_near_host_ip": {"anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]},
    "cidr": {"type": "string", "pattern": r"^/[0-9a-f.:]+$"}}, "additionalProperties": True}
HINT_NAMES = ("os:scheduler_hints", "OS-SCH-HNT:scheduler_hints")


class NewServer(Shape):
    """A server as it is asked for: scheduler hints stand beside the wrapper."""

    def _schema_at(self, stretch: Version, use: str) -> dict[str, Any]:
        schema = super()._schema_at(stretch, use)
        return {**schema, "properties": {**schema["properties"], **dict.fromkeys(HINT_NAMES, HINTS)}}

    def read(self, body: Any, version: Version, use: str = "create") -> dict[str, Any]:
        lifted = super().read(body, version, use)
        if sum(name in body for name in HINT_NAMES) > 1:
            raise BadRequest(f"Scheduler hints are given twice: as {' and as '.join(HINT_NAMES)}.")
        return {**lifted, "scheduler_hints": next((body[name] for name in HINT_NAMES if name in body), {})}


SERVER_NEW = NewServer(
    "server",
    Field("name", NAME, required=True),
    Field("imageRef", Ref()),
    Field("flavorRef", Ref(number=True), required=True),
    Field("adminPass", PASSWORD),
    Field("metadata", METADATA, default=dict),
    Field("networks", _networks(tag=False, words=False), until="2.31"),
    Field("networks", _networks(tag=True, words=False), since=v.DEVICE_TAGS, until="2.36"),
    Field("networks", _networks(tag=False, words=True), since=v.AUTO_NETWORK, until="2.41", required=True),
    Field("networks", _networks(tag=True, words=True), since=v.DEVICE_TAGS_AGAIN, required=True),
    Field("OS-DCF:diskConfig", DISK_CONFIG),
    Field("accessIPv4", Address(4)),
    Field("accessIPv6", Address(6)),
    Field("personality", FILES, until="2.56"),
    Field("availability_zone", t.Text(1, 255)),
    Field("block_device_mapping", OLD_DEVICES),
    Field("block_device_mapping_v2", _devices(tag=False), until="2.31"),
    Field("block_device_mapping_v2", _devices(tag=True), since=v.DEVICE_TAGS, until="2.32"),
    Field("block_device_mapping_v2", _devices(tag=False), since=v.HYPERVISOR_PAGES, until="2.41"),
    Field("block_device_mapping_v2", _devices(tag=True), since=v.DEVICE_TAGS_AGAIN, until="2.66"),
    Field("block_device_mapping_v2", _devices(tag=True, volume_type=True), since=v.VOLUME_TYPE),
    Field("config_drive", BOOLEAN),
    Field("key_name", t.Text(1, 255)),
    Field("min_count", POSITIVE),
    Field("max_count", POSITIVE),
    Field("return_reservation_id", BOOLEAN),
    Field("security_groups", GROUPS),
    Field("user_data", t.Text(0, 65535)),
    Field("description", DESCRIPTION, since=v.DESCRIPTION),
    Field("tags", TAGS, since=v.TAGS_AT_CREATE),
    Field("trusted_image_certificates", CERTIFICATES, since=v.TRUSTED_CERTIFICATES),
    Field("host", t.Text(1, 255), since=v.REQUESTED_HOST),
    Field("hypervisor_hostname", t.Text(1, 255), since=v.REQUESTED_HOST),
    Field("hostname", HOSTNAME, since=v.HOSTNAME, until="2.93"),
    Field("hostname", FQDN, since=v.HOSTNAME_FQDN),
)
SERVER_CHANGE = Shape(
    "server",
    Field("name", NAME),
    Field("OS-DCF:diskConfig", DISK_CONFIG),
    Field("accessIPv4", Address(4)),
    Field("accessIPv6", Address(6)),
    Field("description", DESCRIPTION, since=v.DESCRIPTION),
    Field("hostname", HOSTNAME, since=v.HOSTNAME, until="2.93"),
    Field("hostname", FQDN, since=v.HOSTNAME_FQDN),
    Field("pinned_availability_zone", t.Text(1, 255, null=True), since=v.UPDATE_PINNED_ZONE),
)
REBUILD = Shape(
    "rebuild",
    Field("imageRef", Ref(), required=True),
    Field("name", NAME),
    Field("adminPass", PASSWORD),
    Field("metadata", METADATA),
    Field("preserve_ephemeral", BOOLEAN),
    Field("OS-DCF:diskConfig", DISK_CONFIG),
    Field("accessIPv4", Address(4)),
    Field("accessIPv6", Address(6)),
    Field("personality", FILES, until="2.56"),
    Field("description", DESCRIPTION, since=v.DESCRIPTION),
    Field("key_name", t.Text(1, 255, null=True), since=v.REBUILD_KEY),
    Field("user_data", t.Text(0, 65535, null=True), since=v.PERSONALITY_GONE),
    Field("trusted_image_certificates", CERTIFICATES, since=v.TRUSTED_CERTIFICATES),
    Field("hostname", HOSTNAME, since=v.HOSTNAME, until="2.93"),
    Field("hostname", FQDN, since=v.HOSTNAME_FQDN),
)
REBOOT = Shape("reboot", Field("type", t.Enum("HARD", "Hard", "hard", "SOFT", "Soft", "soft"), required=True))
LOCK = Shape(None, Field("lock", t.Raw({"type": ["object", "null", "string", "boolean", "array", "integer"]}), until="2.72"),
             Field("lock", t.Obj({"locked_reason": t.Text(1, 255)}, null=True), since=v.LOCKED_REASON))
RESIZE = Shape("resize", Field("flavorRef", Ref(number=True), required=True), Field("OS-DCF:diskConfig", DISK_CONFIG))
RESET_STATE = Shape("os-resetState", Field("state", t.Enum("active", "error"), required=True))
CHANGE_PASSWORD = Shape("changePassword", Field("adminPass", t.Text(0, 255), required=True))
CREATE_IMAGE = Shape("createImage", Field("name", NAME, required=True), Field("metadata", METADATA, default=dict))
RESCUE = Shape(None, Field("rescue", t.Obj({"adminPass": PASSWORD, "rescue_image_ref": Ref()}, null=True), required=True))
