"""The disk under the database is really full (a small tmpfs): who logs in gets in, and `/healthz` says what is wrong."""

import subprocess

import pytest

from cloudd.core import database
from tests.api.conftest import PASSWORD, make_settings, run_cloud


@pytest.fixture
def disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m,mode=0700", "tmpfs", str(place)], check=True, timeout=30)
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True, timeout=30)


def fill(place):
    """Take every last byte."""
    with (place / "filler").open("wb", buffering=0) as file:
        for size in (1 << 16, 512, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue


async def log_in(cloud, password):
    user = {"name": "tester", "domain": {"id": "default"}, "password": password}
    return await cloud.anonymous.post("/identity/v3/auth/tokens", {"auth": {"identity": {
        "methods": ["password"], "password": {"user": user}}}})


async def test_a_full_disk_lets_everybody_log_in_and_healthz_tells_of_it(disk, monkeypatch, caplog):
    monkeypatch.setattr(database, "PROBE_SECONDS", 0)
    async for cloud in run_cloud(make_settings(disk)):
        assert (await cloud.anonymous.get("/healthz")).body["database"] == "ok"
        fill(disk)
        for _ in range(5):                                     # the log of the database may have room for one or two more
            await cloud.demo.post("/networking/v2.0/networks", {"network": {"name": "x"}})
        assert (await cloud.demo.post("/networking/v2.0/networks", {"network": {"name": "x"}})).status == 503
        caplog.clear()
        answer = await log_in(cloud, PASSWORD)
        assert answer.status == 201
        assert (await log_in(cloud, "wrong")).status == 401
        kept = [record for record in caplog.records if "is in this log only" in record.getMessage()]
        assert [record.facts["user"] for record in kept] == [cloud.demo.user_id] * 2
        token = {"X-Auth-Token": answer.headers["X-Subject-Token"]}
        assert (await cloud.anonymous.get("/identity/v3/auth/projects", headers=token)).status == 200
        health = await cloud.anonymous.get("/healthz")
        assert health.status == 503 and "the disk is full" in health.body["database"]
        (disk / "filler").unlink()
        assert (await cloud.anonymous.get("/healthz")).body["database"] == "ok"
        assert (await cloud.demo.post("/networking/v2.0/networks", {"network": {"name": "x"}})).status == 201
