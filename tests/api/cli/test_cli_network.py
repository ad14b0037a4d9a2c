"""`openstack` commands of the network service."""

from collections.abc import Callable

import pytest
from openstack_cli import Cli

Later = Callable[..., None]


@pytest.fixture
def net(demo: Cli, name: str, later: Later) -> str:
    """A network with a subnet `NAME-v4`."""
    later(demo, "network delete", name)
    demo("network create", name)
    demo("subnet create --subnet-range 10.78.0.0/24", "--network", name, name + "-v4")
    return name


def test_network(demo: Cli, name: str, later: Later) -> None:
    network = demo.json("network create --description one", name)
    later(demo, "network delete", network["id"])
    assert network["status"] == "ACTIVE" and network["admin_state_up"] is True and network["mtu"] >= 1280
    assert network["router:external"] is False and network["shared"] is False and network["port_security_enabled"] is True
    assert name in [row["Name"] for row in demo.json("network list")]
    demo("network set --disable --description two", name)
    shown = demo.json("network show", name)
    assert shown["admin_state_up"] is False and shown["description"] == "two"
    demo("network delete", name)
    assert "No Network found" in demo.fails("network show", name)


def test_subnets(demo: Cli, name: str, later: Later) -> None:
    later(demo, "network delete", name)
    demo("network create", name)
    subnet = demo.json("subnet create --subnet-range 10.79.0.0/24 --dns-nameserver 9.9.9.9 "
                       "--host-route destination=10.9.0.0/16,gateway=10.79.0.9", "--network", name, name)
    assert subnet["gateway_ip"] == "10.79.0.1" and subnet["enable_dhcp"] is True and subnet["ip_version"] == 4
    assert subnet["allocation_pools"] == [{"start": "10.79.0.2", "end": "10.79.0.254"}]
    assert subnet["dns_nameservers"] == ["9.9.9.9"]
    assert "overlaps with another subnet" in demo.fails("subnet create --subnet-range 10.79.0.0/25", "--network", name, "x")
    six = demo.json("subnet create --ip-version 6 --ipv6-ra-mode slaac --ipv6-address-mode slaac "
                    "--subnet-range fd00:79::/64", "--network", name, name + "-six")
    assert six["gateway_ip"] == "fd00:79::1" and six["ipv6_address_mode"] == "slaac"
    assert {row["Subnet"] for row in demo.json("subnet list", "--network", name)} == {"10.79.0.0/24", "fd00:79::/64"}
    refused = demo.fails("subnet set --gateway 10.79.0.254", subnet["id"])
    assert "409" in refused and "10.79.0.254 conflicts with allocation pool 10.79.0.2-10.79.0.254" in refused
    demo("subnet set --no-dhcp --gateway 10.79.0.254 --no-allocation-pool --allocation-pool start=10.79.0.2,end=10.79.0.99",
         "--name", name + "-new", subnet["id"])
    changed = demo.json("subnet show", name + "-new")
    assert changed["enable_dhcp"] is False and changed["gateway_ip"] == "10.79.0.254"
    assert changed["allocation_pools"] == [{"start": "10.79.0.2", "end": "10.79.0.99"}]
    demo("subnet delete", name + "-new", name + "-six")
    assert demo.json("subnet list", "--network", name) == []


def test_ports(demo: Cli, net: str, later: Later) -> None:
    port = demo.json("port create", "--network", net, "--fixed-ip", f"subnet={net}-v4,ip-address=10.78.0.50", net)
    later(demo, "port delete", port["id"])
    assert [one["ip_address"] for one in port["fixed_ips"]] == ["10.78.0.50"]
    assert port["status"] == "DOWN" and port["mac_address"].startswith("fa:16:3e") and port["device_owner"] == ""
    assert "10.78.0.50" in demo.fails("port create", "--network", net, "--fixed-ip", "ip-address=10.78.0.50", "twin")
    assert "10.99.0.1" in demo.fails("port create", "--network", net, "--fixed-ip", "ip-address=10.99.0.1", "lost")
    assert [row["Name"] for row in demo.json("port list", "--network", net, "--fixed-ip", "ip-address=10.78.0.50")] == [net]
    demo("port set --disable --allowed-address ip-address=10.78.0.60 --no-security-group", net)
    shown = demo.json("port show", net)
    assert shown["admin_state_up"] is False and shown["security_group_ids"] == []
    assert shown["allowed_address_pairs"][0]["ip_address"] == "10.78.0.60"
    demo("port delete", net)
    assert "No Port found" in demo.fails("port show", net)


