"""Quota sets: a project's limits, a user's in it, the defaults; checked against what is in use before they change."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd import identity
from cloudd.compute.quotas.values import QUOTAS
from cloudd.core.errors import BadRequest
from cloudd.core.quotas import DEFAULT_CLASS, Quotas, class_key

CLASS = class_key(DEFAULT_CLASS)
NETWORK_ITEMS = ("fixed_ips", "floating_ips", "networks", "security_groups", "security_group_rules")
INJECTED = ("injected_files", "injected_file_content_bytes", "injected_file_path_bytes")
GROUPS = ("server_groups", "server_group_members")
ALWAYS = ("cores", "instances", "key_pairs", "metadata_items", "ram")


async def _nothing(tx: AsyncSession, project_id: str) -> Mapping[str, int]:
    return {}


OLD = Quotas("compute", dict.fromkeys(NETWORK_ITEMS, -1), _nothing)
"""Items from the days of nova-network: kept and shown as Nova does. What counts are Neutron's quotas."""


async def limits(tx: AsyncSession, project_id: str, user_id: str = "") -> dict[str, int]:
    """All limits, old items included."""
    old = {**await OLD.limits(tx, CLASS), **{name: value for name, value in (await OLD.limits(tx, project_id)).items()
                                             if value != -1}}
    return {**old, **await QUOTAS.limits(tx, project_id, user_id)}


async def defaults(tx: AsyncSession, quota_class: str = DEFAULT_CLASS) -> dict[str, int]:
    """The limits of a class; those of `default` go for every project without its own, others are kept and shown."""
    return {**await OLD.limits(tx, class_key(quota_class)), **await QUOTAS.class_limits(tx, quota_class)}


async def used(tx: AsyncSession, project_id: str) -> dict[str, int]:
    """What is in use; 0 for what is counted nowhere or one server at a time."""
    return dict(await QUOTAS.count(tx, project_id))


async def require_project(tx: AsyncSession, project_id: str) -> None:
    if await identity.project(tx, project_id) is None:
        raise BadRequest(f"Project ID {project_id} is not a valid project.")


async def change(tx: AsyncSession, project_id: str, wanted: Mapping[str, int], *, user_id: str = "", force: bool = False) -> None:
    """Set limits. Raises BadRequest for one below what is in use (unless forced), or for a user's above his project's."""
    if user_id:
        of_project = await QUOTAS.limits(tx, project_id)
        for name, value in wanted.items():
            most = of_project.get(name, -1)
            if most >= 0 and not 0 <= value <= most:
                raise BadRequest(f"Quota limit {value} for {name} must be less than or equal to {most}.")
    if not force:
        have = await used(tx, project_id)
        for name, value in wanted.items():
            if 0 <= value < have.get(name, 0):
                raise BadRequest(f"Quota limit {value} for {name} must be greater than or equal to already used and reserved "
                                 f"{have[name]}.")
    await QUOTAS.set(tx, project_id, wanted, user_id)


async def change_class(tx: AsyncSession, quota_class: str, wanted: Mapping[str, int]) -> None:
    await QUOTAS.set(tx, class_key(quota_class), wanted)
