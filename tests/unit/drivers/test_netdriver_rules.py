"""The text that the linux driver writes: nftables rules and changes, dnsmasq's files, names, zones."""

import ipaddress
from dataclasses import replace

import pytest

from cloudd.drivers.network import checked
from cloudd.drivers.network.base import (
    AddressPair,
    DhcpHost,
    DhcpOption,
    DhcpPort,
    Direction,
    Ethertype,
    FloatingIp,
    Ipv6Mode,
    NetworkConfig,
    NetworkDriverError,
    NetworkSpec,
    PortSpec,
    Route,
    RouterGateway,
    RouterSpec,
    SecurityGroupRule,
    SecurityGroupSpec,
    SubnetSpec,
)
from cloudd.drivers.network.linux import dhcp, firewall_ports, nat, nft, rights
from cloudd.drivers.network.linux import firewall_rules as rules
from cloudd.drivers.network.linux.conntrack import Flow, Flows, Selection
from cloudd.drivers.network.linux.firewall import Firewall, Wanted
from cloudd.drivers.network.linux.names import Names, short_cloud
from cloudd.drivers.network.linux.nft import Chain, Elements
from cloudd.drivers.network.linux.zones import Zones

IN, OUT, V4, V6 = Direction.INGRESS, Direction.EGRESS, Ethertype.IPV4, Ethertype.IPV6
ALLOW_OUT = "meta mark set meta mark | 0x40000 return"
PORT = PortSpec("p1", "n1", "tap1", "FA:16:3E:00:00:01", ("10.0.0.5", "fd00::5"), security_groups=("g1",))


@pytest.mark.parametrize("rule, text", [
    (SecurityGroupRule(IN, V4), "ether type ip accept"),
    (SecurityGroupRule(OUT, V6), f"ether type ip6 {ALLOW_OUT}"),
    (SecurityGroupRule(IN, V4, "tcp"), "ether type ip meta l4proto 6 accept"),
    (SecurityGroupRule(IN, V4, "tcp", 22, 22), "ether type ip tcp dport 22 accept"),
    (SecurityGroupRule(IN, V6, "17", 5000, 5010), "ether type ip6 udp dport 5000-5010 accept"),
    (SecurityGroupRule(OUT, V4, "sctp", 80, 80, remote_cidr="192.0.2.0/24"),
     f"ether type ip ip daddr 192.0.2.0/24 sctp dport 80 {ALLOW_OUT}"),
    (SecurityGroupRule(IN, V4, remote_cidr="0.0.0.0/0"), "ether type ip accept"),
    (SecurityGroupRule(IN, V4, "icmp"), "ether type ip meta l4proto 1 accept"),
    (SecurityGroupRule(IN, V4, "icmp", 8), "ether type ip icmp type 8 accept"),
    (SecurityGroupRule(IN, V6, "ipv6-icmp", 128, 0), "ether type ip6 icmpv6 type 128 icmpv6 code 0 accept"),
    (SecurityGroupRule(IN, V6, "icmp"), "ether type ip6 meta l4proto 58 accept"),
    (SecurityGroupRule(IN, V4, "vrrp"), "ether type ip meta l4proto 112 accept"),
    (SecurityGroupRule(IN, V4, "006", 22, 22), "ether type ip tcp dport 22 accept"),
    (SecurityGroupRule(IN, V4, "017", 53, 54), "ether type ip udp dport 53-54 accept"),
    (SecurityGroupRule(IN, V4, "0132", 9, 9), "ether type ip sctp dport 9 accept"),
    (SecurityGroupRule(IN, V6, "058", 128), "ether type ip6 icmpv6 type 128 accept"),
    (SecurityGroupRule(IN, V4, "000"), "ether type ip accept"),
    (SecurityGroupRule(IN, V4, "TCP", 22, 22, remote_cidr="192.0.2.7/255.255.255.0"),
     "ether type ip ip saddr 192.0.2.0/24 tcp dport 22 accept"),
])
def test_a_rule_as_text(rule, text):
    assert rules.rule_texts(rule) == [text]


