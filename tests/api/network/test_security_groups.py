"""Security groups and their rules."""

import pytest

from tests.api.network.conftest import refused


@pytest.fixture
async def group(net):
    return await net.make("security_group", name="web", description="for the web")


async def test_every_project_has_a_default_group(net):
    groups = (await net.call("GET", "/security-groups")).body["security_groups"]
    assert [one["name"] for one in groups] == ["default"]
    rules = groups[0]["security_group_rules"]
    assert sorted((one["direction"], one["ethertype"], one["remote_group_id"]) for one in rules) == [
        ("egress", "IPv4", None), ("egress", "IPv6", None), ("ingress", "IPv4", groups[0]["id"]), ("ingress", "IPv6", groups[0]["id"])]
    assert all(one["belongs_to_default_sg"] for one in (await net.call("GET", "/security-group-rules")).body["security_group_rules"])
    refused(await net.try_make("security_group", name="default"), 409, "SecurityGroupDefaultAlreadyExists")
    refused(await net.try_change("security_group", groups[0], name="x"), 409, "SecurityGroupCannotUpdateDefault")
    refused(await net.try_delete("security_group", groups[0]), 409, "SecurityGroupCannotRemoveDefault")


async def test_administrators_may_delete_a_default_group(net, admin):
    group = (await net.call("GET", "/security-groups")).body["security_groups"][0]
    await admin.delete("security_group", group)


async def test_a_new_group_lets_everything_out(net, group):
    assert group["description"] == "for the web" and group["stateful"] is True
    assert sorted((one["direction"], one["ethertype"]) for one in group["security_group_rules"]) == [
        ("egress", "IPv4"), ("egress", "IPv6")]
    assert (await net.try_make("security_group", name="web")).status == 201
    refused(await net.try_make("security_group"), 400, "HTTPBadRequest", "name")


async def test_rules_are_kept_as_they_were_said(net, group):
    said = {"security_group_id": group["id"], "direction": "ingress", "protocol": "tcp", "port_range_min": 80,
            "port_range_max": 81, "remote_ip_prefix": "10.1.2.3/16", "description": "web"}
    made = await net.make("security_group_rule", **said)
    assert {name: made[name] for name in said} == said and made["normalized_cidr"] == "10.1.0.0/16" and made["ethertype"] == "IPv4"
    assert await net.show(f"/security-group-rules/{made['id']}") == made
    refused(await net.try_make("security_group_rule", **{**said, "remote_ip_prefix": "10.1.0.0/16", "protocol": "6"}), 409,
            "SecurityGroupRuleExists", made["id"])
    await net.cloud.settled()
    assert [(rule.protocol, rule.port_min, rule.remote_cidr) for rule in net.driver.groups[group["id"]].rules
            if rule.direction == "ingress"] == [("tcp", 80, "10.1.2.3/16")]
    await net.delete("security_group_rule", made)
    await net.cloud.settled()
    assert len(net.driver.groups[group["id"]].rules) == 2


@pytest.mark.parametrize("kind, status, said", [
    ("SecurityGroupInvalidPortRange", 400, {"protocol": "tcp", "port_range_min": 90, "port_range_max": 80}),
    ("SecurityGroupInvalidPortRange", 400, {"protocol": "tcp", "port_range_min": 90}),
    ("SecurityGroupInvalidPortValue", 400, {"protocol": "tcp", "port_range_min": 1, "port_range_max": 65536}),
    ("SecurityGroupProtocolRequiredWithPorts", 400, {"port_range_min": 80, "port_range_max": 80}),
    ("SecurityGroupInvalidProtocolForPort", 400, {"protocol": "gre", "port_range_min": 80, "port_range_max": 80}),
    ("SecurityGroupRuleInvalidProtocol", 400, {"protocol": "smoke"}),
    ("SecurityGroupRuleInvalidProtocol", 400, {"protocol": 256}),
    ("SecurityGroupInvalidIcmpValue", 400, {"protocol": "icmp", "port_range_min": 256}),
    ("SecurityGroupMissingIcmpType", 400, {"protocol": "icmp", "port_range_max": 3}),
    ("SecurityGroupRuleParameterConflict", 400, {"ethertype": "IPv6", "remote_ip_prefix": "10.0.0.0/8"}),
    ("SecurityGroupEthertypeConflictWithProtocol", 400, {"protocol": "ipv6-icmp"}),
    ("SecurityGroupNotFound", 404, {"remote_group_id": "bad_group_id"}),
    ("HTTPBadRequest", 400, {"remote_ip_prefix": "10.0.0.0/99"}),
    ("HTTPBadRequest", 400, {"direction": "sideways"}),
    ("HTTPBadRequest", 400, {"ethertype": "IPv5"}),
])
async def test_rules_that_make_no_sense(net, group, kind, status, said):
    refused(await net.try_make("security_group_rule", **{"security_group_id": group["id"], "direction": "ingress", **said}), status,
            kind)


