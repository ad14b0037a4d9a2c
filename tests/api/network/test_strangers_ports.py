"""What a port says of its device ties it to nothing: routers, DHCP and servers are told by rows that only cloudd writes."""

import sqlite3

import pytest
from alembic import command

from cloudd.core import database
from cloudd.network.service import NetworkModule
from tests.api.compute.rooms import C, make_room
from tests.api.network.conftest import Net, refused

ROUTER = "network:router_interface"


@pytest.fixture
async def attacked(net):
    """A project with a router on its network."""
    network, subnet = await net.lan("10.8.0.0/24")
    router = await net.make("router")
    await net.join(router, subnet_id=subnet["id"])
    await net.cloud.settled()
    return router


async def test_a_member_plugs_his_network_into_another_projects_router(net, other, attacked):
    network, _ = await other.lan("10.9.0.0/24")
    before = net.driver.routers[attacked["id"]]
    sly = {"device_owner": ROUTER, "device_id": attacked["id"]}
    refused(await other.try_make("port", network_id=network["id"], **sly), 409, "DeviceIDNotOwnedByTenant", attacked["id"])
    port = await other.make("port", network_id=network["id"], device_owner=ROUTER)
    refused(await other.try_change("port", port, device_id=attacked["id"]), 409, "DeviceIDNotOwnedByTenant")
    port = await other.make("port", network_id=network["id"], device_id=attacked["id"])
    refused(await other.try_change("port", port, device_owner=ROUTER), 409, "DeviceIDNotOwnedByTenant")
    refused(await other.call("PUT", f"/routers/{attacked['id']}/add_router_interface", {"port_id": port["id"]}), 404, "RouterNotFound")
    await net.change("router", attacked, name="changed")
    await net.cloud.settled()
    assert net.driver.routers[attacked["id"]].interfaces == before.interfaces
    assert (await net.call("DELETE", f"/routers/{attacked['id']}")).status == 409     # for its own interface, not for the sly port


async def test_a_port_that_calls_itself_an_interface_of_ones_own_router_is_none(net, attacked):
    network, subnet = await net.lan("10.9.0.0/24")
    port = await net.make("port", network_id=network["id"], device_owner=ROUTER, device_id=attacked["id"])
    await net.change("router", attacked, name="changed")
    await net.cloud.settled()
    assert port["id"] not in [one.port_id for one in net.driver.routers[attacked["id"]].interfaces]
    refused(await net.leave(attacked, port_id=port["id"]), 404, "RouterInterfaceNotFound")
    await net.delete("port", port)
    assert (await net.join(attacked, subnet_id=subnet["id"]))["subnet_id"] == subnet["id"]


async def test_ports_that_cloudd_made_keep_their_device(net, attacked):
    ports = (await net.call("GET", f"/ports?device_id={attacked['id']}")).body["ports"]
    refused(await net.try_change("port", ports[0], device_owner=""), 409, "PortInUse", "device_owner")
    refused(await net.try_change("port", ports[0], device_id="elsewhere"), 409, "PortInUse", "device_id")
    same = await net.change("port", ports[0], device_id=attacked["id"], device_owner=ROUTER, name="mine")
    assert same["name"] == "mine"


async def test_network_owners_are_reserved_to_the_service_on_anothers_network(net, other):
    network = await net.make("network")
    await net.make("rbac_policy", "/rbac-policies", object_type="network", object_id=network["id"], action="access_as_shared",
                     target_tenant=other.project_id)
    for owner in (ROUTER, "network:dhcp", "network:anything"):
        answer = await other.try_make("port", network_id=network["id"], device_owner=owner)
        refused(answer, 403, "PolicyNotAuthorized")
    port = await other.make("port", network_id=network["id"])
    refused(await other.try_change("port", port, device_owner="network:dhcp"), 403, "PolicyNotAuthorized")


async def test_a_port_that_calls_itself_dhcp_serves_none_and_is_no_hole_in_the_firewall(net):
    network, _ = await net.lan("10.9.0.0/24")
    await net.make("port", network_id=network["id"], device_owner="network:dhcp", device_id="dhcp-mine")
    await net.change("network", network, name="again")
    await net.cloud.settled()
    real = net.driver.networks[network["id"]].dhcp_port
    assert real.addresses == ("10.9.0.2/24",)


