"""A new master key: every project's key wrapped anew.

In this order, so that it may be killed anywhere and run again: the new key beside the old one in the file; all that is wrapped, and
which key is in force, in one commit; only then is the old key taken out of the file.
"""

import os

from cryptography.exceptions import InvalidTag
from sqlalchemy import select

from cloudd.core import clock, events
from cloudd.core.context import Context
from cloudd.core.database import Database
from cloudd.core.errors import StartError
from cloudd.keymanager.audit import Rewrapped
from cloudd.keymanager.master import SIZE, Locked, MasterFile, fingerprint
from cloudd.keymanager.models import ONLY, MasterKey, ProjectKey
from cloudd.keymanager.sealing import of_project, seal, unseal

HOST = "host"


class Unwrappable(StartError):
    """Keys that the master key does not open, or no master key. The message says what to do."""


async def rewrap(database: Database, file: MasterFile) -> tuple[str, int]:
    """The fingerprint of the new master key, and how many keys of projects it wraps. Raises Unwrappable, Busy."""
    try:
        with file.alone():
            old = await _in_force(database, file)
            new = os.urandom(SIZE)
            file.write([new, old])
            count = await _wrap(database, old, new)
            file.write([new])
    except FileNotFoundError as exc:
        raise Unwrappable(f"{file.path.parent} is not there: bring it back from the backup") from exc
    except Locked as exc:
        raise Unwrappable(f"{exc.why}: {exc.mend}") from exc
    return fingerprint(new), count


async def _in_force(database: Database, file: MasterFile) -> bytes:
    async with database.read() as tx:
        row = await tx.get(MasterKey, ONLY)
    if row is None:
        raise Unwrappable("this cloud has no master key yet: its daemon makes one at its first start")
    keys = file.keys()
    if row.fingerprint not in keys:
        raise Unwrappable(f"{file.path} holds {', '.join(keys)}, the database wants {row.fingerprint}: bring that key back from the "
                          "backup. Nothing was changed.")
    return keys[row.fingerprint]


async def _wrap(database: Database, old: bytes, new: bytes) -> int:
    async with database.write() as tx:
        force = (await tx.execute(select(MasterKey).where(MasterKey.id == ONLY).with_for_update())).scalar_one()
        rows = list((await tx.execute(select(ProjectKey).order_by(ProjectKey.project_id))).scalars())
        for row in rows:
            place = of_project(row.project_id)
            try:
                row.wrapped = seal(new, place, unseal(old, place, row.wrapped))
            except InvalidTag as exc:
                raise Unwrappable(f"the key of project {row.project_id} does not open: the database is damaged. Nothing was "
                                  "changed.") from exc
            row.master = fingerprint(new)
        force.fingerprint, force.changed_at = fingerprint(new), clock.now()
        await events.emit(tx, Context(remote_address=HOST), Rewrapped(fingerprint(new), len(rows)))
    return len(rows)
