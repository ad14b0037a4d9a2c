"""The rules of metadata definitions: what may be attached to images, servers and volumes, described for people and dashboards."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from sqlalchemy import Select, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import ids
from cloudd.core.context import Context
from cloudd.core.errors import Conflict, Forbidden, NotFound
from cloudd.image.metadefs_models import Association, MetaObject, MetaProperty, MetaTag, Namespace, ResourceType

SHIPPED = Path(__file__).with_name("metadefs.yaml")
KINDS = {MetaObject: "object", MetaProperty: "property", MetaTag: "tag", Association: "resource type association"}
Kind = TypeVar("Kind", MetaObject, MetaProperty, MetaTag, Association)


def visible(context: Context) -> Select[tuple[Namespace]]:
    """The namespaces that a caller sees: his project's and the public ones."""
    query = select(Namespace)
    if context.is_admin:
        return query
    return query.where(or_(Namespace.visibility == "public", Namespace.project_id == context.project_id))


async def find(tx: AsyncSession, context: Context, name: str) -> Namespace:
    """A namespace that the caller sees. Raises NotFound."""
    row = (await tx.execute(visible(context).where(Namespace.namespace == name))).scalar()
    if row is None:
        raise NotFound(f"Metadata definition namespace={name} was not found.", type="MetadefNamespaceNotFound")
    return row


async def create(tx: AsyncSession, context: Context, body: Mapping[str, Any]) -> Namespace:
    """A namespace with all that was sent in it. Raises Conflict for a name that is taken, also by one unseen."""
    name = body["namespace"]
    await _name_free(tx, name)
    moment = context.now()
    row = Namespace(id=ids.new_uuid(), namespace=name, display_name=body.get("display_name"), created_at=moment,
                    description=body.get("description"), visibility=body.get("visibility", "private"), updated_at=moment,
                    protected=body.get("protected", False), project_id=body.get("owner") or context.project_id)
    tx.add(row)
    await tx.flush()
    for item in body.get("resource_type_associations", ()):
        await associate(tx, context, row, item)
    for item in body.get("objects", ()):
        await add(tx, context, row, MetaObject, item["name"], **object_columns(item))
    for name, definition in body.get("properties", {}).items():
        await add(tx, context, row, MetaProperty, name, definition=definition)
    for item in body.get("tags", ()):
        await add(tx, context, row, MetaTag, item["name"])
    return row


async def _name_free(tx: AsyncSession, name: str) -> None:
    if (await tx.execute(select(Namespace.id).where(Namespace.namespace == name))).scalar():
        raise Conflict(f"The metadata definition namespace={name} already exists.", type="MetadefDuplicateNamespace")


async def update(tx: AsyncSession, context: Context, row: Namespace, body: Mapping[str, Any]) -> Namespace:
    """Replace a namespace's own members; what is in it stays."""
    if body["namespace"] != row.namespace:
        await _name_free(tx, body["namespace"])
    row.namespace, row.display_name, row.description = body["namespace"], body.get("display_name"), body.get("description")
    row.visibility, row.protected = body.get("visibility", "private"), body.get("protected", False)
    row.project_id = body.get("owner") or row.project_id
    row.updated_at = context.now()
    await tx.flush()
    return row


async def remove(tx: AsyncSession, row: Namespace) -> None:
    """Delete a namespace and all in it. Raises Forbidden for a protected one."""
    _unprotected(row, "namespace", row.namespace)
    await tx.delete(row)
    await tx.flush()


def _unprotected(row: Namespace, what: str, name: str) -> None:
    if row.protected:
        raise Forbidden(f"Metadata definition {what} {name} is protected (its namespace is) and cannot be deleted.",
                        type="ProtectedMetadefNamespaceDelete")


