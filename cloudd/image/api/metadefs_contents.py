"""Metadata definitions: the objects, properties and tags of a namespace."""

from dataclasses import replace
from typing import Any

from sqlalchemy import select

from cloudd.core.errors import CloudError, NotFound
from cloudd.core.http import Field, Request, Shape
from cloudd.core.http import types as t
from cloudd.core.http.lists import Listing
from cloudd.image import metadefs
from cloudd.image.api import API
from cloudd.image.api.metadefs import DEFINITION, FOR_TYPE, NAME, OBJECT_MEMBERS, OBJECT_SHOWN, TAG_SHOWN, has_room, object_view, small
from cloudd.image.metadefs_models import MetaObject, MetaProperty, MetaTag, Namespace

OBJECT = Shape(None, *(Field(name, kind, required=name == "name") for name, kind in OBJECT_MEMBERS.items()), extra=True)
PROPERTY_MEMBERS = {**{name: t.Raw(schema) for name, schema in DEFINITION["properties"].items()}, "name": NAME}
PROPERTY = Shape(None, *(Field(name, kind, required=name in ("name", *DEFINITION["required"]))
                         for name, kind in PROPERTY_MEMBERS.items()), extra=True)
TAG = Shape(None, Field("name", NAME, required=True), extra=True)
TAGS = Shape(None, Field("tags", t.List(t.Obj({"name": NAME}, ("name",), extra=True)), required=True), extra=True)
PROPERTY_SHOWN = t.Obj(PROPERTY_MEMBERS, ("name", *DEFINITION["required"]), extra=True)
OBJECT_LIST = t.Record({"objects": t.List(OBJECT_SHOWN), "schema": t.Text(), "first": t.Text()})
PROPERTY_LIST = t.Record({"properties": t.Map(PROPERTY_SHOWN)})
NAMES = t.List(t.Record({"name": t.Text()}))
TAG_LIST = t.Record({"tags": NAMES, "schema": t.Text(), "first": t.Text(), "next": t.Text()}, ("next",))


class TagListing(Listing):
    def no_marker(self, marker: str) -> CloudError:
        return NotFound(f"The metadata definition tag with name={marker} was not found: no marker of this list.", type="MetadefNotFound")


LISTED_TAGS = TagListing(MetaTag, {}, {name: getattr(MetaTag, name) for name in ("name", "created_at", "updated_at", "id")},
                         (("created_at", "desc"),), key="name")

OBJECTS = API.resource("/metadefs/namespaces/{namespace}/objects")
PROPS = API.resource("/metadefs/namespaces/{namespace}/properties")
LABELS = API.resource("/metadefs/namespaces/{namespace}/tags")


def _definition(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != "name"}


def property_view(row: MetaProperty) -> dict[str, Any]:
    return {"name": row.name, **row.definition}


@OBJECTS.get(policy="get_metadef_objects", answer=OBJECT_LIST)
async def objects(request: Request, tx: Any, namespace: Namespace) -> dict[str, Any]:
    """List the objects of a namespace."""
    rows = await metadefs.listed(tx, namespace, MetaObject)
    return {"objects": [object_view(namespace, row) for row in rows], "schema": "/v2/schemas/metadefs/objects",
            "first": f"/v2/metadefs/namespaces/{namespace.namespace}/objects"}


@OBJECTS.post(policy="add_metadef_object", body=OBJECT, answer=OBJECT_SHOWN, status=201)
async def add_object(request: Request, tx: Any, namespace: Namespace, body: dict[str, Any]) -> dict[str, Any]:
    """Make an object."""
    await has_room(request, tx, namespace, MetaObject)
    small(request, body)
    columns = metadefs.object_columns(body)
    return object_view(namespace, await metadefs.add(tx, request.context, namespace, MetaObject, body["name"], **columns))


@OBJECTS.get("/{name}", policy="get_metadef_object", answer=OBJECT_SHOWN)
async def show_object(request: Request, tx: Any, namespace: Namespace, name: str) -> dict[str, Any]:
    """Show an object."""
    return object_view(namespace, await metadefs.get(tx, namespace, MetaObject, name))


@OBJECTS.put("/{name}", policy="modify_metadef_object", body=OBJECT, use="create", answer=OBJECT_SHOWN)
async def change_object(request: Request, tx: Any, namespace: Namespace, name: str, body: dict[str, Any]) -> dict[str, Any]:
    """Replace an object."""
    row = await metadefs.get(tx, namespace, MetaObject, name)
    small(request, body)
    columns = metadefs.object_columns(body)
    return object_view(namespace, await metadefs.change(tx, request.context, namespace, row, body["name"], **columns))


@OBJECTS.delete("/{name}", policy="delete_metadef_object")
async def delete_object(request: Request, tx: Any, namespace: Namespace, name: str) -> None:
    """Delete an object."""
    await metadefs.drop(tx, namespace, MetaObject, name)


@OBJECTS.delete(policy="delete_metadef_namespace")
async def delete_objects(request: Request, tx: Any, namespace: Namespace) -> None:
    """Delete all objects of a namespace."""
    await metadefs.drop_all(tx, namespace, MetaObject)


@PROPS.get(policy="get_metadef_properties", answer=PROPERTY_LIST)
async def properties(request: Request, tx: Any, namespace: Namespace) -> dict[str, Any]:
    """List the properties of a namespace."""
    rows = await metadefs.listed(tx, namespace, MetaProperty)
    return {"properties": {row.name: property_view(row) for row in rows}}


