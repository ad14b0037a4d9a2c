"""Ports: addresses, security, devices."""

import ipaddress

import pytest

from cloudd import network as face
from cloudd.drivers.network import checked
from tests.api.network.conftest import refused


async def test_a_port_reads_as_it_was_made(net):
    network, subnet = await net.lan()
    made = await net.make("port", network_id=network["id"])
    assert made["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.1.0.3"}]
    assert made["status"] == "DOWN" and made["device_id"] == made["device_owner"] == made["name"] == ""
    assert made["mac_address"].startswith("fa:16:3e:") and made["binding:vnic_type"] == "normal"
    assert made["allowed_address_pairs"] == made["extra_dhcp_opts"] == [] and made["port_security_enabled"] is True
    assert "binding:host_id" not in made
    await net.cloud.settled()
    assert await net.show(f"/ports/{made['id']}") == made


async def test_addresses_as_asked_for(net):
    network, subnet = await net.lan()
    ask = {"network_id": network["id"]}
    exact = await net.make("port", **ask, fixed_ips=[{"ip_address": "10.1.0.77"}])
    assert exact["fixed_ips"][0]["ip_address"] == "10.1.0.77"
    two = await net.make("port", **ask, fixed_ips=[{"subnet_id": subnet["id"]}, {"subnet_id": subnet["id"]}])
    assert len({one["ip_address"] for one in two["fixed_ips"]}) == 2
    assert (await net.make("port", **ask, fixed_ips=[]))["fixed_ips"] == []
    refused(await net.try_make("port", **ask, fixed_ips=[{"ip_address": "10.1.0.77"}]), 409, "IpAddressAlreadyAllocated",
            "10.1.0.77")
    refused(await net.try_make("port", **ask, fixed_ips=[{"ip_address": "10.7.0.1"}]), 400, "InvalidIpForNetwork", "10.7.0.1")
    refused(await net.try_make("port", **ask, fixed_ips=[{"subnet_id": subnet["id"], "ip_address": "10.1.0.255"}]), 400,
            "InvalidIpForSubnet")
    refused(await net.try_make("port", **ask, fixed_ips=[{"subnet_id": network["id"]}]), 400, "InvalidInput", network["id"])
    refused(await net.try_make("port", **ask, mac_address=exact["mac_address"]), 409, "MacAddressInUse")


async def test_the_last_address_goes_and_comes_back(net):
    network, _ = await net.lan("10.3.0.0/29", enable_dhcp=False)
    ports = [await net.make("port", network_id=network["id"]) for _ in range(5)]
    assert sorted(one["fixed_ips"][0]["ip_address"] for one in ports) == [f"10.3.0.{number}" for number in range(2, 7)]
    refused(await net.try_make("port", network_id=network["id"]), 409, "IpAddressGenerationFailure", network["id"])
    await net.delete("port", ports[2])
    again = await net.make("port", network_id=network["id"])
    assert again["fixed_ips"] == ports[2]["fixed_ips"]


async def test_a_freed_address_rests(net):
    network, _ = await net.lan()
    first = await net.make("port", network_id=network["id"])
    await net.delete("port", first)
    second = await net.make("port", network_id=network["id"])
    assert second["fixed_ips"] != first["fixed_ips"]


async def test_a_huge_subnet_is_no_slower(net):
    network, _ = await net.lan("10.0.0.0/8")
    port = await net.make("port", network_id=network["id"])
    assert ipaddress.ip_address(port["fixed_ips"][0]["ip_address"]) in ipaddress.ip_network("10.0.0.0/8")


async def test_slaac_addresses_follow_the_mac(net):
    network, _ = await net.lan()
    before = await net.make("port", network_id=network["id"], mac_address="fa:16:3e:11:22:33")
    six = await net.make("subnet", network_id=network["id"], cidr="fd00:7::/64", ip_version=6, ipv6_ra_mode="slaac",
                         ipv6_address_mode="slaac")
    own = {"subnet_id": six["id"], "ip_address": "fd00:7::f816:3eff:fe11:2233"}
    assert own in (await net.show(f"/ports/{before['id']}"))["fixed_ips"]
    after = await net.make("port", network_id=network["id"])
    assert len(after["fixed_ips"]) == 2
    refused(await net.try_make("port", network_id=network["id"], fixed_ips=[{"subnet_id": six["id"], "ip_address": "fd00:7::5"}]),
            400, "AllocationOnAutoAddressSubnet")
    await net.delete("subnet", six)
    assert len((await net.show(f"/ports/{after['id']}"))["fixed_ips"]) == 1


