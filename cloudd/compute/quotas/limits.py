"""Limits: a project's quotas beside what it uses, under the names that Nova's limits API has for them."""

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd import network
from cloudd.compute.quotas.values import QUOTAS

LIMITS = {"maxTotalInstances": "instances", "maxTotalCores": "cores", "maxTotalRAMSize": "ram", "maxServerMeta": "metadata_items",
          "maxTotalKeypairs": "key_pairs", "maxServerGroups": "server_groups", "maxServerGroupMembers": "server_group_members"}
USED = {"totalInstancesUsed": "instances", "totalCoresUsed": "cores", "totalRAMUsed": "ram", "totalServerGroupsUsed":
        "server_groups"}


async def absolute(tx: AsyncSession, project_id: str, *, with_network: bool, image_metadata: bool, files: bool) -> dict[str, int]:
    """The limits and uses of a project; what old versions show besides is asked for by name."""
    limits, used = await QUOTAS.limits(tx, project_id), await QUOTAS.count(tx, project_id)
    shown = {public: limits[name] for public, name in LIMITS.items()} | {public: used[name] for public, name in USED.items()}
    if image_metadata:
        shown["maxImageMeta"] = limits["metadata_items"]
    if files:
        shown |= {"maxPersonality": limits["injected_files"], "maxPersonalitySize": limits["injected_file_content_bytes"]}
    return shown | await _of_network(tx, project_id) if with_network else shown


async def _of_network(tx: AsyncSession, project_id: str) -> dict[str, int]:
    limits, used = await network.limits(tx, project_id), await network.used(tx, project_id)
    return {"maxTotalFloatingIps": limits["floatingip"], "maxSecurityGroups": limits["security_group"],
            "maxSecurityGroupRules": limits["security_group_rule"], "totalFloatingIpsUsed": used["floatingip"],
            "totalSecurityGroupsUsed": used["security_group"]}