def test_a_rule_of_a_remote_group_looks_for_single_addresses_and_where_there_are_any_for_ranges():
    rule = SecurityGroupRule(IN, V4, "any", remote_group="a-b")
    assert rules.rule_texts(rule, {("a-b", 6)}) == ["ether type ip ip saddr @rg4_ab accept"]
    assert rules.rule_texts(rule, {("a-b", 4)}) == ["ether type ip ip saddr @rg4_ab accept", "ether type ip ip saddr @rw4_ab accept"]


def test_rules_follow_when_a_remote_groups_members_come_to_have_ranges():
    wall = Recorded()
    wall.set_group("g2", SecurityGroupSpec("g2", (SecurityGroupRule(IN, V4, remote_group="g1"),)))
    for pairs, there in (((), 1), ((AddressPair("10.0.0.0/24"),), 2), ((), 1), ((AddressPair("0.0.0.0/0"),), 2)):
        wall.set_ports([replace(PORT, allowed_pairs=pairs)])
        assert len(wall.ruleset.objects[wall.bridge_table, "sgi_g2"].rules) == there
        assert ((wall.bridge_table, "rw4_g1") in wall.ruleset.objects) is (there == 2)


def test_a_port_sends_from_all_its_pairs_and_what_overlaps_is_merged():
    port = replace(PORT, allowed_pairs=(AddressPair("10.0.0.0/24"), AddressPair("10.0.0.128/25"),
                                        AddressPair("10.0.0.9", "fa:16:3e:00:00:09")))
    part = firewall_ports.elements(port, True)
    assert set(part["macs"]) == {'"tap1" . fa:16:3e:00:00:01', '"tap1" . fa:16:3e:00:00:09'}
    assert set(part["wide4"]) == {'"tap1" . fa:16:3e:00:00:01 . 10.0.0.0/24'}
    assert set(part["own4"]) == {'"tap1" . fa:16:3e:00:00:01 . 10.0.0.5', '"tap1" . fa:16:3e:00:00:09 . 10.0.0.9'}
    assert '"tap1" . fa:16:3e:00:00:01 . fe80::f816:3eff:fe00:1' in part["own6"]


def test_a_port_that_is_down_drops_and_one_without_security_is_not_filtered():
    down = firewall_ports.elements(replace(PORT, admin_state_up=False), True)
    assert (set(down["in"].values()), set(down["out"].values())) == ({"drop"}, {"drop"})
    assert set(firewall_ports.elements(replace(PORT, port_security=False), True)) == {"numbers", "inward", "asks4", "asks6"}


def test_metadata_knows_a_port_by_its_own_addresses_whatever_else_it_may_send_from():
    pairs = (AddressPair("10.0.0.6"), AddressPair("10.0.0.7", "fa:16:3e:00:00:07"), AddressPair("fd00::/64"))
    for port in (PORT, replace(PORT, allowed_pairs=pairs), replace(PORT, port_security=False),
                 replace(PORT, addresses=(*PORT.addresses, "fe80::f816:3eff:fe00:7"))):       # which would name another's MAC
        part, start = firewall_ports.elements(port, True), '"tap1" . fa:16:3e:00:00:01 . '
        assert (set(part["asks4"]), set(part["asks6"])) == (
            {f"{start}10.0.0.5"}, {f"{start}fd00::5", f"{start}fe80::f816:3eff:fe00:1"})


def test_where_metadata_is_served_is_told_to_the_firewall_before_it_is_served():
    wall = Recorded()
    key = (wall.bridge_table, "served")
    wall.set_served(["dh-n1", "rt-p1"])
    assert wall.ruleset.objects[key].elements == {'"dh-n1"': None, '"rt-p1"': None}
    wall.set_served(["rt-p2"], ["rt-p1"])
    assert wall.ruleset.objects[key].elements == {'"dh-n1"': None, '"rt-p2"': None}


def test_ports_with_the_same_groups_share_their_chains():
    wall = Recorded()
    wall.set_ports([replace(PORT, id=f"p{n}", tap=f"tap{n}", addresses=(f"10.0.0.{n}",)) for n in range(5)])
    assert len([name for _, name in wall.ruleset.objects if name.startswith(("o_", "i_"))]) == 2
    wall.set_ports([replace(PORT, id="p1", tap="tap1", security_groups=("g2", "g1"))])
    assert len([name for _, name in wall.ruleset.objects if name.startswith(("o_", "i_"))]) == 4
    wall.set_ports([replace(PORT, id="p1", tap="tap1")])
    assert len([name for _, name in wall.ruleset.objects if name.startswith(("o_", "i_"))]) == 2


