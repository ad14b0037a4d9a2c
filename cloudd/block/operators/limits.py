"""Limits: a project's quotas beside what it uses, under the names that Cinder's limits API has for them."""

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block.quotas import QUOTAS

LIMITS = {"maxTotalVolumes": "volumes", "maxTotalSnapshots": "snapshots", "maxTotalVolumeGigabytes": "gigabytes",
          "maxTotalBackups": "backups", "maxTotalBackupGigabytes": "backup_gigabytes"}
USED = {"totalVolumesUsed": "volumes", "totalSnapshotsUsed": "snapshots", "totalGigabytesUsed": "gigabytes",
        "totalBackupsUsed": "backups", "totalBackupGigabytesUsed": "backup_gigabytes"}


async def absolute(tx: AsyncSession, project_id: str) -> dict[str, int]:
    limits, used = await QUOTAS.limits(tx, project_id), await QUOTAS.count(tx, project_id)
    return {name: limits[key] for name, key in LIMITS.items()} | {name: used.get(key, 0) for name, key in USED.items()}
