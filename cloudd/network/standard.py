"""What standard resources share: birth, change, tags, sharing, and who may see them."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from sqlalchemy import Select, exists, inspect, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload, raiseload

from cloudd.core import events, ids
from cloudd.core.context import Context
from cloudd.core.errors import NotFound
from cloudd.network.models import Network, Port, Rbac, SecurityGroup, Standard, Subnet, Tag

T = TypeVar("T", bound=Any)
SHARED = ("access_as_shared",)
USABLE = ("access_as_shared", "access_as_external")
SHARING_ONLY = (joinedload(Network.rbac), raiseload(Network.tag_rows), raiseload(Network.subnets))
"""Of a network that something is made in, in one query: whom it is shared with, not what else is in it."""


@dataclass(frozen=True)
class ResourceChanged(events.Event):
    """A resource was created, updated or deleted; the event's name says which and what."""

    resource_id: str
    resource: dict[str, Any] = field(default_factory=dict)
    name: ClassVar[str] = "network.resource"


async def tell(tx: AsyncSession, context: Context, kind: str, verb: str, row: Any) -> None:
    """Emit `{kind}.{verb}.end`, Neutron's notification name."""
    facts = {name: getattr(row, name) for name in ("name", "status", "network_id", "device_id", "device_owner")
             if hasattr(row, name)}
    event = ResourceChanged(row.id, {"id": row.id, "project_id": row.project_id, **facts})
    object.__setattr__(event, "name", f"{kind}.{verb}.end")
    await events.emit(tx, context, event, project_id=row.project_id or None)


def born(context: Context, model: type[T], project_id: str, **values: Any) -> T:
    """A new row with what every row has."""
    now = context.now()
    times = {"created_at": now, "updated_at": now, "tag_rows": []} if issubclass(model, Standard) else {}
    return model(id=ids.new_uuid(), project_id=project_id, **times, **values)


def touch(context: Context, row: Any) -> None:
    """Count a change of a standard resource."""
    row.revision_number += 1
    row.updated_at = context.now()


async def fresh(tx: AsyncSession, row: T) -> T:
    """The row with all that a reply shows, after its relatives were written."""
    await tx.flush()
    await tx.refresh(row)
    return row


def set_tags(row: Any, tags: list[str]) -> None:
    """Make these the row's tags."""
    wanted = list(dict.fromkeys(tags))
    kept = [tag for tag in row.tag_rows if tag.tag in wanted]
    known = {tag.tag for tag in kept}
    row.tag_rows = kept + [Tag(resource_id=row.id, tag=tag) for tag in wanted if tag not in known]


def share(context: Context, row: Any, kind: str, action: str, target: str = "*") -> None:
    """Let a project, or everybody, use an object."""
    if not any(entry.action == action and entry.target_project == target for entry in row.rbac):
        row.rbac = [*row.rbac, Rbac(id=ids.new_uuid(), project_id=row.project_id or context.project_id or "",
                                    object_type=kind, object_id=row.id, action=action, target_project=target)]


def sees_all(context: Context) -> bool:
    return context.is_admin or "service" in context.roles


def shared_to(context: Context, column: Any, actions: tuple[str, ...] = SHARED) -> Any:
    """The condition that the object with this id is shared with the caller's project."""
    return exists().where(Rbac.object_id == column, Rbac.action.in_(actions),
                          Rbac.target_project.in_(("*", context.project_id or "")))


def own_or_shared(context: Context, query: Select[Any], model: Any, actions: tuple[str, ...] = SHARED) -> Select[Any]:
    """Only what the caller may see of a model that can be shared."""
    if sees_all(context):
        return query
    return query.where(or_(model.project_id == context.project_id, shared_to(context, model.id, actions)))


def networks_of(context: Context, query: Select[Any]) -> Select[Any]:
    return own_or_shared(context, query, Network, USABLE)


def subnets_of(context: Context, query: Select[Any]) -> Select[Any]:
    if sees_all(context):
        return query
    owner = select(Network.id).where(Network.project_id == context.project_id)
    return query.where(or_(Subnet.project_id == context.project_id, Subnet.network_id.in_(owner),
                           shared_to(context, Subnet.network_id, USABLE)))


def ports_of(context: Context, query: Select[Any]) -> Select[Any]:
    if sees_all(context):
        return query
    owner = select(Network.id).where(Network.project_id == context.project_id)
    return query.where(or_(Port.project_id == context.project_id, Port.network_id.in_(owner)))


def groups_of(context: Context, query: Select[Any]) -> Select[Any]:
    return own_or_shared(context, query, SecurityGroup)


async def _one(tx: AsyncSession, query: Select[Any], kind: str, words: str) -> Any:
    row = (await tx.execute(query)).unique().scalar()
    if row is None:
        raise NotFound(words, type=f"{kind}NotFound")
    return row


async def network(context: Context, tx: AsyncSession, network_id: str) -> Network:
    """A network that the caller may use; in one transaction it is looked up once. Raises NotFound."""
    seen = tx.info.setdefault("networks", {})
    key = (context.project_id, sees_all(context), network_id)
    if key not in seen or not inspect(seen[key]).persistent:
        query = networks_of(context, select(Network).where(Network.id == network_id)).options(*SHARING_ONLY)
        seen[key] = await _one(tx, query, "Network", f"Network {network_id} could not be found.")
    return seen[key]


async def subnet(context: Context, tx: AsyncSession, subnet_id: str) -> Subnet:
    query = subnets_of(context, select(Subnet).where(Subnet.id == subnet_id))
    return await _one(tx, query, "Subnet", f"Subnet {subnet_id} could not be found.")


async def port(context: Context, tx: AsyncSession, port_id: str) -> Port:
    query = ports_of(context, select(Port).where(Port.id == port_id))
    return await _one(tx, query, "Port", f"Port {port_id} could not be found.")


async def owned(context: Context, tx: AsyncSession, model: type[T], row_id: str, kind: str) -> T:
    """A row of the caller's project (of any, for administrators). Raises NotFound."""
    query = select(model).where(model.id == row_id)
    if not sees_all(context):
        query = query.where(model.project_id == context.project_id)
    return await _one(tx, query, kind, f"{kind} {row_id} could not be found.")
