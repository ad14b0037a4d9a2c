"""Networks: Neutron v2.0 over a driver of desired state.

This is the face: what other modules may call. Functions take the caller's context and transaction, except `wire`, its two halves,
`unwire` and `on_metadata`, which touch the machine and take the parts. Logic writes rows; jobs bring the dataplane after them.
"""

from cloudd.drivers.network.base import NetworkDriverError
from cloudd.network.claims import (
    associate_floating_ip,
    bind_port,
    create_port,
    delete_port,
    disassociate_floating_ip,
    has_subnets,
    limits,
    release_port,
    usable_networks,
    used,
)
from cloudd.network.dataplane.metadata import on_metadata
from cloudd.network.dataplane.wiring import plug as plug_port
from cloudd.network.dataplane.wiring import plugged as ports_plugged
from cloudd.network.dataplane.wiring import port_counters, unwire, wire
from cloudd.network.dataplane.wiring import prepare as prepare_port
from cloudd.network.l2.auto_topology import get as auto_network
from cloudd.network.l2.auto_topology import validate as validate_auto_network
from cloudd.network.models import GroupRule, Network, Port, SecurityGroup
from cloudd.network.proxies import (
    add_address,
    create_security_group,
    create_security_group_rule,
    delete_security_group,
    delete_security_group_rule,
    find_security_group,
    find_security_group_rule,
    list_security_groups,
    security_groups_by_id,
    update_port,
    update_security_group,
)
from cloudd.network.security.groups import default_id as default_security_group
from cloudd.network.security.groups import named as security_groups
from cloudd.network.standard import network as get_network
from cloudd.network.standard import port as get_port
from cloudd.network.views import FixedIp, PortView
from cloudd.network.views import by_address as port_by_address
from cloudd.network.views import of_ids as port_views

__all__ = [
    "FixedIp", "GroupRule", "Network", "NetworkDriverError", "Port", "PortView", "SecurityGroup", "add_address",
    "associate_floating_ip", "auto_network", "bind_port", "create_port", "create_security_group", "create_security_group_rule",
    "default_security_group", "delete_port", "delete_security_group", "delete_security_group_rule", "disassociate_floating_ip",
    "find_security_group", "find_security_group_rule", "get_network", "get_port", "has_subnets", "limits",
    "list_security_groups", "on_metadata", "plug_port", "port_by_address", "port_counters", "port_views",
    "ports_plugged", "prepare_port", "release_port", "security_groups", "security_groups_by_id", "unwire", "update_port",
    "update_security_group", "usable_networks", "used", "validate_auto_network", "wire",
]
