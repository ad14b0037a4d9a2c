"""Jobs of networks: failing, killed before and after their save, done again. In the end the driver has what the rows say."""

import asyncio

import pytest

from cloudd.core.errors import Conflict
from cloudd.core.jobs import Registry
from cloudd.core.runner import Runner
from cloudd.drivers.network.base import NetworkDriver
from cloudd.network.dataplane import specs as dataplane
from tests.fault.house import House, Killed

N = "/networking/v2.0"
PREFIX = "network."
KILLS = {"fails": 0, "killed before save": 1, "killed after save": 1, "twice": 2}


class Finger:
    """Put on the step of one kind of job, for one subject: makes it fail once, or ends the process there."""

    def __init__(self, kind, how):
        self.kind, self.how, self.left = kind, how, KILLS[how] or 1
        self.killed = asyncio.Event()
        self.armed = False

    async def __call__(self, run, name, when):
        wanted = "saved" if self.how == "killed after save" else "done"
        if not self.armed or run.row.kind != self.kind or when != wanted or not run.forward or not self.left:
            return
        self.left -= 1
        if self.how == "fails":
            raise Conflict("told to fail")
        run.parts.service(Runner)._stopping = True
        self.killed.set()
        raise Killed


async def call(house, method, path, **body):
    answer = await house.cloud.admin.request(method, N + path, **({"json": body} if body else {}))
    assert answer.status < 300, answer.content
    return next(iter(answer.body.values())) if answer.body else None


async def lan(house):
    network = await call(house, "POST", "/networks", network={"name": "lan"})
    subnet = await call(house, "POST", "/subnets", subnet={"network_id": network["id"], "cidr": "10.1.0.0/24", "ip_version": 4})
    return network, subnet


async def ask_network(house):
    network, _ = await lan(house)
    await house.cloud.settled()
    yield
    await call(house, "PUT", f"/networks/{network['id']}", network={"mtu": 1400})


async def ask_router(house):
    _, subnet = await lan(house)
    router = await call(house, "POST", "/routers", router={})
    await house.cloud.settled()
    yield
    await house.cloud.admin.put(f"{N}/routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]})


async def ask_port(house):
    network, _ = await lan(house)
    port = await call(house, "POST", "/ports", port={"network_id": network["id"], "binding:host_id": "here",
                                                    "device_owner": "compute:nova"})
    await house.cloud.settled()
    yield
    await call(house, "PUT", f"/ports/{port['id']}", port={"allowed_address_pairs": [{"ip_address": "10.1.0.99"}]})


async def ask_group(house):
    group = await call(house, "POST", "/security-groups", security_group={"name": "web"})
    await house.cloud.settled()
    yield
    await call(house, "POST", "/security-group-rules", security_group_rule={
        "security_group_id": group["id"], "direction": "ingress", "protocol": "tcp"})


SCENES = {"network.network.apply": ask_network, "network.router.apply": ask_router, "network.port.apply": ask_port,
          "network.group.apply": ask_group}


async def agreed(house):
    """The driver has exactly what the rows say."""
    await house.cloud.settled()
    parts = house.cloud.parts
    async with parts.database.read() as tx:
        wanted = await dataplane.everything(tx)
    driver = parts.driver(NetworkDriver)
    assert driver.networks == {spec.id: spec for spec in wanted.networks}
    assert driver.routers == {spec.id: spec for spec in wanted.routers}
    assert driver.groups == {spec.id: spec for spec in wanted.security_groups}
    assert driver.ports == {spec.id: spec for spec in wanted.ports}


@pytest.mark.parametrize("how", KILLS)
@pytest.mark.parametrize("kind", sorted(SCENES))
async def test_survives(tmp_path, kind, how):
    house, finger = House(tmp_path), Finger(kind, how)
    await house.start(finger)
    try:
        scene = SCENES[kind](house)
        await anext(scene)
        finger.armed = True
        await anext(scene, None)
        if how == "fails":
            await house.cloud.settled()
            await house.again()
        for _ in range(KILLS[how]):
            await asyncio.wait_for(finger.killed.wait(), 30)
            finger.killed.clear()
            await house.again(finger)
        assert finger.left == 0, "the step was never reached"
        await agreed(house)
    finally:
        await house.stop()


def test_every_job_of_networks_has_its_scene():
    assert {kind for kind in Registry if kind.startswith(PREFIX)} == set(SCENES)
