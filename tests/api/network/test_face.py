"""What other modules do with networks: ports of servers, their views, the wire, restarts."""

import ipaddress

import pytest

from cloudd import network
from cloudd.core.context import Context
from cloudd.core.errors import Conflict, NotFound
from cloudd.drivers.network.base import NetworkDriver, TapMissing
from cloudd.network.models import Port
from cloudd.network.service import NetworkModule


@pytest.fixture
def caller(net):
    return Context(project_id=net.project_id, user_id=net.client.user_id, roles=frozenset({"member", "reader"}))


async def test_a_port_for_a_server(net, caller):
    lan, subnet = await net.lan(dns_nameservers=["9.9.9.9"], host_routes=[{"destination": "10.9.0.0/16", "nexthop": "10.1.0.9"}])
    database = net.cloud.parts.database
    async with database.write() as tx:
        port = await network.create_port(caller, tx, network_id=lan["id"], device_id="server-1", device_owner="compute:nova",
                                         dns_name="guest")
    async with database.read() as tx:
        views = await network.port_views(tx, [port.id, "no-such-port"])
        view = await network.port_by_address(tx, lan["id"], "10.1.0.3")
    assert views == {port.id: view}
    assert view.id == port.id and view.tap == f"tap{port.id[:11]}" and len(view.tap) == 14 and view.network_name == "lan"
    assert [name for _, name in view.security_groups] == ["default"] and view.dns_name == "guest" and view.mtu == 1500
    fixed = view.fixed_ips[0]
    assert (fixed.address, fixed.prefix, fixed.gateway, fixed.dns, fixed.dhcp_server) == (
        "10.1.0.3", 24, "10.1.0.1", ("9.9.9.9",), "10.1.0.2")
    assert fixed.routes == (("10.9.0.0/16", "10.1.0.9"),) and fixed.subnet_id == subnet["id"]


@pytest.mark.parametrize("middle, named", [("ff:fe", True), ("00:00", False), ("ff:ff", False)])
async def test_a_link_local_address_that_somebody_chose_is_not_taken_for_anothers_mac(net, caller, middle, named):
    lan, _ = await net.lan()
    async with net.cloud.parts.database.write() as tx:
        port = await network.create_port(caller, tx, network_id=lan["id"], device_id="server-1", device_owner="compute:nova")
        first, *rest = bytes.fromhex(port.mac_address.replace(":", ""))
        last = bytes((first ^ 2, *rest[:2], *bytes.fromhex(middle.replace(":", "")), *rest[2:]))
        view = await network.port_by_address(tx, lan["id"], str(ipaddress.IPv6Address(bytes.fromhex("fe80") + bytes(6) + last)))
    assert (view.id if view else None) == (port.id if named else None)


async def test_the_wire(net, caller):
    lan, _ = await net.lan()
    parts = net.cloud.parts
    async with parts.database.write() as tx:
        port = await network.create_port(caller, tx, network_id=lan["id"], device_id="server-3", device_owner="compute:nova")
    await network.wire(parts, port.id)
    assert (await net.show(f"/ports/{port.id}"))["status"] == "ACTIVE"
    assert port.id in await parts.driver(NetworkDriver).plugged()
    await network.unwire(parts, port.id)
    assert (await net.show(f"/ports/{port.id}"))["status"] == "DOWN"
    async with parts.database.write() as tx:
        await network.delete_port(caller, tx, port.id)
        await network.delete_port(caller, tx, port.id)
    await net.cloud.settled()
    assert port.id not in parts.driver(NetworkDriver).ports
    await network.unwire(parts, port.id)
    with pytest.raises(NotFound):
        await network.wire(parts, port.id)


async def test_the_wire_to_a_bridge_that_was_taken_away(net, caller):
    lan, _ = await net.lan()
    parts = net.cloud.parts
    driver = parts.driver(NetworkDriver)
    async with parts.database.write() as tx:
        port = await network.create_port(caller, tx, network_id=lan["id"], device_id="server-4", device_owner="compute:nova")
    await net.cloud.settled()
    await network.prepare_port(parts, port.id)
    driver.fail("plug")
    before = driver.calls.count(("apply_network", lan["id"]))
    await network.wire(parts, port.id)
    assert driver.calls.count(("apply_network", lan["id"])) == before + 1
    assert port.id in await driver.plugged()
    driver.fail("plug", exc=TapMissing("gone"))
    with pytest.raises(TapMissing):
        await network.wire(parts, port.id)


async def test_a_users_own_port_is_taken_and_given_back(net, caller):
    lan, _ = await net.lan()
    made = await net.make("port", network_id=lan["id"])
    database = net.cloud.parts.database
    async with database.write() as tx:
        await network.bind_port(caller, tx, made["id"], device_id="server-4", device_owner="compute:nova", dns_name="g")
    with pytest.raises(Conflict, match="still in use"):
        async with database.write() as tx:
            await network.bind_port(caller, tx, made["id"], device_id="server-5", device_owner="compute:nova", dns_name="g")
    async with database.write() as tx:
        await network.release_port(caller, tx, made["id"])
    seen = await net.show(f"/ports/{made['id']}")
    assert seen["device_id"] == seen["device_owner"] == "" and seen["status"] == "DOWN"


async def test_networks_for_who_names_none(net, other, caller, external):
    mine, _ = await net.lan()
    await other.lan()
    async with net.cloud.parts.database.read() as tx:
        assert [row.id for row in await network.usable_networks(caller, tx)] == [mine["id"]]
        assert [row.name for row in await network.security_groups(caller, tx, [])] == []
    async with net.cloud.parts.database.write() as tx:
        default = (await network.security_groups(caller, tx, ["default"]))[0]
        assert await network.security_groups(caller, tx, [default.id]) == [default]
        with pytest.raises(NotFound, match="nothing"):
            await network.security_groups(caller, tx, ["nothing"])


async def test_after_a_restart_the_driver_has_what_the_rows_say(net, caller, external):
    lan, subnet = await net.lan()
    router = await net.make("router", external_gateway_info={"network_id": external["id"]})
    await net.join(router, subnet_id=subnet["id"])
    parts = net.cloud.parts
    async with parts.database.write() as tx:
        port = await network.create_port(caller, tx, network_id=lan["id"], device_id="server-6", device_owner="compute:nova")
    await network.wire(parts, port.id)
    await net.cloud.settled()
    driver = parts.driver(NetworkDriver)
    wanted = (driver.networks[lan["id"]], driver.routers[router["id"]], driver.ports[port.id])
    await driver.unplug(port.id)                             # the tap went while the daemon was away
    await NetworkModule(parts).restore(driver)
    assert (driver.networks[lan["id"]], driver.routers[router["id"]], driver.ports[port.id]) == wanted
    async with parts.database.read() as tx:
        assert (await tx.get(Port, port.id)).status == "DOWN"
