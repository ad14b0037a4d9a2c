"""What callers spell in many ways and null, as neutron-lib converts them; limits of the collections inside a resource."""

import pytest

from tests.api.network.conftest import refused

MAC = "fa:16:3e:0a:0b:0c"
SPELLINGS = ("FA:16:3E:0A:0B:0C", "fa-16-3e-0a-0b-0c", "fa:16:3e:a:b:c", "fa16.3e0a.0b0c", "fa16:3e0a:0b0c", "fa16-3e0a-0b0c",
             "fa163e-0a0b0c", "fa163e:0a0b0c", "FA163E0A0B0C")
NO_MACS = ("00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "FF-FF-FF-FF-FF-FF", "01:00:5e:00:00:01", "33:33:00:00:00:01", "",
           " fa:16:3e:0a:0b:0c", "fa:16:3e:0a:0b", "fa:16:3e:0a:0b:0g", "fa:16-3e:0a:0b:0c", "fa163e0a0b", "fa:16:3e:0a:0b:0c\n", "nothing")


@pytest.mark.parametrize("spelt", SPELLINGS)
async def test_a_mac_is_one_in_every_spelling(net, spelt):
    network, _ = await net.lan()
    port = await net.make("port", network_id=network["id"], mac_address=spelt,
                          allowed_address_pairs=[{"ip_address": "10.1.0.9", "mac_address": spelt}])
    assert port["mac_address"] == MAC and port["allowed_address_pairs"][0]["mac_address"] == MAC
    listed = (await net.call("GET", "/ports", params={"mac_address": spelt, "network_id": network["id"]})).body["ports"]
    assert [row["id"] for row in listed] == [port["id"]]
    refused(await net.try_make("port", network_id=network["id"], mac_address=MAC), 409, "MacAddressInUse", MAC)


@pytest.mark.parametrize("spelt", NO_MACS)
async def test_a_mac_that_no_interface_has_is_refused(net, spelt):
    network, _ = await net.lan()
    refused(await net.try_make("port", network_id=network["id"], mac_address=spelt), 400, "HTTPBadRequest", "mac_address")
    refused(await net.try_make("port", network_id=network["id"], allowed_address_pairs=[{"ip_address": "10.1.0.9", "mac_address": spelt}]),
            400, "HTTPBadRequest", "allowed_address_pairs")
    assert (await net.call("GET", "/ports", params={"mac_address": spelt or "x"})).body == {"ports": []}


@pytest.mark.parametrize("sent, kept, family", [
    ("5.6.7.8", "5.6.7.8/32", "IPv4"), ("5.6.7.0/24", "5.6.7.0/24", "IPv4"), ("10.0.0.0/255.0.0.0", "10.0.0.0/8", "IPv4"),
    ("2001:DB8::1", "2001:db8::1/128", "IPv6"), ("2001:db8:0::/48", "2001:db8::/48", "IPv6"), ("", None, "IPv4"), (None, None, "IPv6")])
async def test_a_prefix_without_a_mask_is_one_address(net, sent, kept, family):
    group = await net.make("security_group", name="g")
    rule = await net.make("security_group_rule", security_group_id=group["id"], direction="ingress", ethertype=family, protocol="tcp",
                          remote_ip_prefix=sent)
    assert rule["remote_ip_prefix"] == kept
    found = (await net.call("GET", "/security-group-rules", params={"remote_ip_prefix": sent or "", "id": rule["id"]})).body
    assert len(found["security_group_rules"]) == (kept is not None)


@pytest.mark.parametrize("sent", ["5.6.7", "5.6.7.8/33", "fe80::1%eth0", "fe80::1%x;drop", "fe80::%x/64", "text"])
async def test_a_prefix_that_is_none_is_refused(net, sent):
    group = await net.make("security_group", name="g")
    refused(await net.try_make("security_group_rule", security_group_id=group["id"], direction="ingress", ethertype="IPv6",
                               remote_ip_prefix=sent), 400, "HTTPBadRequest", "remote_ip_prefix")


async def test_a_scope_in_an_address_is_refused_everywhere(net):
    """It may hold any text at all, which then would stand in rules and files."""
    network, _ = await net.lan("fd00:9::/64")
    scoped = "fe80::1%x} drop"
    for values in ({"fixed_ips": [{"ip_address": scoped}]}, {"allowed_address_pairs": [{"ip_address": scoped}]},
                   {"allowed_address_pairs": [{"ip_address": f"{scoped}/64"}]}):
        assert (await net.try_make("port", network_id=network["id"], **values)).status == 400
    route = {"destination": "fd00::/8", "nexthop": scoped}
    for values in ({"gateway_ip": scoped}, {"dns_nameservers": [scoped]}, {"host_routes": [route]}):
        answer = await net.try_make("subnet", network_id=network["id"], cidr="fd00:a::/64", ip_version=6, **values)
        assert answer.status == 400, values


