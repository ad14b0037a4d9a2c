"""Metadata definitions: namespaces and the resource types that they are for."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, select

from cloudd.core import clock
from cloudd.core.errors import BadRequest
from cloudd.core.http import Field, Page, Reply, Request, Shape
from cloudd.core.http import types as t
from cloudd.core.http.lists import Listing
from cloudd.core.http.shapes import UNSET, part, queried
from cloudd.image import limits, metadefs
from cloudd.image.api import API, STAMPS
from cloudd.image.metadefs_models import Association, MetaObject, MetaProperty, MetaTag, Namespace, ResourceType

NAME = t.Text(1, 80)
WORDS = t.Text(0, 500, null=True)
OPERATORS = ("<in>", "<or>", "<all-in>", "<range-in>", "==", "!=", "<", "<=", ">", ">=", "s==", "s!=", "s<", "s<=", "s>", "s>=", "=")
DEFINITION = {"type": "object", "required": ["title", "type"], "properties": {
    "name": {"type": "string", "maxLength": 255}, "title": {"type": "string"}, "description": {"type": "string"},
    "operators": {"type": "array", "items": {"type": "string"}},
    "type": {"enum": ["array", "boolean", "integer", "number", "object", "string", None]}, "required": {"type": "array"},
    "minimum": {"type": "number"}, "maximum": {"type": "number"}, "minLength": {"type": "integer", "minimum": 0},
    "maxLength": {"type": "integer", "minimum": 0}, "pattern": {"type": "string", "format": "regex"},
    "enum": {"type": "array"}, "readonly": {"type": "boolean"}, "default": {}, "items": {"type": "object"},
    "uniqueItems": {"type": "boolean"}, "minItems": {"type": "integer", "minimum": 0},
    "maxItems": {"type": "integer", "minimum": 0}, "additionalItems": {"type": "boolean"}}}
PROPERTIES = t.Map(t.Raw(DEFINITION))
OBJECT_MEMBERS = {"name": NAME, "description": WORDS, "required": t.List(t.Text(0, 255)), "properties": PROPERTIES}
ASSOCIATION_MEMBERS = {"name": NAME, "prefix": t.Text(0, 80, null=True), "properties_target": t.Text(0, 80, null=True)}

NAMESPACE = Shape(
    None, Field("namespace", NAME, required=True), Field("display_name", t.Text(0, 80, null=True)), Field("description", WORDS),
    Field("visibility", t.Enum("public", "private")), Field("protected", t.Bool()), Field("owner", t.Text(0, 255)),
    Field("objects", t.List(t.Obj(OBJECT_MEMBERS, ("name",), extra=True)), update=False), Field("properties", PROPERTIES, update=False),
    Field("tags", t.List(t.Obj({"name": NAME}, ("name",), extra=True)), update=False),
    Field("resource_type_associations", t.List(t.Obj(ASSOCIATION_MEMBERS, ("name",), extra=True)), update=False), extra=True)
ASSOCIATION = Shape(None, *(Field(name, kind, required=name == "name") for name, kind in ASSOCIATION_MEMBERS.items()), extra=True)


def _set(name: str, column: str | None = None) -> Field:
    """A member that is left out where there is nothing in it."""
    return Field(name, t.Text(), sometimes=True, of=lambda row, request: UNSET if (
        value := getattr(row, column or name)) is None else value)


TAG_SHOWN = Shape(None, Field("name", t.Text()), *STAMPS)
ASSOCIATION_SHOWN = Shape(None, Field("name", t.Text()), _set("prefix"), _set("properties_target"), *STAMPS)
OBJECT_SHOWN = t.Record({"name": t.Text(), "description": t.Text(), "required": t.List(t.Text()), "properties": PROPERTIES,
                         **dict.fromkeys(("created_at", "updated_at", "self", "schema"), t.Text())})
SPACE = Shape(
    None, Field("namespace", t.Text()), _set("display_name"), _set("description"), Field("visibility", t.Text()),
    Field("protected", t.Bool()), _set("owner", "project_id"), *STAMPS,
    Field("self", t.Text(), of=lambda row, request: f"/v2/metadefs/namespaces/{row.namespace}"),
    Field("schema", t.Text(), of=lambda row, request: "/v2/schemas/metadefs/namespace"))
LISTED = Shape(None, *SPACE.fields, Field("resource_type_associations", t.List(part(ASSOCIATION_SHOWN)), sometimes=True))
WHOLE = Shape(None, *LISTED.fields, Field("objects", t.List(OBJECT_SHOWN), sometimes=True),
              Field("properties", PROPERTIES, sometimes=True), Field("tags", t.List(part(TAG_SHOWN)), sometimes=True))
FOR_TYPE = queried("resource_type")
SPACES_SHOWN = t.Record({"namespaces": t.List(part(LISTED)), "first": t.Text(), "next": t.Text(), "schema": t.Text()}, ("next",))
TYPES_SHOWN = t.Record({"resource_types": t.List(part(TAG_SHOWN))})
ASSOCIATIONS = t.Record({"resource_type_associations": t.List(part(ASSOCIATION_SHOWN))})


def view(request: Request, row: Namespace, associated: Sequence[Association]) -> dict[str, Any]:
    shown = SPACE.view(row, request)
    return {**shown, "resource_type_associations": [ASSOCIATION_SHOWN.view(item, request) for item in associated]} if associated else shown


def object_view(namespace: Namespace, row: MetaObject) -> dict[str, Any]:
    return {"name": row.name, "description": row.description or "", "required": row.required, "properties": row.properties,
            "created_at": clock.iso(row.created_at), "updated_at": clock.iso(row.updated_at),
            "self": f"/v2/metadefs/namespaces/{namespace.namespace}/objects/{row.name}",
            "schema": "/v2/schemas/metadefs/object"}


async def has_room(request: Request, tx: Any, namespace: Namespace, kind: Any, more: int = 1) -> None:
    """Raise OverQuota when a namespace would have too many definitions of a kind."""
    limits.definitions(request.settings, f"{metadefs.KINDS[kind]}s", await metadefs.count(tx, namespace, kind) + more)


def small(request: Request, *objects: dict[str, Any]) -> None:
    """Raise OverQuota when an object has too many properties."""
    for item in objects:
        limits.definitions(request.settings, "properties of an object",
                           max(len(item.get("properties", ())), len(item.get("required", ()))))


@API.loader("namespace")
async def load_namespace(request: Request, tx: Any, name: str) -> Namespace:
    return await metadefs.find(tx, request.context, name)


def _of_types(values: Sequence[str]) -> ColumnElement[bool]:
    names = [name for value in values for name in value.split(",")]
    return Namespace.id.in_(select(Association.namespace_id).where(Association.name.in_(names)))


SORTS = {name: getattr(Namespace, name) for name in ("namespace", "display_name", "visibility", "protected", "created_at",
                                                     "updated_at", "id")}
LISTING = Listing(Namespace, {"visibility": Namespace.visibility, "resource_types": _of_types}, {**SORTS, "owner": Namespace.project_id},
                  (("created_at", "desc"), ("namespace", "desc")), key="namespace")
SPACES = API.resource("/metadefs/namespaces")


@SPACES.get(policy="get_metadef_namespaces", answer=SPACES_SHOWN, listing=LISTING)
async def index(request: Request, tx: Any) -> dict[str, Any]:
    """List the namespaces of metadata definitions."""
    if request.query.get("visibility", "public") not in ("public", "private"):
        raise BadRequest(f"Invalid visibility value: {request.query['visibility']}. It is public or private.")
    page: Page = await LISTING.page(request, tx, metadefs.visible(request.context))
    associated = await metadefs.associations(tx, page.rows)
    body = API.dialect.page(request, "namespaces", [view(request, row, associated.get(row.id, ())) for row in page.rows], page)
    return {**body, "schema": "/v2/schemas/metadefs/namespaces"}


@SPACES.post(policy="add_metadef_namespace", body=NAMESPACE, answer=WHOLE, status=201)
async def create(request: Request, tx: Any, body: dict[str, Any]) -> Reply:
    """Make a namespace, with what was sent in it."""
    for what in ("objects", "properties", "tags", "resource_type_associations"):
        limits.definitions(request.settings, what.replace("_", " "), len(body.get(what, ())))
    small(request, *body.get("objects", ()))
    row = await metadefs.create(tx, request.context, body)
    location = request.link("/metadefs/namespaces/{}", row.namespace)
    return Reply(await _whole(request, tx, row), headers={"Location": location})


async def _whole(request: Request, tx: Any, row: Namespace) -> dict[str, Any]:
    """A namespace with everything in it."""
    shown = view(request, row, (await metadefs.associations(tx, [row])).get(row.id, ()))
    inside = {"objects": [object_view(row, item) for item in await metadefs.listed(tx, row, MetaObject)],
              "properties": {item.name: item.definition for item in await metadefs.listed(tx, row, MetaProperty)},
              "tags": [TAG_SHOWN.view(item, request) for item in await metadefs.listed(tx, row, MetaTag)]}
    return {**shown, **{name: value for name, value in inside.items() if value}}


@SPACES.get("/{namespace}", policy="get_metadef_namespace", answer=WHOLE, query=FOR_TYPE)
async def show(request: Request, tx: Any, namespace: Namespace) -> dict[str, Any]:
    """Show a namespace with everything in it; for a resource type, properties have its prefix."""
    shown = await _whole(request, tx, namespace)
    prefix = next((item.get("prefix") or "" for item in shown.get("resource_type_associations", ())
                   if item["name"] == request.query.get("resource_type")), "")
    if prefix:
        shown["properties"] = {prefix + name: value for name, value in shown.get("properties", {}).items()}
        for item in shown.get("objects", ()):
            item["properties"] = {prefix + name: value for name, value in item["properties"].items()}
            item["required"] = [prefix + name for name in item["required"]]
    return shown


@SPACES.put("/{namespace}", policy="modify_metadef_namespace", body=NAMESPACE, use="create", reply=SPACE)
async def update(request: Request, tx: Any, namespace: Namespace, body: dict[str, Any]) -> Namespace:
    """Replace a namespace's own members."""
    return await metadefs.update(tx, request.context, namespace, body)


