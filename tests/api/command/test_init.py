"""`cloudd init` fills a cloud through its API, once; what is there stays, what was never built is built again."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import yaml

from cloudd.cli import init
from cloudd.drivers.hypervisor.base import Hypervisor
from tests.api.conftest import Cloud, make_settings, run_cloud

LISTS = {"/compute/v2.1/flavors": "flavors", "/compute/v2.1/servers": "servers", "/compute/v2.1/os-keypairs": "keypairs",
         "/image/v2/images": "images", "/networking/v2.0/networks": "networks", "/networking/v2.0/subnets": "subnets",
         "/networking/v2.0/routers": "routers", "/networking/v2.0/floatingips": "floatingips", "/networking/v2.0/ports": "ports",
         "/networking/v2.0/security-group-rules": "security_group_rules"}


@pytest.fixture
async def cloud(tmp_path) -> AsyncIterator[Cloud]:
    async for running in run_cloud(make_settings(tmp_path)):
        yield running


@pytest.fixture
async def guest(tmp_path):
    path = tmp_path / "guest.qcow2"
    process = await asyncio.create_subprocess_exec("qemu-img", "create", "-q", "-f", "qcow2", str(path), "50M")
    assert await process.wait() == 0
    return path


async def demo_of(cloud: Cloud):
    clouds = yaml.safe_load((init.Path(cloud.parts.settings.server.state_dir) / "clouds.yaml").read_text())["clouds"]
    return await cloud.login("demo", clouds["demo"]["auth"]["password"], {"project": {"name": "demo", "domain": {"id": "default"}}})


async def held(demo) -> dict[str, list[str]]:
    lists = {plural: (await demo.get(path)).body[plural] for path, plural in LISTS.items()}
    return {plural: sorted(item.get("id") or item["keypair"]["name"] for item in items) for plural, items in lists.items()}


async def test_a_second_run_finds_everything(cloud, guest, capsys):
    settings = cloud.parts.settings
    assert await init.run(settings, guest) == 0
    demo = await demo_of(cloud)
    before = await held(demo)
    assert len(before["flavors"]) == 7 and len(before["servers"]) == len(before["routers"]) == len(before["floatingips"]) == 1
    rules = (await demo.get("/networking/v2.0/security-group-rules?direction=ingress&remote_ip_prefix=0.0.0.0/0")).body
    assert await init.run(settings, guest) == 0
    assert await held(demo) == before, rules
    said = capsys.readouterr().out
    assert "SSH (22/tcp) and ICMP are let in" in said and "openstack server create --wait" in said and "ACTIVE" in said


async def test_credentials_are_for_their_owner_only(cloud, guest):
    await init.run(cloud.parts.settings, guest)
    state = init.Path(cloud.parts.settings.server.state_dir)
    for name in ("clouds.yaml", "admin-openrc", "demo-openrc", "demo_key"):
        assert (state / name).stat().st_mode & 0o777 == 0o600, name


async def test_a_guest_that_was_never_built_is_built_again(cloud, guest, capsys):
    settings = cloud.parts.settings
    await init.run(settings, None)
    simulated = cloud.parts.drivers[Hypervisor]
    simulated.fail("start")
    assert await init.run(settings, guest) == 1
    assert "The server could not be built" in capsys.readouterr().err
    assert await init.run(settings, guest) == 0
    servers = (await (await demo_of(cloud)).get("/compute/v2.1/servers/detail")).body["servers"]
    assert [server["status"] for server in servers] == ["ACTIVE"]


async def test_a_flavor_id_that_is_taken_is_left_alone(cloud, guest):
    body = {"flavor": {"id": "1", "name": "own", "ram": 64, "disk": 1, "vcpus": 1}}
    assert (await cloud.admin.post("/compute/v2.1/flavors", body)).status == 200
    assert await init.run(cloud.parts.settings, guest) == 0


async def test_nobody_home_is_told(cloud, tmp_path, capsys):
    settings = cloud.parts.settings
    nowhere = replace(settings, server=replace(settings.server, state_dir=str(tmp_path / "nowhere")))
    assert await init.run(nowhere, None) == 1
    assert re.search("clouds.yaml: `cloudd serve` writes it", capsys.readouterr().err)


@pytest.mark.parametrize(("taken", "free"), [
    ([], "172.24.4.0/24"),
    (["192.0.2.0/24", "fd00::/64", "172.24.3.0/24"], "172.24.4.0/24"),
    (["172.24.4.0/24", "172.24.5.77"], "172.24.6.0/24"),
    (["172.24.0.0/20"], "172.24.16.0/24"),
])
def test_floating_addresses_come_from_a_range_that_is_free(taken, free):
    assert init.free_range("172.24.4.0/24", taken) == free


def test_no_free_range_is_told():
    with pytest.raises(OSError, match="external_range"):
        init.free_range("172.24.4.0/24", ["172.16.0.0/12"])
