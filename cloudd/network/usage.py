"""What a project has of everything that a quota counts."""

from collections.abc import Collection, Mapping

from sqlalchemy import func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.network.models import FloatingIp, GroupRule, Network, Port, Rbac, Router, SecurityGroup, Subnet, SubnetPool

COUNTED = {"network": Network, "subnet": Subnet, "subnetpool": SubnetPool, "port": Port, "router": Router,
           "floatingip": FloatingIp, "security_group": SecurityGroup, "security_group_rule": GroupRule, "rbac_policy": Rbac}


async def count(tx: AsyncSession, project_id: str, names: Collection[str] = tuple(COUNTED)) -> Mapping[str, int]:
    """How many of these resources a project has, in one query."""
    parts = [select(literal(name), func.count()).where(COUNTED[name].project_id == project_id) for name in names]
    return {name: number for name, number in (await tx.execute(union_all(*parts)))}
