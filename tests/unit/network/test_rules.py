"""What networks declare, held against OpenStack's own names."""

import pytest

from cloudd.core.context import Context
from cloudd.core.errors import BadRequest
from cloudd.core.policy import Policies
from cloudd.network.api import API
from cloudd.network.api.extensions import EXTENSIONS
from cloudd.network.api.networks import NETWORK
from cloudd.network.api.ports import PORT
from cloudd.network.policies import POLICIES
from cloudd.network.security import group_rules
from cloudd.network.service import REGISTERED

MEMBER = Context(project_id="p", user_id="u", roles=frozenset({"member", "reader"}))
RULE = {"direction": "ingress", "ethertype": "IPv4", "protocol": "tcp", "port_range_min": 80, "port_range_max": 80,
        "remote_ip_prefix": None, "remote_group_id": None}


@pytest.fixture(scope="module")
def policies():
    policies = Policies()
    for rule in POLICIES:
        policies.add("network", rule)
    return policies


def test_every_operation_has_its_rule():
    assert REGISTERED and {operation.policy for operation in API.operations if operation.auth} <= {rule.name for rule in POLICIES}


def test_extensions_say_all_that_clients_read():
    assert len(EXTENSIONS) > 50
    assert all(set(one) == {"alias", "name", "description", "updated", "links"} and one["name"] for one in EXTENSIONS.values())


@pytest.mark.parametrize("target, allowed", [
    ({"project_id": "p"}, True), ({"project_id": "q"}, False), ({"project_id": "q", "networks:shared": True}, True),
    ({"project_id": "q", "router:external": True}, True),
])
def test_who_may_see_a_network(policies, target, allowed):
    assert policies.allows(MEMBER, "network", "get_network", target) is allowed


@pytest.mark.parametrize("owner, network, allowed", [
    ("compute:nova", "q", True), ("network:dhcp", "q", False), ("network:dhcp", "p", True), ("", "q", True)])
def test_who_may_pose_as_the_network(policies, owner, network, allowed):
    target = {"project_id": "p", "network:project_id": network, "device_owner": owner}
    assert policies.allows(MEMBER, "network", "create_port:device_owner", target) is allowed


def test_sharing_with_everybody_is_for_administrators(policies):
    for target, allowed in (("*", False), ("q", True)):
        assert policies.allows(MEMBER, "network", "create_rbac_policy:target_tenant", {
            "project_id": "p", "target_tenant": target, "target_project": target}) is allowed


@pytest.mark.parametrize("other, same", [
    ({"protocol": "6"}, True), ({"remote_ip_prefix": "0.0.0.0/0"}, True), ({"port_range_max": 81}, False),
    ({"remote_ip_prefix": "10.0.0.0/8"}, False), ({"remote_group_id": "g"}, False), ({"protocol": "udp"}, False)])
def test_rules_that_mean_the_same(other, same):
    assert (group_rules._key(RULE) == group_rules._key({**RULE, **other})) is same


def test_bodies_are_lifted():
    body = {"network": {"admin_state_up": "False", "mtu": "1400", "tenant_id": "p", "name": "n"}}
    values = NETWORK.read(body, (0, 0), "create")
    assert (values["admin_state_up"], values["mtu"], values["project_id"], values["shared"]) == (False, 1400, "p", False)
    many = NETWORK.read({"networks": [{"name": "a"}, {"name": "b"}]}, (0, 0), "create")
    assert [one["name"] for one in many] == ["a", "b"]
    columns = PORT.columns(PORT.read({"port": {"network_id": "0" * 32, "binding:host_id": "h"}}, (0, 0), "create"))
    assert columns["host_id"] == "h" and columns["vnic_type"] == "normal"


@pytest.mark.parametrize("body, words", [
    ({"network": {"a": 1, "b": 2}}, "Unrecognized attribute(s) 'a, b'"), ({"network": []}, "invalid data"), ([], "Unable to find"),
    ({"networks": []}, "Resources required"), ({"networks": [1]}, "invalid data"), ({"network": {"mtu": "big"}}, "'big'"),
    ({"network": {"project_id": "a", "tenant_id": "b"}}, "do not match"), ({"network": {"admin_state_up": None}}, "admin_state_up")])
def test_bodies_are_refused_in_neutrons_words(body, words):
    with pytest.raises(BadRequest) as refused:
        NETWORK.read(body, (0, 0), "create")
    assert words in refused.value.message and refused.value.type == "HTTPBadRequest"


def test_what_was_sent_at_its_default_needs_no_right():
    assert NETWORK.explicit({"shared": False, "name": "x", "mtu": 1500}, "create") == ["name", "mtu"]
    assert NETWORK.explicit({"shared": False}, "update") == ["shared"]
