"""What Nova's old proxies do with ports, security groups and their rules in the caller's transaction."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.context import Context
from cloudd.core.errors import NotFound
from cloudd.network import standard
from cloudd.network.models import GroupRule, Port, SecurityGroup
from cloudd.network.ports import addresses, ports
from cloudd.network.security import group_rules, groups


async def update_port(context: Context, tx: AsyncSession, port_id: str, **values: Any) -> Port:
    """Change a port of the caller's: `fixed_ips`, `security_groups` (ids) ... as in Neutron."""
    return await ports.update(context, tx, await standard.owned(context, tx, Port, port_id, "Port"), values)


async def add_address(context: Context, tx: AsyncSession, port_id: str) -> Port:
    """Give a port one address more in its network, IPv4 where there is such a subnet. Raises NotFound when none is free."""
    port = await standard.owned(context, tx, Port, port_id, "Port")
    have = [{"subnet_id": item.subnet_id, "ip_address": item.address} for item in addresses.of(port)]
    subnets = await addresses.subnets_for(tx, port.network_id, port.device_owner)
    for subnet in sorted((row for row in subnets if not row.is_auto), key=lambda row: row.ip_version):
        if (address := await addresses.free_address(tx, subnet)) is not None:
            wanted = [*have, {"subnet_id": subnet.id, "ip_address": address}]
            return await ports.update(context, tx, port, {"fixed_ips": wanted})
    raise NotFound(f"No more IP addresses available on network {port.network_id}.", type="NoMoreFixedIps")


async def list_security_groups(context: Context, tx: AsyncSession, *, everybody: bool = False) -> list[SecurityGroup]:
    """The groups of the caller's project, the default one first made if there is none; or those of all projects."""
    await groups.default_id(context, tx, context.project_id or "")
    query = select(SecurityGroup)
    if not everybody:
        query = query.where(SecurityGroup.project_id == context.project_id)
    return list((await tx.execute(query.order_by(SecurityGroup.name, SecurityGroup.id))).scalars())


async def security_groups_by_id(tx: AsyncSession, ids: set[str]) -> dict[str, SecurityGroup]:
    rows = (await tx.execute(select(SecurityGroup).where(SecurityGroup.id.in_(ids)))).scalars()
    return {row.id: row for row in rows}


async def find_security_group(context: Context, tx: AsyncSession, group_id: str) -> SecurityGroup:
    """Raises NotFound."""
    return await standard.owned(context, tx, SecurityGroup, group_id, "Security group")


async def find_security_group_rule(context: Context, tx: AsyncSession, rule_id: str) -> GroupRule:
    """Raises NotFound."""
    return await standard.owned(context, tx, GroupRule, rule_id, "Security group rule")


create_security_group = groups.create
update_security_group = groups.update
delete_security_group = groups.delete
create_security_group_rule = group_rules.create
delete_security_group_rule = group_rules.delete
