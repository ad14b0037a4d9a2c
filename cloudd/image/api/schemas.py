"""Schema documents, version list and what the service can do: what clients read before they talk."""

from typing import Any

from cloudd.core.http import Api, Request
from cloudd.core.http import types as t
from cloudd.image.api import API
from cloudd.image.api.images import MEMBERS
from cloudd.image.api.members import STATUSES
from cloudd.image.imports import METHODS

SCHEMA = t.Record({"name": t.Text(), "properties": t.Map(t.Map())}, extra=True)
WAYS = t.Record({"import-methods": t.Record({"description": t.Text(), "type": t.Text(), "value": t.List(t.Text())})})
LIST = t.Record({"versions": t.List(t.Record({"id": t.Text(), "status": t.Text(), "links": t.List(t.Record(
    {"rel": t.Text(), "href": t.Text()}))}))})
MOMENT = {"type": "string", "readOnly": True}
READ = {"type": ["null", "string"], "readOnly": True}
WORDS = {
    "id": "An identifier for the image", "name": "Descriptive name for the image", "status": "Status of the image",
    "visibility": "Scope of image accessibility", "protected": "If true, image will not be deletable.",
    "os_hidden": "If true, image will not appear in default image list response.", "checksum": "md5 hash of image contents.",
    "os_hash_algo": "Algorithm to calculate the os_hash_value", "os_hash_value": "Hexdigest of the image contents using the "
    "algorithm specified by the os_hash_algo", "owner": "Owner of the image", "size": "Size of image file in bytes",
    "virtual_size": "Virtual size of image in bytes", "container_format": "Format of the container",
    "disk_format": "Format of the disk", "created_at": "Date and time of image registration",
    "updated_at": "Date and time of the last image modification", "tags": "List of strings related to the image",
    "direct_url": "URL to access the image file kept in external store", "self": "An image self url",
    "file": "An image file url", "schema": "An image schema url", "min_ram": "Amount of ram (in MB) required to boot image.",
    "min_disk": "Amount of disk space (in GB) required to boot image.",
}
STATES = ["queued", "saving", "active", "killed", "deleted", "uploading", "importing", "pending_delete", "deactivated"]


def image_schema() -> dict[str, Any]:
    properties = {item.name: item.type.schema() for item in MEMBERS}
    properties |= {name: dict(READ) for name in ("checksum", "os_hash_algo", "os_hash_value", "direct_url", "self", "file", "schema")}
    properties |= {name: {"type": ["null", "integer"], "readOnly": True} for name in ("size", "virtual_size")}
    properties |= {"status": {"type": "string", "enum": STATES, "readOnly": True}, "created_at": MOMENT, "updated_at": MOMENT}
    for name, text in WORDS.items():
        properties[name] = {**properties[name], "description": text}
    links = [{"rel": "self", "href": "{self}"}, {"rel": "enclosure", "href": "{file}"}, {"rel": "describedby", "href": "{schema}"}]
    return {"name": "image", "properties": properties, "additionalProperties": {"type": "string"}, "links": links}


def member_schema() -> dict[str, Any]:
    texts = ("member_id", "image_id", "created_at", "updated_at", "schema")
    properties: dict[str, Any] = {name: {"type": "string", "readOnly": name == "schema"} for name in texts}
    properties["status"] = {"type": "string", "enum": list(STATUSES)}
    return {"name": "member", "properties": properties}


def task_schema(brief: bool = False) -> dict[str, Any]:
    texts = ("id", "owner", "image_id", "request_id", "user_id", "created_at", "updated_at")
    properties: dict[str, Any] = {name: {"type": "string"} for name in texts}
    properties |= {"type": {"type": "string", "enum": ["import", "api_image_import", "location_import"]},
                   "status": {"type": "string", "enum": ["pending", "processing", "success", "failure"]},
                   "expires_at": {"type": ["null", "string"]}, "self": MOMENT, "schema": MOMENT}
    if not brief:
        properties |= {"input": {"type": ["null", "object"]}, "result": {"type": ["null", "object"]}, "message": {"type": "string"}}
    return {"name": "task", "properties": properties}


def many(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a list of things."""
    properties = {name: {"type": "array", "items": schema}, "schema": {"type": "string"}}
    links = [{"rel": "describedby", "href": "{schema}"}]
    if name == "images":
        properties |= {"first": {"type": "string"}, "next": {"type": "string"}}
        links = [{"rel": "first", "href": "{first}"}, {"rel": "next", "href": "{next}"}, *links]
    return {"name": name, "properties": properties, "links": links}


SCHEMAS = {"image": image_schema, "images": lambda: many("images", image_schema()),
           "task": task_schema, "tasks": lambda: many("tasks", task_schema(brief=True)),
           "member": member_schema, "members": lambda: many("members", member_schema())}


def _serve(name: str) -> None:
    @API.resource("/schemas").get(f"/{name}", policy="get_images", answer=SCHEMA)
    async def schema() -> dict[str, Any]:
        return SCHEMAS[name]()
    schema.__doc__ = f"Show the schema of {name}."


for _name in SCHEMAS:
    _serve(_name)


@API.resource("/info/import").get(policy="get_images", answer=WAYS)
async def import_info() -> dict[str, Any]:
    """Say which import methods there are."""
    return {"import-methods": {"description": "Import methods available.", "type": "array", "value": list(METHODS)}}


VERSIONS = Api("image-versions", prefixes=("/image",), dialect=API.dialect, title="Images: versions")
SERVED = tuple(f"2.{minor}" for minor in range(18, -1, -1))
CACHE = ("2.18", "2.16", "2.14")                              # not listed where there is no cache


def versions(request: Request) -> dict[str, Any]:
    link = [{"rel": "self", "href": request.host_link("/image/v2/")}]
    served = [number for number in SERVED if request.settings.image.cache_max_gb or number not in CACHE]
    return {"versions": [{"id": f"v{number}", "status": "CURRENT" if number == served[0] else "SUPPORTED", "links": link}
                         for number in served]}


@VERSIONS.resource("").get("/", auth=False, status=300, answer=LIST)
async def root(request: Request) -> dict[str, Any]:
    """List the versions."""
    return versions(request)


@VERSIONS.resource("").get("/versions", auth=False, answer=LIST)
async def listed(request: Request) -> dict[str, Any]:
    """List the versions."""
    return versions(request)


@API.resource("").get("/", auth=False, status=300, answer=LIST)
async def v2(request: Request) -> dict[str, Any]:
    """List the versions, for those that look below the version's own address."""
    return versions(request)
