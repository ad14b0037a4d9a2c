"""Limits: a project's quotas beside what it uses, under the names that Nova's limits API has for them."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd import network
from cloudd.compute.quotas.values import QUOTAS

LIMITS = {"maxTotalInstances": "instances", "maxTotalCores": "cores", "maxTotalRAMSize": "ram", "maxServerMeta": "metadata_items",
          "maxTotalKeypairs": "key_pairs", "maxServerGroups": "server_groups", "maxServerGroupMembers": "server_group_members"}
OF_FILES = {"maxPersonality": "injected_files", "maxPersonalitySize": "injected_file_content_bytes"}
NETWORK_LIMITS = {"maxTotalFloatingIps": "floatingip", "maxSecurityGroups": "security_group",
                  "maxSecurityGroupRules": "security_group_rule"}
NETWORK_USED = {"totalFloatingIpsUsed": "floatingip", "totalSecurityGroupsUsed": "security_group"}
USED = {"totalInstancesUsed": "instances", "totalCoresUsed": "cores", "totalRAMUsed": "ram", "totalServerGroupsUsed":
        "server_groups"}


async def absolute(tx: AsyncSession, project_id: str, *, with_network: bool) -> dict[str, int]:
    """The limits and uses of a project, with all that any version shows; what is the network's where it is asked for."""
    limits, used = await QUOTAS.limits(tx, project_id), await QUOTAS.count(tx, project_id)
    shown = _named({**LIMITS, **OF_FILES, "maxImageMeta": "metadata_items"}, limits) | _named(USED, used)
    return shown | await _of_network(tx, project_id) if with_network else shown


def _named(names: Mapping[str, str], values: Mapping[str, int]) -> dict[str, int]:
    return {public: values[name] for public, name in names.items()}


async def _of_network(tx: AsyncSession, project_id: str) -> dict[str, int]:
    limits, used = await network.limits(tx, project_id), await network.used(tx, project_id)
    return _named(NETWORK_LIMITS, limits) | _named(NETWORK_USED, used)