def object_columns(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": body.get("description"), "required": body.get("required", []), "properties": body.get("properties", {})}


async def listed(tx: AsyncSession, row: Namespace, kind: type[Kind]) -> list[Kind]:
    """All definitions of a kind in a namespace, by name."""
    return list((await tx.execute(select(kind).where(kind.namespace_id == row.id).order_by(kind.name))).scalars())


async def get(tx: AsyncSession, row: Namespace, kind: type[Kind], name: str) -> Kind:
    """One definition. Raises NotFound."""
    found = (await tx.execute(select(kind).where(kind.namespace_id == row.id, kind.name == name))).scalar()
    if found is None:
        raise NotFound(f"The metadata definition {KINDS[kind]} with name={name} was not found in namespace={row.namespace}.",
                       type="MetadefNotFound")
    return found


async def count(tx: AsyncSession, row: Namespace, kind: type[Kind]) -> int:
    """How many definitions of a kind a namespace has."""
    return int((await tx.execute(select(func.count(kind.id)).where(kind.namespace_id == row.id))).scalar() or 0)


async def add(tx: AsyncSession, context: Context, row: Namespace, kind: type[Kind], name: str, **columns: Any) -> Kind:
    """A new definition. Raises Conflict for a name that is taken."""
    await _free(tx, row, kind, name)
    moment = context.now()
    made = kind(id=ids.new_uuid(), namespace_id=row.id, name=name, created_at=moment, updated_at=moment, **columns)
    tx.add(made)
    await tx.flush()
    return made


async def _free(tx: AsyncSession, row: Namespace, kind: type[Kind], name: str) -> None:
    if (await tx.execute(select(kind.id).where(kind.namespace_id == row.id, kind.name == name))).scalar():
        raise Conflict(f"A metadata definition {KINDS[kind]} with name={name} already exists in namespace={row.namespace}.",
                       type="MetadefDuplicate")


async def change(tx: AsyncSession, context: Context, row: Namespace, item: Kind, name: str, **columns: Any) -> Kind:
    """Replace a definition, its name as well."""
    if name != item.name:
        await _free(tx, row, type(item), name)
    item.name, item.updated_at = name, context.now()
    for column, value in columns.items():
        setattr(item, column, value)
    await tx.flush()
    return item


async def drop(tx: AsyncSession, row: Namespace, kind: type[Kind], name: str) -> None:
    """Delete one definition."""
    item = await get(tx, row, kind, name)
    _unprotected(row, KINDS[kind], name)
    await tx.delete(item)
    await tx.flush()


async def drop_all(tx: AsyncSession, row: Namespace, kind: type[Kind]) -> None:
    _unprotected(row, f"{KINDS[kind]}s of", row.namespace)
    await tx.execute(delete(kind).where(kind.namespace_id == row.id))


async def associate(tx: AsyncSession, context: Context, row: Namespace, body: Mapping[str, Any]) -> Association:
    """Say that a namespace is for a type of resources; a type nobody named before is made."""
    if await tx.get(ResourceType, body["name"]) is None:
        tx.add(ResourceType(name=body["name"], created_at=context.now(), updated_at=context.now()))
    return await add(tx, context, row, Association, body["name"], prefix=body.get("prefix"),
                     properties_target=body.get("properties_target"))


async def associations(tx: AsyncSession, rows: Sequence[Namespace]) -> dict[str, list[Association]]:
    """The associations of several namespaces, by namespace id, in one query."""
    query = select(Association).where(Association.namespace_id.in_([row.id for row in rows])).order_by(Association.name)
    found: dict[str, list[Association]] = {}
    for item in (await tx.execute(query)).scalars():
        found.setdefault(item.namespace_id, []).append(item)
    return found


async def load_shipped(tx: AsyncSession, context: Context, path: Path = SHIPPED) -> int:
    """Make the definitions that cloudd ships with, once: only in a database that has none at all."""
    if (await tx.execute(select(Namespace.id).limit(1))).scalar():
        return 0
    shipped = yaml.safe_load(path.read_text())
    for body in shipped:
        await create(tx, context, body)
    return len(shipped)