async def test_addresses_change(net):
    network, subnet = await net.lan()
    port = await net.make("port", network_id=network["id"])
    moved = await net.change("port", port, fixed_ips=[{"ip_address": "10.1.0.50"}])
    assert [one["ip_address"] for one in moved["fixed_ips"]] == ["10.1.0.50"]
    kept = await net.change("port", port, fixed_ips=[{"subnet_id": subnet["id"]}])
    assert kept["fixed_ips"] == moved["fixed_ips"]


async def test_security_groups_and_port_security(net):
    network, _ = await net.lan()
    group = await net.make("security_group", name="web")
    port = await net.make("port", network_id=network["id"])
    default = (await net.call("GET", "/security-groups?name=default")).body["security_groups"][0]
    assert port["security_groups"] == [default["id"]]
    assert (await net.change("port", port, security_groups=[group["id"]]))["security_groups"] == [group["id"]]
    refused(await net.try_delete("security_group", group), 409, "SecurityGroupInUse", port["id"])
    refused(await net.try_change("port", port, port_security_enabled=False), 409, "PortSecurityPortHasSecurityGroup")
    loose = await net.change("port", port, port_security_enabled=False, security_groups=[])
    assert loose["security_groups"] == [] and loose["port_security_enabled"] is False
    refused(await net.try_change("port", port, security_groups=[group["id"]]), 409, "PortSecurityAndIPRequiredForSecurityGroups")
    refused(await net.try_change("port", port, allowed_address_pairs=[{"ip_address": "10.1.0.9"}]), 409,
            "AddressPairAndPortSecurityRequired")
    refused(await net.try_make("port", network_id=network["id"], security_groups=[network["id"]]), 404, "SecurityGroupNotFound")


async def test_a_network_without_port_security(net):
    network = await net.make("network", port_security_enabled=False)
    port = await net.make("port", network_id=network["id"])
    assert port["port_security_enabled"] is False and port["security_groups"] == []


async def test_address_pairs_and_dhcp_options(net):
    network, _ = await net.lan()
    port = await net.make("port", network_id=network["id"], allowed_address_pairs=[{"ip_address": "10.1.0.0/28"}],
                          extra_dhcp_opts=[{"opt_name": "bootfile-name", "opt_value": "x"}])
    assert port["allowed_address_pairs"] == [{"ip_address": "10.1.0.0/28", "mac_address": port["mac_address"]}]
    assert port["extra_dhcp_opts"] == [{"opt_name": "bootfile-name", "opt_value": "x", "ip_version": 4}]
    gone = await net.change("port", port, extra_dhcp_opts=[{"opt_name": "bootfile-name", "opt_value": None}])
    assert gone["extra_dhcp_opts"] == []
    twice = [{"ip_address": "10.1.0.9"}, {"ip_address": "10.1.0.9"}]
    refused(await net.try_change("port", port, allowed_address_pairs=twice), 400, "DuplicateAddressPairInRequest")
    refused(await net.try_change("port", port, allowed_address_pairs=[{"ip_address": "nine"}]), 400, "HTTPBadRequest", "nine")


@pytest.mark.parametrize("address", ["::/0", "::/1", "fe80::/10", "0.0.0.0/0", "0.0.0.0/1", "10.1.0.0/255.255.255.0", "FE80::0001"])
async def test_an_allowed_address_pair_that_is_taken_reaches_the_firewall(net, address):
    """`::/0` was taken with 201 and then refused by the kernel: the port went to ERROR and was tried again for ever."""
    network, _ = await net.lan()
    port = await net.make("port", network_id=network["id"], allowed_address_pairs=[{"ip_address": address}],
                          device_owner="compute:nova")
    await face.wire(net.cloud.parts, port["id"])
    await net.cloud.settled()
    told = checked.port(net.driver.ports[port["id"]])
    assert [pair.address for pair in told.allowed_pairs] == [str(ipaddress.ip_network(address, strict=False))]
    assert (await net.show(f"/ports/{port['id']}"))["status"] == "ACTIVE"


