"""`cloudd key-manager`: what only whoever has the host may do with the master key, the daemon running or not."""

import asyncio

from cloudd.core.database import Database
from cloudd.keymanager.master import MasterFile
from cloudd.keymanager.rewrap import rewrap as rewrap_all
from cloudd.settings import Settings


def rewrap(settings: Settings) -> int:
    """A new master key, and every project's key under it."""
    file = MasterFile.of(settings)
    fingerprint, count = asyncio.run(_rewrap(settings, file))
    print(f"the master key is now {fingerprint}, in {file.path}; keys of projects wrapped with it: {count}")
    print("copy it to where you keep the master key's backup: backups of the database from now on need it, those of before the old one")
    return 0


async def _rewrap(settings: Settings, file: MasterFile) -> tuple[str, int]:
    database = Database(settings.database.url)
    try:
        await database.check_schema()
        return await rewrap_all(database, file)
    finally:
        await database.close()
