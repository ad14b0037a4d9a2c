"""What `/healthz` and `/metrics` tell of the dataplane, and that the daemon mends it."""

import asyncio

from cloudd.drivers.network.base import NetworkDriver, NetworkDriverError, Part
from cloudd.network.dataplane.pulse import Pulse


async def test_a_dataplane_that_somebody_breaks_is_mended_by_the_daemon(cloud, net):
    network = await net.make("network")
    await cloud.settled()
    driver = cloud.parts.driver(NetworkDriver)
    driver.damage(Part.NETWORK, network["id"])
    async with asyncio.timeout(10):
        while network["id"] not in (await driver.list()).networks:
            await cloud.anonymous.get("/healthz")
    assert (await cloud.anonymous.get("/healthz")).body["network"] == "ok"


async def test_a_dataplane_that_stays_broken_is_seen_in_healthz(cloud, net):
    network = await net.make("network")
    await cloud.settled()
    driver = cloud.parts.driver(NetworkDriver)
    driver.fail("mend", 1, NetworkDriverError("the bridge cannot be made"))
    driver.damage(Part.NETWORK, network["id"])
    async with asyncio.timeout(10):
        while (answer := await cloud.anonymous.get("/healthz")).status == 200:
            pass
    assert answer.status == 503 and f"network {network['id']} cannot be mended: the bridge cannot be made" in answer.body["network"]
    await cloud.parts.service(Pulse).watch.look()
    assert (await cloud.anonymous.get("/healthz")).status == 200


async def test_packets_that_were_not_let_out_are_counted_in_metrics(cloud):
    assert b"cloudd_network_refused_packets 0.0" in (await cloud.anonymous.get("/metrics")).content


async def test_connections_refused_to_a_port_stood_in_its_diagnostics_only(cloud, net, admin):
    network, _ = await net.lan()
    port = await admin.make("port", network_id=network["id"], **{"binding:host_id": "here"})
    await cloud.settled()
    driver = cloud.parts.driver(NetworkDriver)
    driver.beyond = {port["id"]: (5, 0), "of-no-port": (7, 7)}
    await cloud.parts.service(Pulse).watch.look()
    lines = (await cloud.anonymous.get("/metrics")).content.decode().splitlines()
    assert f'cloudd_network_port_refused_packets_total{{direction="in",port="{port["id"]}"}} 5.0' in lines
    assert not [line for line in lines if "of-no-port" in line or f'direction="out",port="{port["id"]}"' in line]