async def test_a_port_with_the_victims_server_as_device_id_appears_in_the_victims_addresses(cloud, net, other):
    victim, room = await make_room(cloud), await make_room(cloud)
    server = await victim.server(networks=[{"uuid": victim.network}])
    before = (await victim.show(server))["addresses"]
    attacker = Net(room.user, cloud)
    sly = await attacker.make("port", network_id=room.network, device_id=server, device_owner="compute:nova")
    assert (await victim.show(server))["addresses"] == before
    listed = (await victim.user.get(f"{C}/servers/detail")).body["servers"]
    assert [one["addresses"] for one in listed if one["id"] == server] == [before]
    address = sly["fixed_ips"][0]["ip_address"]
    found = (await victim.user.get(f"{C}/servers?ip={address.replace('.', '%5C.')}$")).body["servers"]
    assert [one["id"] for one in found] == ([server] if address in str(before) else [])
    nics = (await victim.user.get(f"{C}/servers/{server}/os-interface")).body["interfaceAttachments"]
    assert sly["id"] not in [one["port_id"] for one in nics]


async def test_a_guest_loses_its_firewall_at_a_restart_when_its_port_is_called_a_networks(cloud):
    room = await make_room(cloud)
    server = await room.server(networks=[{"uuid": room.network}])
    own = Net(room.user, cloud)
    port = (await own.call("GET", f"/ports?device_id={server}")).body["ports"][0]
    await own.change("port", port, device_owner="network:dhcp")
    await cloud.settled()
    await NetworkModule(cloud.parts).restore(own.driver)     # as after a restart
    assert own.driver.ports[port["id"]].security_groups == tuple(port["security_groups"])
    addresses = (await room.show(server))["addresses"]
    assert port["fixed_ips"][0]["ip_address"] in str(addresses)


async def test_a_servers_port_is_not_taken_again_when_its_owner_wipes_the_device(cloud):
    room = await make_room(cloud)
    server = await room.server(networks=[{"uuid": room.network}])
    own = Net(room.user, cloud)
    port = (await own.call("GET", f"/ports?device_id={server}")).body["ports"][0]
    await own.change("port", port, device_id="", device_owner="")
    assert (await room.create(networks=[{"port": port["id"]}])).status == 409
    router = await own.make("router")
    refused(await own.call("PUT", f"/routers/{router['id']}/add_router_interface", {"port_id": port["id"]}), 409, "PortInUse")


def test_an_upgrade_keeps_interfaces_and_not_the_ports_that_only_said_so(tmp_path):
    """Before, a port's words made it an interface; what cloudd made itself is known by its host."""
    url, path = f"sqlite:///{tmp_path}/x.db", tmp_path / "x.db"
    command.upgrade(database._alembic(url), "0010")
    with sqlite3.connect(path) as rows:
        rows.execute("PRAGMA foreign_keys = OFF")
        _insert(rows, "network_routers", id="r1", project_id="p")
        for number, (name, owner, device, host) in enumerate((
                ("real", ROUTER, "r1", "host"), ("sly", ROUTER, "r1", ""), ("guest", ROUTER, "r1", "host"),
                ("gone", ROUTER, "r2", "host"), ("dhcp", "network:dhcp", "d", "host"), ("slydhcp", "network:dhcp", "d", ""))):
            _insert(rows, "network_ports", id=name, network_id="n", mac_address=f"m{number}", device_owner=owner, device_id=device,
                    host_id=host)
        _insert(rows, "compute_server_ports", port_id="guest", server_id="s")
    database.upgrade(url)
    with sqlite3.connect(path) as rows:
        served = {name: (service, router) for name, service, router in rows.execute(
            "SELECT id, service, router_id FROM network_ports WHERE service != ''")}
    assert served == {"real": (ROUTER, "r1"), "dhcp": ("network:dhcp", None)}


def _insert(rows, table, **values):
    """A row with something in every column that must have it."""
    for _, name, kind, needed, default, _ in list(rows.execute(f"PRAGMA table_info({table})")):
        if needed and default is None and name not in values:
            values[name] = 0 if kind in ("INTEGER", "BOOLEAN") else "2026-01-01 00:00:00" if kind == "DATETIME" else ""
    names = ", ".join(values)
    rows.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(values))})", list(values.values()))