@pytest.mark.parametrize("change", [
    {"mac": "fa:16:3e:00:00:01 } accept"}, {"tap": 'tap" accept'}, {"addresses": ("10.0.0.5%x, 0.0.0.0",)},
    {"addresses": ("fe80::1%a } x",)},
    {"allowed_pairs": (AddressPair("10.0.0.0/24; drop"),)}, {"allowed_pairs": (AddressPair("10.0.0.1", "x"),)}, {"id": "a b"},
    {"security_groups": ("g1 accept",)},
])
def test_no_spelling_of_a_port_becomes_text_of_a_rule(change):
    with pytest.raises(NetworkDriverError, match="port "):
        checked.port(replace(PORT, **change))


@pytest.mark.parametrize("change", [
    {"protocol": "tcp accept"}, {"protocol": "٦"}, {"protocol": "²"}, {"protocol": "256"}, {"protocol": "+6"}, {"protocol": "0x6"},
    {"protocol": "6", "port_min": "22 accept"}, {"protocol": "6", "port_min": 22, "port_max": 70000},
    {"remote_cidr": "10.0.0.0/8 accept"}, {"remote_group": "g } accept"}, {"protocol": "1", "port_min": 256},
])
def test_no_spelling_of_a_rule_becomes_text_of_a_rule(change):
    with pytest.raises(NetworkDriverError, match="security group g1"):
        checked.group(SecurityGroupSpec("g1", (replace(SecurityGroupRule(IN, V4), **change),)))


def test_no_spelling_of_a_network_or_router_becomes_a_line_of_a_file_or_command():
    net = network()
    for spec in (replace(net, hosts=(replace(net.hosts[0], mac="fa:16:3e:00:00:01\ndhcp-script=x"),)),
                 replace(net, hosts=(replace(net.hosts[0], addresses=("fd00::5%\nx",)),)),
                 replace(net, subnets=(replace(net.subnets[0], dns_nameservers=("fd00::5%,x",)),)),
                 replace(net, subnets=(replace(net.subnets[0], host_routes=(Route("::/0", "fe80::1%eth0"),)),)),
                 replace(net, dhcp_port=replace(net.dhcp_port, addresses=("10.0.0.2/24,x",)))):
        with pytest.raises(NetworkDriverError, match="network n1"):
            checked.network_spec(spec)
    with pytest.raises(NetworkDriverError, match="router r"):
        checked.router(RouterSpec("r", floating_ips=(FloatingIp("172.24.4.9 : 10.0.0.1", "10.0.0.5"),)))


def test_a_change_of_rules_is_one_small_text():
    table = "bridge t"
    before = {(table, "a"): Chain(("drop",)), (table, "s"): Elements("ipv4_addr", {"10.0.0.1": None, "10.0.0.2": None}),
              (table, "old"): Chain(("jump a",)), (table, "m"): Elements("ifname : verdict", {'"t0"': "jump old"})}
    text = nft.change(before, {(table, "a"): Chain(("drop",)), (table, "s"): Elements("ipv4_addr", {"10.0.0.2": None}),
                               (table, "old"): None, (table, "m"): Elements("ifname : verdict", {'"t0"': "jump new"}),
                               (table, "new"): Chain(("accept",))})
    assert text.splitlines() == [
        "add chain bridge t new",
        'delete element bridge t m { "t0" : jump old }',
        'add element bridge t m { "t0" : jump new }',
        f"add rule bridge t new {nft.marked('accept')}",
        "delete element bridge t s { 10.0.0.1 }",
        "flush chain bridge t old",
        "delete chain bridge t old",
    ]
    assert nft.change(before, {(table, "a"): Chain(("drop",))}) == ""


class Recorded(Firewall):
    """A firewall whose kernel is a list of what would change."""

    def __init__(self):
        super().__init__(Names("cloud"), "")
        self.changes = []
        self.ruleset.apply = self.remember

    def remember(self, changes):
        real = nft.changed(self.ruleset.objects, changes)
        self.ruleset.objects = {k: v for k, v in {**self.ruleset.objects, **real}.items() if v is not None}
        self.changes.append({name for _, name in real})
        return bool(real)