def test_router(demo: Cli, net: str, external: str, later: Later) -> None:
    router = demo.json("router create", net)
    later(demo, "router delete", router["id"])
    assert router["status"] == "ACTIVE" and router["external_gateway_info"] is None
    demo("router add subnet", net, f"{net}-v4")
    later(demo, "router remove subnet", net, f"{net}-v4")
    demo("router set", "--external-gateway", external, net)
    shown = demo.json("router show", net)
    assert shown["external_gateway_info"]["network_id"] == external
    assert [one["ip_address"] for one in shown["interfaces_info"]] == ["10.78.0.1"]
    assert net in [row["Name"] for row in demo.json("router list")]
    assert "409" in demo.fails("router delete", net)
    demo("router unset --external-gateway", net)
    demo("router remove subnet", net, f"{net}-v4")
    demo("router delete", net)


def test_security_groups(demo: Cli, name: str, later: Later) -> None:
    group = demo.json("security group create --description web", name)
    later(demo, "security group delete", group["id"])
    assert {(rule["direction"], rule["ethertype"]) for rule in group["rules"]} == {("egress", "IPv4"), ("egress", "IPv6")}
    rule = demo.json("security group rule create --protocol tcp --dst-port 22:23 --remote-ip 10.0.0.0/8", group["id"])
    assert (rule["port_range_min"], rule["port_range_max"], rule["remote_ip_prefix"]) == (22, 23, "10.0.0.0/8")
    twice = demo.fails("security group rule create --protocol tcp --dst-port 22:23 --remote-ip 10.0.0.0/8", group["id"])
    assert "already exists" in twice
    rows = demo.json("security group rule list", group["id"])
    assert rule["id"] in [row["ID"] for row in rows] and len(rows) == 3
    demo("security group rule delete", rule["id"])
    demo("security group set --description other", group["id"])
    assert demo.json("security group show", group["id"])["description"] == "other"
    assert {"default", name} <= {row["Name"] for row in demo.json("security group list")}
    demo("security group delete", group["id"])
    assert "409" in demo.fails("security group delete default")


def test_floating_ips(demo: Cli, net: str, external: str, later: Later) -> None:
    router = demo.value("router create", "id", "--external-gateway", external, net)
    later(demo, "router delete", router)
    demo("router add subnet", net, f"{net}-v4")
    later(demo, "router remove subnet", net, f"{net}-v4")
    port = demo.value("port create", "id", "--network", net, net)
    later(demo, "port delete", port)
    floating = demo.json("floating ip create", external)
    later(demo, "floating ip delete", floating["id"])
    assert floating["port_id"] is None and floating["status"] == "DOWN"
    demo("floating ip set", "--port", port, floating["id"])
    shown = demo.json("floating ip show", floating["floating_ip_address"])
    assert shown["port_id"] == port and shown["router_id"] == router and shown["fixed_ip_address"].startswith("10.78.0.")
    rows = demo.json("floating ip list", "--port", port)
    assert [row["Floating IP Address"] for row in rows] == [floating["floating_ip_address"]]
    demo("floating ip unset --port", floating["id"])
    assert demo.json("floating ip show", floating["id"])["port_id"] is None
    demo("floating ip delete", floating["floating_ip_address"])
    assert demo.json("floating ip list", "--port", port) == []


def test_a_network_in_use_stays(demo: Cli, net: str, later: Later) -> None:
    port = demo.value("port create", "id", "--network", net, net)
    assert "409" in demo.fails("network delete", net)
    demo("port delete", port)
    demo("network delete", net)


def test_extensions(demo: Cli) -> None:
    aliases = {row["Alias"] for row in demo.json("extension list --network")}
    assert {"router", "security-group", "external-net", "port-security", "binding", "quotas"} <= aliases


def test_other_projects_are_out_of_sight(admin: Cli, demo: Cli, name: str, later: Later) -> None:
    network = admin.value("network create", "id", name)
    later(admin, "network delete", network)
    assert "No Network found" in demo.fails("network show", network)
    assert network not in [row["ID"] for row in demo.json("network list")]
