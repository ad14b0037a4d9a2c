"""Server groups: servers that should run together or apart."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute.models import ServerGroup
from cloudd.compute.quotas.values import QUOTAS
from cloudd.core import events, ids
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Forbidden, NotFound, OverQuota

AFFINITY, APART = "affinity", "anti-affinity"
HARD, SOFT = (AFFINITY, APART), ("soft-affinity", "soft-anti-affinity")


@dataclass(frozen=True)
class GroupChanged(events.Event):
    """A server group was made or deleted; the name says which."""

    resource_id: str
    group: dict[str, Any] = field(default_factory=dict)
    name: ClassVar[str] = "servergroup.changed"


async def tell(context: Context, tx: AsyncSession, group: ServerGroup, verb: str) -> None:
    event = GroupChanged(group.id, {"name": group.name, "policy": group.policy, "rules": group.rules})
    object.__setattr__(event, "name", f"servergroup.{verb}")
    await events.emit(tx, context, event, project_id=group.project_id)


async def find(context: Context, tx: AsyncSession, group_id: str) -> ServerGroup:
    """Raises NotFound."""
    row = await tx.get(ServerGroup, group_id)
    if row is None or (row.project_id != context.project_id and not context.is_admin):
        raise NotFound(f"Instance group {group_id} could not be found.", type="InstanceGroupNotFound")
    return row


def listed(context: Context, *, all_projects: bool) -> Select[Any]:
    query = select(ServerGroup).order_by(ServerGroup.created_at, ServerGroup.id)
    return query if all_projects else query.where(ServerGroup.project_id == context.project_id)


async def create(context: Context, tx: AsyncSession, name: str, policy: str, rules: dict[str, Any]) -> ServerGroup:
    """Raises BadRequest for rules that the policy does not have, OverQuota."""
    if rules and policy != APART:
        raise BadRequest(f"Only anti-affinity policy supports rules; the policy is {policy}.")
    if context.project_id is None:
        raise Forbidden("A server group belongs to a project: use a token that is scoped to one.")
    try:
        await QUOTAS.require(tx, context.project_id, server_groups=1)
    except OverQuota as exc:
        raise OverQuota(f"Quota exceeded, too many server groups. {exc.message}", type="ServerGroupLimitExceeded") from exc
    row = ServerGroup(id=ids.new_uuid(), name=name, project_id=context.project_id, user_id=context.user_id, policy=policy,
                      rules=rules, created_at=context.now(), member_rows=[])
    tx.add(row)
    await tx.flush()
    await tell(context, tx, row, "create")
    return row


async def delete(context: Context, tx: AsyncSession, group: ServerGroup) -> None:
    """Its servers stay as they are."""
    await tx.delete(group)
    await tell(context, tx, group, "delete")
    await tx.flush()