def test_membership_of_remote_groups_follows_ports():
    wall = Recorded()
    wall.set_group("g2", SecurityGroupSpec("g2", (SecurityGroupRule(IN, V4, remote_group="g1"),)))
    wall.set_ports([PORT])
    key = (wall.bridge_table, "rg4_g1")
    assert wall.ruleset.objects[key].elements == {"10.0.0.5": None}
    wall.set_ports([replace(PORT, addresses=("10.0.0.6",))])
    assert wall.ruleset.objects[key].elements == {"10.0.0.6": None}
    assert wall.changes[-1] == {"rg4_g1", "rg6_g1", "own4", "own6", "target6", "asks4", "asks6"}
    wall.set_ports([], ["p1"])
    assert wall.ruleset.objects[key].elements == {}
    wall.set_group("g2", None)
    assert {name for _, name in wall.ruleset.objects} == {
        *firewall_ports.SETS, "forward", "charge", "spoof", "served", "asked", "answered", *rules.frame({}, 0)}


def flow(source, target, protocol=6, port=22, code=40000, zone=22):
    packed = [ipaddress.ip_address(one).packed for one in (source, target)]
    return Flow(zone, *packed, protocol, port, code, False, b"")


def test_flows_in_doubt_after_changes():
    zones = {"n1": 11, "n2": 22}
    other = replace(PORT, id="p2", network_id="n2", addresses=("10.9.0.1",), security_groups=("g2",))
    group = SecurityGroupSpec("g2", (SecurityGroupRule(IN, V4, remote_group="g1"), SecurityGroupRule(IN, V4, "tcp", 22, 22)))
    wanted = Wanted({"p1": PORT, "p2": other}, {"g2": group}, {})

    def after(before, port):
        wanted.ports = {"p2": other} | ({"p1": port} if port else {})
        review = rights.after_port(wanted, before, port, zones)
        return {(one.zone, str(one.source or one.target)) for one in review.doubted}, review.judges, review.gone

    nothing = (set(), set(), set())
    assert after(None, PORT) == nothing
    assert after(PORT, replace(PORT, security_groups=("g1", "g3"))) == nothing
    local = "fe80::f816:3eff:fe00:1/128"             # no other port trusts it, but it talks
    own = {(zone, f"{one}") for zone in (11, 22) for one in ("10.0.0.5/32", "fd00::5/128")} | {(11, local)}
    assert after(PORT, replace(PORT, security_groups=())) == (own, {"p1", "p2"}, set())
    assert after(PORT, replace(PORT, addresses=("10.0.0.5",))) == ({(22, "fd00::5/128")}, {"p2"}, {Flows("fd00::5/128", 11)})
    assert after(PORT, None) == ({one for one in own if one[0] == 22}, {"p2"}, {
        Flows("10.0.0.5/32", 11), Flows("fd00::5/128", 11), Flows(local, 11)})
    assert after(replace(PORT, port_security=False), PORT)[:2] == ({one for one in own if one[0] == 11}, {"p1"})
    review = rights.after_group(wanted, group, replace(group, rules=group.rules[:1]), zones)
    assert {str(one.target) for one in review.doubted} == {"10.9.0.1/32", local} and review.judges == {"p2"}
    assert Selection(22, target=ipaddress.ip_network("10.9.0.1"), protocol=6) in review.doubted
    assert rights.after_group(wanted, replace(group, rules=()), group, zones).doubted == set()


def test_an_address_that_another_port_has_too_keeps_its_flows():
    shared = (AddressPair("10.0.0.100"),)
    wanted = Wanted({"p1": PORT, "p2": replace(PORT, id="p2", addresses=("10.0.0.6",), allowed_pairs=shared)}, {}, {})
    assert rights.after_port(wanted, replace(PORT, allowed_pairs=shared), PORT, {"n1": 11}).gone == set()
    wanted.ports.pop("p2")
    assert rights.after_port(wanted, replace(PORT, allowed_pairs=shared), PORT, {"n1": 11}).gone == {Flows("10.0.0.100/32", 11)}