@pytest.mark.parametrize("name, full, empty", [
    ("allowed_address_pairs", [{"ip_address": "10.1.0.9"}], []), ("security_groups", None, [])])
async def test_null_clears_a_ports_list(net, name, full, empty):
    network, _ = await net.lan()
    port = await net.make("port", network_id=network["id"], **({name: full} if full else {}))
    assert port[name]
    assert (await net.change("port", port, **{name: None}))[name] == empty
    assert (await net.show(f"/ports/{port['id']}"))[name] == empty


async def test_null_clears_the_binding_of_a_port(net, admin):
    network, _ = await net.lan()
    port = await admin.make("port", network_id=network["id"], **{"binding:host_id": "somewhere"})
    changed = await admin.change("port", port, **{"binding:host_id": None})
    assert changed["binding:host_id"] == "" and changed["binding:vif_type"] == "unbound"


async def test_null_clears_a_subnets_and_a_routers_lists(net):
    network, _ = await net.lan()
    lists = {"dns_nameservers": ["9.9.9.9"], "host_routes": [{"destination": "10.9.0.0/16", "nexthop": "10.2.0.9"}]}
    subnet = await net.make("subnet", network_id=network["id"], cidr="10.2.0.0/24", ip_version=4, **lists)
    cleared = await net.change("subnet", subnet, dns_nameservers=None, host_routes=None)
    assert cleared["dns_nameservers"] == cleared["host_routes"] == []
    made = await net.make("subnet", network_id=network["id"], cidr="10.3.0.0/24", ip_version=4, dns_nameservers=None, host_routes=None)
    assert made["dns_nameservers"] == made["host_routes"] == []
    router = await net.make("router")
    await net.join(router, subnet_id=subnet["id"])
    await net.change("router", router, routes=[{"destination": "10.9.0.0/16", "nexthop": "10.2.0.9"}])
    assert (await net.change("router", router, routes=None))["routes"] == []


@pytest.mark.parametrize("kind, name", [("port", "fixed_ips"), ("port", "name"), ("port", "device_id"), ("port", "admin_state_up"),
                                        ("network", "mtu"), ("network", "name"), ("network", "description"), ("subnet", "allocation_pools"),
                                        ("subnet", "enable_dhcp"), ("router", "name")])
async def test_null_is_refused_where_it_means_nothing(net, kind, name):
    network, subnet = await net.lan()
    needs = {"network_id": network["id"]} if kind == "port" else {}
    row = {"network": network, "subnet": subnet}.get(kind) or await net.make(kind, **needs)
    refused(await net.try_change(kind, row, **{name: None}), 400, "HTTPBadRequest", name)


async def test_dhcp_options_with_line_breaks_are_refused(net):
    network, _ = await net.lan()
    for option in ({"opt_name": "tftp-server\n", "opt_value": "x"},
                   {"opt_name": "tftp-server", "opt_value": "1.2.3.4\noption:router,6.6.6.6"},
                   {"opt_name": "tftp-server", "opt_value": "a\rb"}, {"opt_name": "tftp-server", "opt_value": "a\x1bb"}):
        refused(await net.try_make("port", network_id=network["id"], extra_dhcp_opts=[option]), 400, "HTTPBadRequest", "extra_dhcp_opts")
    port = await net.make("port", network_id=network["id"], extra_dhcp_opts=[{"opt_name": "tftp-server", "opt_value": "a b,c"}])
    refused(await net.try_change("port", port, extra_dhcp_opts=[{"opt_name": "tftp-server", "opt_value": "a\nb"}]), 400, "HTTPBadRequest")