@SPACES.delete("/{namespace}", policy="delete_metadef_namespace")
async def delete(request: Request, tx: Any, namespace: Namespace) -> None:
    """Delete a namespace and everything in it."""
    await metadefs.remove(tx, namespace)


@API.resource("/metadefs/resource_types").get(policy="list_metadef_resource_types",
                                              target=lambda request: {**request.own(), "visibility": "public"}, answer=TYPES_SHOWN)
async def resource_types(request: Request, tx: Any) -> dict[str, Any]:
    """List the resource types that any namespace was ever associated with."""
    rows = (await tx.execute(select(ResourceType).order_by(ResourceType.name))).scalars()
    return {"resource_types": [TAG_SHOWN.view(row, request) for row in rows]}


TYPES = API.resource("/metadefs/namespaces/{namespace}/resource_types")


@TYPES.get(policy="get_metadef_resource_type", answer=ASSOCIATIONS)
async def associations(request: Request, tx: Any, namespace: Namespace) -> dict[str, Any]:
    """List what a namespace is for."""
    rows = await metadefs.listed(tx, namespace, Association)
    return {"resource_type_associations": [ASSOCIATION_SHOWN.view(row, request) for row in rows]}


@TYPES.post(policy="add_metadef_resource_type_association", body=ASSOCIATION, reply=ASSOCIATION_SHOWN, status=201)
async def associate(request: Request, tx: Any, namespace: Namespace, body: dict[str, Any]) -> Association:
    """Say that a namespace is for a resource type."""
    await has_room(request, tx, namespace, Association)
    return await metadefs.associate(tx, request.context, namespace, body)


@TYPES.delete("/{name}", policy="remove_metadef_resource_type_association")
async def dissociate(request: Request, tx: Any, namespace: Namespace, name: str) -> None:
    """Say no longer that a namespace is for a resource type."""
    await metadefs.drop(tx, namespace, Association, name)