@pytest.mark.parametrize("rule, one, fits", [
    (SecurityGroupRule(IN, V4), flow("10.0.0.9", "10.9.0.1"), True),
    (SecurityGroupRule(IN, V6), flow("10.0.0.9", "10.9.0.1"), False),
    (SecurityGroupRule(OUT, V4), flow("10.0.0.9", "10.9.0.1"), False),
    (SecurityGroupRule(IN, V4, "006", 20, 22), flow("10.0.0.9", "10.9.0.1"), True),
    (SecurityGroupRule(IN, V4, "tcp", 20, 21), flow("10.0.0.9", "10.9.0.1"), False),
    (SecurityGroupRule(IN, V4, "udp"), flow("10.0.0.9", "10.9.0.1"), False),
    (SecurityGroupRule(IN, V4, remote_cidr="10.0.0.0/24"), flow("10.0.0.9", "10.9.0.1"), True),
    (SecurityGroupRule(IN, V4, remote_cidr="10.0.1.0/24"), flow("10.0.0.9", "10.9.0.1"), False),
    (SecurityGroupRule(IN, V4, remote_group="g1"), flow("10.0.0.5", "10.9.0.1"), True),
    (SecurityGroupRule(IN, V4, remote_group="g1"), flow("10.0.0.6", "10.9.0.1"), False),
    (SecurityGroupRule(IN, V4, "icmp", 8, 0), flow("10.0.0.9", "10.9.0.1", 1, 8, 0), True),
    (SecurityGroupRule(IN, V4, "icmp", 8, 1), flow("10.0.0.9", "10.9.0.1", 1, 8, 0), False),
    (SecurityGroupRule(IN, V6, "icmp", 128), flow("fd00::9", "fd09::1", 58, 128, 0), True),
])
def test_a_flow_is_judged_as_the_firewall_judges_its_first_packet(rule, one, fits):
    other = replace(PORT, id="p2", network_id="n2", addresses=("10.9.0.1", "fd09::1"), security_groups=("g2",))
    wanted = Wanted({"p1": PORT, "p2": other}, {"g2": SecurityGroupSpec("g2", (rule,))}, {})
    judge = rights.Rights(wanted, {"n1": 11, "n2": 22})
    assert rights.forbidden(judge, judge.owners(["p2"]), one) is not fits


def network(**more):
    subnets = (SubnetSpec("s4", "10.0.0.0/24", "10.0.0.1", host_routes=(Route("192.0.2.0/24", "10.0.0.9"),)),
               SubnetSpec("s6", "fd00::/64", "fd00::1", ipv6_address_mode=Ipv6Mode.STATEFUL, dns_nameservers=("2001:db8::53",)))
    hosts = (DhcpHost("p1", "FA:16:3E:00:00:01", ("10.0.0.5", "fd00::5"), "vm", (DhcpOption("bootfile-name", "x.0"),)),)
    return NetworkSpec("n1", subnets=subnets, hosts=hosts, mtu=1442,
                       dhcp_port=DhcpPort("d1", "fa:16:3e:00:00:02", ("10.0.0.2/24", "fd00::2/64")), **more)


def test_dnsmasq_is_told_all_of_a_network(tmp_path):
    made = dhcp.instance(NetworkConfig("c", str(tmp_path)), Names("c"), network(), ("192.0.2.53",), 3)
    assert made.hosts == ("fa:16:3e:00:00:01,set:pp1,10.0.0.5,vm.openstacklocal",
                          "fa:16:3e:00:00:01,tag:dhcpv6,set:pp1,[fd00::5],vm.openstacklocal")
    routes = "169.254.169.254/32,10.0.0.2,192.0.2.0/24,10.0.0.9,0.0.0.0/0,10.0.0.1"
    assert made.options == (
        "tag:ss4,option:router,10.0.0.1", "tag:ss4,option:dns-server,10.0.0.2",
        f"tag:ss4,option:classless-static-route,{routes}", f"tag:ss4,249,{routes}",
        "tag:ss6,option6:dns-server,[2001:db8::53]", "tag:ss6,option6:domain-search,openstacklocal",
        "tag:pp1,option:bootfile-name,x.0")
    assert "server=192.0.2.53" in made.config and "no-resolv" in made.config
    assert "dhcp-range=set:ss4,10.0.0.0,static,255.255.255.0,86400s" in made.config
    assert "dhcp-range=set:ss6,fd00::,static,64,86400s" in made.config
    assert made.names == ("10.0.0.5 vm.openstacklocal vm", "fd00::5 vm.openstacklocal vm")