async def test_addresses_with_a_scope_are_refused_wherever_they_stand(net):
    """What stands behind the `%` may be any text; it came to dnsmasq's files and to rules as it was."""
    network, subnet = await net.lan("fd00::/64")
    scoped = "fd00::5%\nserver=192.0.2.1"
    for values in ({"fixed_ips": [{"ip_address": scoped}]}, {"allowed_address_pairs": [{"ip_address": scoped}]},
                   {"allowed_address_pairs": [{"ip_address": "fd00::%x/64"}]}):
        refused(await net.try_make("port", network_id=network["id"], **values), 400, "HTTPBadRequest")
    for values in ({"gateway_ip": scoped}, {"dns_nameservers": [scoped]}, {"host_routes": [{"destination": "::/0", "nexthop": scoped}]},
                   {"allocation_pools": [{"start": scoped, "end": "fd00::9"}]}):
        refused(await net.try_change("subnet", subnet, **values), 400, "HTTPBadRequest")


async def test_members_do_not_pose_as_the_network(net, other, admin):
    network, _ = await net.lan()
    await admin.change("network", network, shared=True)
    for values in ({"device_owner": "network:dhcp"}, {"mac_address": "fa:16:3e:00:00:01"}, {"port_security_enabled": False},
                   {"fixed_ips": [{"ip_address": "10.1.0.8"}]}, {"binding:host_id": "here"}):
        refused(await other.try_make("port", network_id=network["id"], **values), 403, "PolicyNotAuthorized")
    bound = await admin.make("port", network_id=network["id"], **{"binding:host_id": "here", "device_owner": "compute:nova"})
    assert bound["binding:vif_type"] == "bridge" and bound["binding:vif_details"]["port_filter"] is True
    await net.cloud.settled()
    assert net.driver.ports[bound["id"]].addresses == (bound["fixed_ips"][0]["ip_address"],)
    unbound = await admin.change("port", bound, **{"binding:host_id": ""})
    assert unbound["binding:vif_type"] == "unbound"
    await net.cloud.settled()
    assert bound["id"] not in net.driver.ports
    await admin.delete("port", bound)
    await admin.change("network", network, shared=False)


async def test_a_router_port_is_not_deleted_as_a_port(net):
    _, subnet = await net.lan()
    router = await net.make("router")
    port_id = (await net.join(router, subnet_id=subnet["id"]))["port_id"]
    refused(await net.try_delete("port", {"id": port_id}), 409, "ServicePortInUse", "network:router_interface")


async def test_dns_names(net):
    network, _ = await net.lan()
    port = await net.make("port", network_id=network["id"], dns_name="guest")
    assert port["dns_assignment"] == [{"ip_address": "10.1.0.3", "hostname": "guest", "fqdn": "guest.openstacklocal."}]
    refused(await net.try_make("port", network_id=network["id"], dns_name="no spaces"), 400, "HTTPBadRequest", "no spaces")


async def test_making_a_port_or_network_read_back_what_it_had_just_written(net):
    """What is needed: the network, limits and uses, MAC, default group, subnets, free address; five rows; a job that waits; the event."""
    network, _ = await net.lan()

    async def cost(kind, **values):
        await net.cloud.settled()
        before = net.cloud.parts.database.queries
        await net.make(kind, **values)
        return net.cloud.parts.database.queries - before

    jobs = 7                                                   # may have run by the time that the answer is there
    assert min([await cost("port", network_id=network["id"]) for _ in range(4)]) <= 14 + jobs
    assert min([await cost("network") for _ in range(4)]) <= 8 + jobs


async def test_the_least_free_segment_is_taken(net, admin):
    made = [await net.make("network", name=f"s{number}") for number in range(3)]

    async def segment(row):
        return (await admin.show(f"/networks/{row['id']}"))["provider:segmentation_id"]

    numbers = [await segment(row) for row in made]
    assert len(set(numbers)) == 3
    await net.delete("network", made[1])
    assert await segment(await net.make("network")) == numbers[1]