@PROPS.post(policy="add_metadef_property", body=PROPERTY, answer=PROPERTY_SHOWN, status=201)
async def add_property(request: Request, tx: Any, namespace: Namespace, body: dict[str, Any]) -> dict[str, Any]:
    """Make a property."""
    await has_room(request, tx, namespace, MetaProperty)
    definition = _definition(body)
    return property_view(await metadefs.add(tx, request.context, namespace, MetaProperty, body["name"], definition=definition))


@PROPS.get("/{name}", policy="get_metadef_property", answer=PROPERTY_SHOWN, query=FOR_TYPE)
async def show_property(request: Request, tx: Any, namespace: Namespace, name: str) -> dict[str, Any]:
    """Show a property; for a resource type, under its name with the prefix."""
    wanted = request.query.get("resource_type")
    associated = (await metadefs.associations(tx, [namespace])).get(namespace.id, ()) if wanted else ()
    prefix = next((item.prefix or "" for item in associated if item.name == wanted), "")
    shown = property_view(await metadefs.get(tx, namespace, MetaProperty, name.removeprefix(prefix)))
    return {**shown, "name": prefix + shown["name"]}


@PROPS.put("/{name}", policy="modify_metadef_property", body=PROPERTY, use="create", answer=PROPERTY_SHOWN)
async def change_property(request: Request, tx: Any, namespace: Namespace, name: str, body: dict[str, Any]) -> dict[str, Any]:
    """Replace a property."""
    row = await metadefs.get(tx, namespace, MetaProperty, name)
    definition = _definition(body)
    return property_view(await metadefs.change(tx, request.context, namespace, row, body["name"], definition=definition))


@PROPS.delete("/{name}", policy="remove_metadef_property")
async def delete_property(request: Request, tx: Any, namespace: Namespace, name: str) -> None:
    """Delete a property."""
    await metadefs.drop(tx, namespace, MetaProperty, name)


@PROPS.delete(policy="delete_metadef_namespace")
async def delete_properties(request: Request, tx: Any, namespace: Namespace) -> None:
    """Delete all properties of a namespace."""
    await metadefs.drop_all(tx, namespace, MetaProperty)


@LABELS.get(policy="get_metadef_tags", answer=TAG_LIST, listing=LISTED_TAGS)
async def tags(request: Request, tx: Any, namespace: Namespace) -> dict[str, Any]:
    """List the tags of a namespace: the newest first, and all of them unless a limit is asked for."""
    asked = API.dialect.read_list(request)
    asked = replace(asked, filters=(), limit=asked.limit if "limit" in request.query else None)
    query = select(MetaTag).where(MetaTag.namespace_id == namespace.id)
    page = await LISTED_TAGS.page(request, tx, query, asked)
    body = API.dialect.page(request, "tags", [{"name": row.name} for row in page.rows], page)
    return {**body, "schema": "/v2/schemas/metadefs/tags"}


@LABELS.post(policy="add_metadef_tags", body=TAGS, answer=t.Record({"tags": NAMES}), status=201)
async def replace_tags(request: Request, tx: Any, namespace: Namespace, body: dict[str, Any]) -> dict[str, Any]:
    """Replace all tags, or with `X-Openstack-Append` add to them."""
    if request.raw.headers.get("X-Openstack-Append", "").lower() not in ("true", "1", "yes", "on"):
        await metadefs.drop_all(tx, namespace, MetaTag)
    await has_room(request, tx, namespace, MetaTag, len(body["tags"]))
    for item in body["tags"]:
        await metadefs.add(tx, request.context, namespace, MetaTag, item["name"])
    return {"tags": [{"name": row.name} for row in await metadefs.listed(tx, namespace, MetaTag)]}


@LABELS.delete(policy="delete_metadef_tags")
async def delete_tags(request: Request, tx: Any, namespace: Namespace) -> None:
    """Delete all tags of a namespace."""
    await metadefs.drop_all(tx, namespace, MetaTag)


@LABELS.post("/{name}", policy="add_metadef_tag", reply=TAG_SHOWN, status=201)
async def add_tag(request: Request, tx: Any, namespace: Namespace, name: str) -> MetaTag:
    """Make a tag."""
    await has_room(request, tx, namespace, MetaTag)
    return await metadefs.add(tx, request.context, namespace, MetaTag, TAG.read({"name": name}, request.version)["name"])


@LABELS.get("/{name}", policy="get_metadef_tag", reply=TAG_SHOWN)
async def show_tag(request: Request, tx: Any, namespace: Namespace, name: str) -> MetaTag:
    """Show a tag."""
    return await metadefs.get(tx, namespace, MetaTag, name)


@LABELS.put("/{name}", policy="modify_metadef_tag", body=TAG, use="create", reply=TAG_SHOWN)
async def change_tag(request: Request, tx: Any, namespace: Namespace, name: str, body: dict[str, Any]) -> MetaTag:
    """Rename a tag."""
    return await metadefs.change(tx, request.context, namespace, await metadefs.get(tx, namespace, MetaTag, name), body["name"])


@LABELS.delete("/{name}", policy="delete_metadef_tag")
async def delete_tag(request: Request, tx: Any, namespace: Namespace, name: str) -> None:
    """Delete a tag."""
    await metadefs.drop(tx, namespace, MetaTag, name)