@pytest.mark.parametrize("said", [
    {"protocol": "icmp", "port_range_min": 8, "port_range_max": 0}, {"protocol": "icmp", "port_range_min": 3},
    {"protocol": "icmp", "ethertype": "IPv6"}, {"protocol": "any"}, {"protocol": 50}, {"protocol": "SCTP"},
    {"protocol": None, "port_range_min": None, "port_range_max": None, "remote_ip_prefix": None, "remote_group_id": None},
    {"ethertype": "ipv6", "remote_ip_prefix": "fd00::/8"},
])
async def test_rules_that_do(net, group, said):
    made = await net.make("security_group_rule", security_group_id=group["id"], direction="ingress", **said)
    assert await net.show(f"/security-group-rules/{made['id']}") == made


@pytest.mark.parametrize("said, kept", [("006", "6"), (6, "6"), ("TCP", "tcp"), ("017", "17"), ("0000132", "132"), ("000", "0")])
async def test_a_protocol_with_zeros_before_it_is_its_number(net, group, said, kept):
    """`006` with ports 22 to 22 was TCP to the API and every TCP port to the firewall."""
    ports = {} if kept == "0" else {"port_range_min": 22, "port_range_max": 22}
    made = await net.make("security_group_rule", security_group_id=group["id"], direction="ingress", protocol=said, **ports)
    assert made["protocol"] == kept and (await net.show(f"/security-group-rules/{made['id']}"))["protocol"] == kept
    refused(await net.try_make("security_group_rule", security_group_id=group["id"], direction="ingress", protocol=int(kept)
                               if kept.isdecimal() else "6", **ports), 409, "SecurityGroupRuleExists", made["id"])
    await net.cloud.settled()
    assert kept in [rule.protocol for rule in net.driver.groups[group["id"]].rules]


@pytest.mark.parametrize("protocol", ["\u00b2", "\u0666", "+6", "6 ", "0x6", "6\n", "-0", "1e1", "tcp accept", "9" * 5000])
async def test_a_protocol_in_another_spelling_is_refused(net, group, protocol):
    refused(await net.try_make("security_group_rule", security_group_id=group["id"], direction="ingress", protocol=protocol), 400,
            "SecurityGroupRuleInvalidProtocol")


async def test_an_address_with_a_scope_is_refused(net, group):
    """What stands behind the `%` may be any text, and would go on as it is."""
    rule = {"security_group_id": group["id"], "direction": "ingress", "ethertype": "IPv6"}
    refused(await net.try_make("security_group_rule", **rule, remote_ip_prefix="fe80::1%} accept/128"), 400, "HTTPBadRequest",
            "remote_ip_prefix")


async def test_both_remotes_are_too_much(net, group):
    refused(await net.try_make("security_group_rule", security_group_id=group["id"], direction="ingress",
                               remote_group_id=group["id"], remote_ip_prefix="10.0.0.0/8"), 400,
            "SecurityGroupMultipleRemoteAttributes")


async def test_others_neither_see_nor_change_it(net, other, group):
    refused(await other.call("GET", f"/security-groups/{group['id']}"), 404, "SecurityGroupNotFound")
    refused(await other.try_make("security_group_rule", security_group_id=group["id"], direction="ingress"), 404,
            "SecurityGroupNotFound")


async def test_deleting_a_group_takes_the_rules_that_name_it(net, group):
    friend = await net.make("security_group", name="friend")
    rule = await net.make("security_group_rule", security_group_id=friend["id"], direction="ingress", remote_group_id=group["id"])
    await net.delete("security_group", group)
    refused(await net.call("GET", f"/security-group-rules/{rule['id']}"), 404, "SecurityGroupRuleNotFound")
    await net.cloud.settled()
    assert group["id"] not in net.driver.groups and len(net.driver.groups[friend["id"]].rules) == 2