async def test_collections_inside_a_resource_have_upstreams_limits(net):
    network, subnet = await net.lan("10.0.0.0/16")
    pairs = [{"ip_address": f"10.0.1.{number}"} for number in range(11)]
    refused(await net.try_make("port", network_id=network["id"], allowed_address_pairs=pairs), 400, "AllowedAddressPairExhausted", "10")
    assert (await net.try_make("port", network_id=network["id"], allowed_address_pairs=pairs[:10])).status == 201
    wanted = [{"subnet_id": subnet["id"]}] * 10
    refused(await net.try_make("port", network_id=network["id"], fixed_ips=wanted), 400, "InvalidInput", "fixed IPs per port")
    assert len((await net.make("port", network_id=network["id"], fixed_ips=wanted[:9]))["fixed_ips"]) == 9
    refused(await net.try_change("subnet", subnet, dns_nameservers=[f"9.9.9.{number}" for number in range(6)]), 400,
            "DNSNameServersExhausted", "5")
    routes = [{"destination": f"10.{number}.0.0/16", "nexthop": "10.0.0.9"} for number in range(100, 131)]
    refused(await net.try_change("subnet", subnet, host_routes=routes[:21]), 400, "HostRoutesExhausted", "20")
    router = await net.make("router")
    await net.join(router, subnet_id=subnet["id"])
    refused(await net.try_change("router", router, routes=routes), 400, "RoutesExhausted", "30")
    assert len((await net.change("router", router, routes=routes[:30]))["routes"]) == 30
    tags = [f"t{number}" for number in range(51)]
    assert (await net.call("PUT", f"/networks/{network['id']}/tags", {"tags": tags})).status == 400
    options = [{"opt_name": f"{number}", "opt_value": "x"} for number in range(129)]
    refused(await net.try_make("port", network_id=network["id"], extra_dhcp_opts=options), 400, "HTTPBadRequest")


async def test_empty_bodies_of_tags_and_prefixes_are_no_server_error(net):
    network, _ = await net.lan()
    pool = await net.make("subnetpool", name="p", prefixes=["10.60.0.0/16"])
    for method in ("PUT", "POST"):
        for body in ({}, {"tags": None}, {"tags": "a"}, {"tags": [""]}, {"labels": []}):
            assert (await net.call(method, f"/networks/{network['id']}/tags", body)).status == 400, body
    assert (await net.call("POST", f"/networks/{network['id']}/tags", {"tags": []})).body == {"tags": []}
    assert (await net.call("PUT", f"/networks/{network['id']}/tags", {"tags": ["a"]})).body == {"tags": ["a"]}
    for verb in ("add_prefixes", "remove_prefixes"):
        for body in ({}, {"prefixes": []}, {"prefixes": None}, {"subnetpool": {}}, {"prefixes": ["x"]}):
            assert (await net.call("PUT", f"/subnetpools/{pool['id']}/{verb}", body)).status == 400, body


async def test_prefixes_come_and_go_in_bare_bodies(net):
    pool = await net.make("subnetpool", name="p", prefixes=["10.60.0.0/16"])
    added = await net.call("PUT", f"/subnetpools/{pool['id']}/add_prefixes", {"prefixes": ["10.62.0.0/16"]})
    assert added.status == 200 and added.body == {"prefixes": ["10.60.0.0/16", "10.62.0.0/16"]}
    gone = await net.call("PUT", f"/subnetpools/{pool['id']}/remove_prefixes", {"prefixes": ["10.60.0.0/16"]})
    assert gone.status == 200 and gone.body == {"prefixes": ["10.62.0.0/16"]}


@pytest.mark.parametrize("header, status", [
    ("-1", 200), ("abc", 200), ("*", 200), ("revision_number=-1", 412), ("revision_number=x", 400), ("revision_number=", 400),
    ("revision_number=1, revision_number=2", 400), ('"revision_number=999"', 412), ('W/"revision_number=999"', 412),
    ('"other", "revision_number=999"', 412), ("revision_number=" + "9" * 400, 400)])
async def test_if_match_with_other_words_than_a_revision(net, header, status):
    network, _ = await net.lan()
    answer = await net.call("PUT", f"/networks/{network['id']}", {"network": {"name": "x"}}, headers={"If-Match": header})
    assert answer.status == status, answer.content


async def test_the_suffix_json_is_taken(net):
    network, _ = await net.lan()
    listed = await net.call("GET", f"/networks.json?project_id={net.project_id}")
    assert [row["id"] for row in listed.body["networks"]] == [network["id"]]
    assert (await net.call("GET", f"/networks/{network['id']}.json")).body["network"]["id"] == network["id"]
    made = await net.call("POST", "/networks.json", {"network": {"name": "by suffix"}})
    assert made.status == 201
    assert (await net.call("DELETE", f"/networks/{made.body['network']['id']}.json")).status == 204
    assert (await net.call("GET", "/networks.xml")).status == 404
