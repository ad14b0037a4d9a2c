"""Metadata definitions: namespaces and the resource types that they are for."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, select

from cloudd.core import clock
from cloudd.core.http import Field, Page, Reply, Request, Shape
from cloudd.core.http import types as t
from cloudd.core.http.lists import Listing
from cloudd.core.http.request import segment
from cloudd.image import metadefs
from cloudd.image.api import API
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


def moments(row: Any) -> dict[str, str | None]:
    return {"created_at": clock.iso(row.created_at), "updated_at": clock.iso(row.updated_at)}


def view(row: Namespace, associated: Sequence[Association] = ()) -> dict[str, Any]:
    shown = {"namespace": row.namespace, "display_name": row.display_name, "description": row.description,
             "visibility": row.visibility, "protected": row.protected, "owner": row.project_id, **moments(row),
             "self": f"/v2/metadefs/namespaces/{row.namespace}", "schema": "/v2/schemas/metadefs/namespace"}
    if associated:
        shown["resource_type_associations"] = [association_view(item) for item in associated]
    return {name: value for name, value in shown.items() if value is not None}


def association_view(row: Association) -> dict[str, Any]:
    shown = {"name": row.name, "prefix": row.prefix, "properties_target": row.properties_target, **moments(row)}
    return {name: value for name, value in shown.items() if value is not None}


def object_view(namespace: Namespace, row: MetaObject) -> dict[str, Any]:
    return {"name": row.name, "description": row.description or "", "required": row.required, "properties": row.properties,
            **moments(row), "self": f"/v2/metadefs/namespaces/{namespace.namespace}/objects/{row.name}",
            "schema": "/v2/schemas/metadefs/object"}


def tag_view(row: MetaTag) -> dict[str, Any]:
    return {"name": row.name, **moments(row)}


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


@SPACES.get(policy="get_metadef_namespaces")
async def index(request: Request, tx: Any) -> dict[str, Any]:
    """List the namespaces of metadata definitions."""
    page: Page = await LISTING.page(request, tx, metadefs.visible(request.context))
    associated = await metadefs.associations(tx, page.rows)
    body = API.dialect.page(request, "namespaces", [view(row, associated.get(row.id, ())) for row in page.rows], page)
    return {**body, "schema": "/v2/schemas/metadefs/namespaces"}


@SPACES.post(policy="add_metadef_namespace", body=NAMESPACE, status=201)
async def create(request: Request, tx: Any, body: dict[str, Any]) -> Reply:
    """Make a namespace, with what was sent in it."""
    row = await metadefs.create(tx, request.context, body)
    location = request.link(f"/metadefs/namespaces/{segment(row.namespace)}")
    return Reply(await _whole(tx, row, body), headers={"Location": location})


async def _whole(tx: Any, row: Namespace, asked: Any = None) -> dict[str, Any]:
    """A namespace with everything in it."""
    shown = view(row, (await metadefs.associations(tx, [row])).get(row.id, ()))
    inside = {"objects": [object_view(row, item) for item in await metadefs.listed(tx, row, MetaObject)],
              "properties": {item.name: item.definition for item in await metadefs.listed(tx, row, MetaProperty)},
              "tags": [tag_view(item) for item in await metadefs.listed(tx, row, MetaTag)]}
    return {**shown, **{name: value for name, value in inside.items() if value}}


@SPACES.get("/{namespace}", policy="get_metadef_namespace")
async def show(request: Request, tx: Any, namespace: Namespace) -> dict[str, Any]:
    """Show a namespace with everything in it; for a resource type, properties have its prefix."""
    shown = await _whole(tx, namespace)
    prefix = next((item.get("prefix") or "" for item in shown.get("resource_type_associations", ())
                   if item["name"] == request.query.get("resource_type")), "")
    if prefix:
        shown["properties"] = {prefix + name: value for name, value in shown.get("properties", {}).items()}
        for item in shown.get("objects", ()):
            item["properties"] = {prefix + name: value for name, value in item["properties"].items()}
            item["required"] = [prefix + name for name in item["required"]]
    return shown


@SPACES.put("/{namespace}", policy="modify_metadef_namespace", body=NAMESPACE, use="create")
async def update(request: Request, tx: Any, namespace: Namespace, body: dict[str, Any]) -> dict[str, Any]:
    """Replace a namespace's own members."""
    return view(await metadefs.update(tx, request.context, namespace, body))


@SPACES.delete("/{namespace}", policy="delete_metadef_namespace")
async def delete(request: Request, tx: Any, namespace: Namespace) -> None:
    """Delete a namespace and everything in it."""
    await metadefs.remove(tx, namespace)


@API.resource("/metadefs/resource_types").get(policy="list_metadef_resource_types",
                                              target=lambda request: {**request.own(), "visibility": "public"})
async def resource_types(request: Request, tx: Any) -> dict[str, Any]:
    """List the resource types that any namespace was ever associated with."""
    rows = (await tx.execute(select(ResourceType).order_by(ResourceType.name))).scalars()
    return {"resource_types": [{"name": row.name, **moments(row)} for row in rows]}


TYPES = API.resource("/metadefs/namespaces/{namespace}/resource_types")


@TYPES.get(policy="get_metadef_resource_type")
async def associations(request: Request, tx: Any, namespace: Namespace) -> dict[str, Any]:
    """List what a namespace is for."""
    rows = await metadefs.listed(tx, namespace, Association)
    return {"resource_type_associations": [association_view(row) for row in rows]}


@TYPES.post(policy="add_metadef_resource_type_association", body=ASSOCIATION, status=201)
async def associate(request: Request, tx: Any, namespace: Namespace, body: dict[str, Any]) -> dict[str, Any]:
    """Say that a namespace is for a resource type."""
    return association_view(await metadefs.associate(tx, request.context, namespace, body))


@TYPES.delete("/{name}", policy="remove_metadef_resource_type_association")
async def dissociate(request: Request, tx: Any, namespace: Namespace, name: str) -> None:
    """Say no longer that a namespace is for a resource type."""
    await metadefs.drop(tx, namespace, Association, name)