def test_what_tenants_name_cannot_become_lines_of_dnsmasqs_files(tmp_path):
    config, names = NetworkConfig("c", str(tmp_path)), Names("c")
    host = DhcpHost("p1", "fa:16:3e:00:00:01", ("10.0.0.5",), "vm,10.0.0.6", (
        DhcpOption("67", "a\noption:router,10.0.0.9"), DhcpOption("67,1", "x"), DhcpOption("66", "server")))
    made = dhcp.instance(config, names, replace(network(), hosts=(host,)), (), 3)
    assert made.hosts == ("fa:16:3e:00:00:01,set:pp1,10.0.0.5,host-10-0-0-5.openstacklocal",)
    assert [line for line in made.options if line.startswith("tag:pp1")] == ["tag:pp1,66,server"]
    with pytest.raises(NetworkDriverError):
        dhcp.instance(config, names, network(dns_domain="x\ndhcp-script=/bin/sh"), (), 3)


def test_nobody_is_asked_for_names_when_outbound_is_off(tmp_path):
    assert dhcp.forwarders(NetworkConfig("c", str(tmp_path), outbound=False, dns_forwarders=("192.0.2.53",))) == ()
    assert dhcp.forwarders(NetworkConfig("c", str(tmp_path), dns_forwarders=("192.0.2.53",))) == ("192.0.2.53",)


def test_a_router_without_gateway_translates_nothing():
    assert nat.objects(RouterSpec("r"))[(nat.TABLE, "postrouting")].rules == ()


def test_a_router_without_snat_still_translates_floating_addresses():
    gateway = RouterGateway("gw", "x", "fa:16:3e:00:00:03", ("172.24.4.10/24",), enable_snat=False)
    made = nat.objects(RouterSpec("r", gateway=gateway, floating_ips=(FloatingIp("172.24.4.9", "10.0.0.5"),)))
    assert made[(nat.TABLE, "fip_snat")].elements == {"10.0.0.5": "172.24.4.9"}
    assert 'oifname "qg-gw" snat to 172.24.4.10' not in made[(nat.TABLE, "postrouting")].rules


def test_no_floating_address_leads_to_metadata():
    """Its questions would have another target where the firewall looks at them."""
    gateway = RouterGateway("gw", "x", "fa:16:3e:00:00:03", ("172.24.4.10/24",))
    made = nat.objects(RouterSpec("r", gateway=gateway, floating_ips=(
        FloatingIp("172.24.4.9", "169.254.169.254"), FloatingIp("172.24.4.8", "10.0.0.5"))))
    assert made[(nat.TABLE, "fip_dnat")].elements == {"172.24.4.8": "10.0.0.5"}


def test_names_fit_the_kernel_and_lead_back():
    assert short_cloud("2f9c0a11-7d0f-4a53-8df6-111111111111") == "2f9c0a11"
    assert short_cloud("demo") == "demo"
    assert len(short_cloud("my other cloud")) == 8
    names = Names("demo")
    assert len(names.bridge("2f9c0a11-7d0f-4a53-8df6-111111111111")) <= 15
    assert names.alias_owner(names.alias("port", "x:y")) == ("port", "x:y")
    assert Names("else").alias_owner(names.alias("port", "x")) is None
    assert names.namespace_owner(names.router_namespace("r")) == ("router", "r")


def test_zones_are_kept_and_never_shared(tmp_path):
    zones = Zones(tmp_path / "zones.json")
    first = zones.claim(NetworkSpec("n1"))
    assert zones.claim(NetworkSpec("n1")) == first
    with pytest.raises(NetworkDriverError):
        zones.claim(NetworkSpec("n2", zone=first))
    zones.numbers["n2"] = zones.free("n1", {first})
    assert zones.numbers["n2"] == first % 65535 + 1
    zones.save()
    again = Zones(tmp_path / "zones.json")
    again.load()
    assert again.claim(NetworkSpec("n1")) == first
    again.release("n1")
    assert again.numbers.keys() == {"n2"}
