"""The change of the master key, killed at each of its moments: every secret opens, before and after it is run again."""

import asyncio
import subprocess
import sys

import pytest
from sqlalchemy import select

from cloudd.core import database
from cloudd.core.context import internal
from cloudd.core.database import Database
from cloudd.keymanager import secrets
from cloudd.keymanager.master import MasterFile
from cloudd.keymanager.models import MasterKey, ProjectKey, Secret
from cloudd.keymanager.rewrap import rewrap
from cloudd.keymanager.sealing import Vault
from tests import postgres
from tests.fault.rewrap_killed import MOMENTS

PROJECTS = 7


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def new_url(request, tmp_path_factory):
    """Makes addresses of empty databases on an engine."""
    if request.param == "sqlite":
        yield lambda name: f"sqlite:///{tmp_path_factory.mktemp('rewrap')}/x.db"
        return
    with postgres.server() as server:
        yield server.create


@pytest.fixture
async def place(new_url, tmp_path, request):
    """A database with a secret in each of several projects, its file of the master key, and a vault that has seen it."""
    url = new_url(f"rewrap_{MOMENTS.index(request.node.callspec.params['moment'])}")
    await asyncio.to_thread(database.upgrade, url)
    rows, vault = Database(url), Vault(MasterFile(tmp_path / "key-manager" / "master.key"))
    await vault.prepare(rows)
    for number in range(PROJECTS):
        async with rows.write() as tx:
            row = await secrets.create(tx, internal(f"project-{number}"), {"name": f"{number}"})
            await secrets.put_payload(vault, tx, row, f"secret {number}".encode(), "text/plain")
    yield url, rows, vault
    await rows.close()


async def check(rows, vault):
    """All is wrapped by one key, which its file has, and every secret opens."""
    async with rows.write() as tx:
        force = (await tx.execute(select(MasterKey.fingerprint))).scalar_one()
        assert set((await tx.execute(select(ProjectKey.master))).scalars()) == {force}
        found = {row.name: await secrets.peek(vault, tx, row) for row in (await tx.execute(select(Secret))).scalars()}
    assert found == {f"{number}": f"secret {number}".encode() for number in range(PROJECTS)}
    assert force in vault.file.keys() and vault.file.path.stat().st_mode & 0o777 == 0o600  # noqa: SIM118
    return force


@pytest.mark.parametrize("moment", MOMENTS)
async def test_killed_at_this_moment_nothing_is_lost(place, moment):
    url, rows, vault = place
    old = await check(rows, vault)
    killed = [sys.executable, "-m", "tests.fault.rewrap_killed", str(vault.file.path), url, moment]
    done = await asyncio.to_thread(subprocess.run, killed, check=False)
    assert done.returncode == -9
    for one in (vault, Vault(MasterFile(vault.file.path))):                       # a daemon that goes on, and the next one
        force = await check(rows, one)
    assert (force == old) == (moment in ("before the first write", "in the first write", "after the first write", "before the commit"))
    made, count = await rewrap(rows, MasterFile(vault.file.path))
    assert count == PROJECTS and made not in (old, force)
    assert await check(rows, vault) == made and list(vault.file.keys()) == [made]
