"""The rules of security groups: every project has one named `default`, made when it is first needed."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.context import Context
from cloudd.core.errors import Conflict, NotFound
from cloudd.network import changes, standard
from cloudd.network.config import QUOTAS
from cloudd.network.models import GroupRule, PortGroup, SecurityGroup

DEFAULT = "default"
ETHERTYPES = ("IPv4", "IPv6")
DEFAULT_OF = select(SecurityGroup.id).where(SecurityGroup.project_id == bindparam("project_id"), SecurityGroup.is_default)
Values = dict[str, Any]


async def default_id(context: Context, tx: AsyncSession, project: str) -> str:
    """The project's default group, made if there is none."""
    found = (await tx.execute(DEFAULT_OF, {"project_id": project})).scalar()
    if found is not None:
        return found
    group = _new(context, project, {"name": DEFAULT, "description": "Default security group"})
    group.is_default = True
    group.rules += [_open(context, group, "ingress", ethertype, group.id) for ethertype in ETHERTYPES]
    tx.add(group)
    await changes.group(tx, context, group.id)
    return group.id


def _new(context: Context, project: str, values: Values) -> SecurityGroup:
    """A group that lets everything out."""
    group = standard.born(context, SecurityGroup, project, name=values.get("name", ""), is_default=False,
                          description=values.get("description") or "", stateful=values.get("stateful", True))
    group.rules = [_open(context, group, "egress", ethertype) for ethertype in ETHERTYPES]
    return group


def _open(context: Context, group: SecurityGroup, direction: str, ethertype: str, remote: str | None = None) -> GroupRule:
    return standard.born(context, GroupRule, group.project_id, security_group_id=group.id, direction=direction,
                         ethertype=ethertype, remote_group_id=remote)


async def create(context: Context, tx: AsyncSession, values: Values) -> SecurityGroup:
    project = values.get("project_id", context.project_id) or ""
    if values["name"].lower() == DEFAULT:
        await default_id(context, tx, project)
        raise Conflict("Default security group already exists.", type="SecurityGroupDefaultAlreadyExists")
    await default_id(context, tx, project)
    await QUOTAS.require(tx, project, security_group=1, security_group_rule=len(ETHERTYPES))
    group = _new(context, project, values)
    standard.set_tags(group, values.get("tags") or [])
    tx.add(group)
    await changes.group(tx, context, group.id)
    await standard.fresh(tx, group)
    await standard.tell(tx, context, "security_group", "create", group)
    return group


async def update(context: Context, tx: AsyncSession, group: SecurityGroup, values: Values) -> SecurityGroup:
    if "name" in values and group.is_default and values["name"] != group.name:
        raise Conflict("Updating default security group not allowed.", type="SecurityGroupCannotUpdateDefault")
    if "name" in values and not group.is_default and values["name"].lower() == DEFAULT:
        raise Conflict("Default security group already exists.", type="SecurityGroupDefaultAlreadyExists")
    if "stateful" in values and values["stateful"] != group.stateful and await _ports(tx, group.id):
        raise _in_use(group, await _ports(tx, group.id))
    for name in ("name", "description", "stateful"):
        if values.get(name) is not None:
            setattr(group, name, values[name])
    standard.touch(context, group)
    await changes.group(tx, context, group.id)
    await standard.fresh(tx, group)
    await standard.tell(tx, context, "security_group", "update", group)
    return group


async def delete(context: Context, tx: AsyncSession, group: SecurityGroup) -> None:
    if group.is_default and not context.is_admin:
        raise Conflict("Insufficient rights for removing default security group.", type="SecurityGroupCannotRemoveDefault")
    if ports := await _ports(tx, group.id):
        raise _in_use(group, ports)
    others = select(GroupRule.security_group_id).where(GroupRule.remote_group_id == group.id,
                                                       GroupRule.security_group_id != group.id).distinct()
    for other in (await tx.execute(others)).scalars().all():
        await changes.group(tx, context, other)
    await changes.group(tx, context, group.id)
    await standard.tell(tx, context, "security_group", "delete", group)
    await tx.delete(group)
    await tx.flush()


async def _ports(tx: AsyncSession, group_id: str) -> list[str]:
    query = select(PortGroup.port_id).where(PortGroup.group_id == group_id).order_by(PortGroup.port_id).limit(10)
    return list((await tx.execute(query)).scalars())


def _in_use(group: SecurityGroup, ports: list[str]) -> Conflict:
    return Conflict(f"Security Group {group.id} in use by port {', '.join(ports)}.", type="SecurityGroupInUse")


async def require(context: Context, tx: AsyncSession, wanted: Iterable[str]) -> None:
    """Raise NotFound unless the caller may use all of these groups."""
    wanted = set(wanted)
    if not wanted:
        return
    query = standard.groups_of(context, select(SecurityGroup.id).where(SecurityGroup.id.in_(wanted)))
    if missing := wanted - set((await tx.execute(query)).scalars()):
        raise NotFound(f"Security group {', '.join(sorted(missing))} does not exist", type="SecurityGroupNotFound")


async def named(context: Context, tx: AsyncSession, names_or_ids: Iterable[str]) -> list[SecurityGroup]:
    """The caller's groups by id or name, in order. Raises NotFound, or Conflict for a name that several have."""
    wanted = list(dict.fromkeys(names_or_ids))
    if DEFAULT in wanted and context.project_id:
        await default_id(context, tx, context.project_id)
    query = standard.own_or_shared(context, select(SecurityGroup), SecurityGroup).where(
        SecurityGroup.id.in_(wanted) | (SecurityGroup.name.in_(wanted) & (SecurityGroup.project_id == context.project_id)))
    rows = list((await tx.execute(query)).scalars())
    return [_named(rows, text) for text in wanted]


def _named(rows: list[SecurityGroup], text: str) -> SecurityGroup:
    found = [row for row in rows if row.id == text] or [row for row in rows if row.name == text]
    if not found:
        raise NotFound(f"Security group {text} not found.", type="SecurityGroupNotFound")
    if len(found) > 1:
        raise Conflict(f"Multiple security groups found matching '{text}'. Use an ID to be more specific.",
                       type="NoUniqueMatch")
    return found[0]
