"""Limits in a tree of projects (model strict_two_level): nobody's limit is above his parent's or below one of his children's."""

from typing import Any

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.errors import Forbidden
from cloudd.identity.models import Limit, Project, RegisteredLimit

MODELS = {
    "flat": "Limit enforcement and validation does not take project hierarchy into consideration.",
    "strict_two_level": "A limit is at most that of the parent, be it a project or a domain, and at least those of the children."}


def _same(model: Any, values: dict[str, Any]) -> list[ColumnElement[bool]]:
    return [getattr(model, name).is_not_distinct_from(values.get(name)) for name in ("service_id", "region_id", "resource_name")]


def _above(one: int, other: int) -> bool:
    """Whether a limit is more than another; -1 is none at all."""
    return other != -1 and (one == -1 or one > other)


async def _of(tx: AsyncSession, owner: str, values: dict[str, Any]) -> int | None:
    """An owner's limit: his own or the registered one."""
    query = select(Limit.resource_limit).where(*_same(Limit, values), or_(Limit.project_id == owner, Limit.domain_id == owner))
    own = (await tx.execute(query)).scalar()
    if own is not None:
        return own
    return (await tx.execute(select(RegisteredLimit.default_limit).where(*_same(RegisteredLimit, values)))).scalar()


async def check_tree(tx: AsyncSession, values: dict[str, Any]) -> None:
    """Raise Forbidden for a limit that does not fit between those of the parent and of the children."""
    owner, wanted = values.get("project_id") or values["domain_id"], values["resource_limit"]
    project = await tx.get(Project, owner)
    parent = project.parent_id if project else None
    most = await _of(tx, parent, values) if parent else None
    if most is not None and _above(wanted, most):
        raise Forbidden(f"Invalid resource limit: {values['resource_name']} of {owner} would be {wanted}, above the {most} of its "
                        f"parent {parent}.")
    children = select(Project.id).where(Project.parent_id == owner)
    query = select(Limit.project_id, Limit.resource_limit).where(*_same(Limit, values), Limit.project_id.in_(children))
    for child, limit in await tx.execute(query):
        if _above(limit, wanted):
            raise Forbidden(f"Invalid resource limit: {values['resource_name']} of {owner} would be {wanted}, below the {limit} of "
                            f"its child {child}.")
