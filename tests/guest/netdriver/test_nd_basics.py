"""Networks, DHCP, DNS, metadata: with real clients in namespaces."""

import json
from dataclasses import replace

import pytest
from nd_cloud import allow, group, host_of, network, sh, subnet

pytestmark = pytest.mark.asyncio


async def two_tenants(cloud):
    """Two networks with the same addresses and one guest each."""
    sg = group(allow("icmp"))
    await cloud.driver.apply_security_group(sg)
    found = []
    for _ in range(2):
        net = network(subnet("10.0.0.0/24", "10.0.0.1"), dhcp=("10.0.0.2/24",))
        await cloud.driver.apply_network(net)
        guest = await cloud.guest(net, "10.0.0.5", groups=(sg.id,))
        net = replace(net, hosts=(host_of(guest, hostname=f"vm{len(found)}"),))
        await cloud.driver.apply_network(net)
        found.append((net, guest))
    return found


async def test_two_tenants_with_the_same_addresses_get_leases_and_their_own_metadata(cloud):
    for net, guest in await two_tenants(cloud):
        lease = guest.dhcp()
        assert (lease["ip"], lease["router"], lease["dns"], lease["mtu"]) == ("10.0.0.5", "10.0.0.1", "10.0.0.2", "1442")
        assert "169.254.169.254/32 10.0.0.2" in lease["staticroutes"]
        assert lease["domain"] == "openstacklocal"
        assert await guest.metadata() == {"network": net.id, "router": None, "from": "10.0.0.5"}


async def test_names_are_answered_within_the_network(cloud):
    (_, first), (_, second) = await two_tenants(cloud)
    first.dhcp()
    second.dhcp()
    assert "10.0.0.5" in first.run("busybox", "nslookup", "vm0.openstacklocal", "10.0.0.2")
    assert "10.0.0.5" not in first.run("busybox", "nslookup", "vm1.openstacklocal", "10.0.0.2", check=False).split("Name:")[-1]


async def test_an_address_given_to_another_port_is_leased_to_it(cloud):
    (net, first), _ = await two_tenants(cloud)
    first.dhcp()
    await cloud.driver.remove_port(first.port.id)
    second = await cloud.guest(net, "10.0.0.5", groups=first.port.security_groups)
    await cloud.driver.apply_network(replace(net, hosts=(host_of(second),)))
    lease = second.dhcp()
    assert (lease["ip"], lease["hostname"]) == ("10.0.0.5", "host-10-0-0-5")


async def test_removing_everything_leaves_nothing(cloud):
    found = await two_tenants(cloud)
    for net, guest in found:
        await cloud.driver.remove_port(guest.port.id)
        await cloud.driver.remove_network(net.id)
        await cloud.driver.remove_network(net.id)
        await cloud.driver.remove_security_group(guest.port.security_groups[0])
    there = await cloud.driver.list()
    assert not any((there.networks, there.dhcp, there.ports, there.firewall_ports, there.security_groups))
    assert cloud.listeners == {}


async def test_the_host_is_no_neighbour_on_a_tenants_network(cloud):
    (_, guest), _ = await two_tenants(cloud)
    guest.address()
    sh("ip", "addr", "add", "192.0.2.77/32", "dev", "lo", namespace=cloud.plane)
    guest.run("ip", "route", "add", "192.0.2.77", "dev", "eth0")
    assert not guest.pings("192.0.2.77")              # by ARP
    bridge = json.loads(sh("ip", "-j", "link", "show", cloud.driver.names.bridge(guest.port.network_id), namespace=cloud.plane))
    guest.run("ip", "neigh", "replace", "192.0.2.77", "lladdr", bridge[0]["address"], "dev", "eth0")
    assert not guest.pings("192.0.2.77")              # by knowing the MAC
    assert guest.pings("10.0.0.2", 3)
