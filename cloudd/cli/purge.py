"""`cloudd purge`: destroys what a cloud has made on this machine, so that deleting its state directory leaves nothing."""

from pathlib import Path

from cloudd.core.database import Database
from cloudd.core.parts import Parts
from cloudd.core.policy import Policies
from cloudd.daemon import MODULES, only_one
from cloudd.settings import Settings


async def run(settings: Settings) -> int:
    """Ask every module to remove what it has on the machine, from right to left. The daemon must not run."""
    with only_one(Path(settings.server.state_dir)):
        parts = Parts(settings, Database(settings.database.url), Policies())
        for module in reversed([kind(parts) for kind in MODULES]):
            await module.purge()
        await parts.database.close()
    print("guests, networks and rules of this cloud are gone from this machine")
    return 0
