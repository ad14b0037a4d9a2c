"""Networks: Neutron v2.0 over a driver of desired state.

This is the face: what other modules may call. Functions take the caller's context and transaction, except `wire`, `unwire`
and `on_metadata`, which touch the machine and take the parts. Logic writes rows; jobs bring the dataplane after them.
"""

from cloudd.network.auto_topology import get as auto_network
from cloudd.network.auto_topology import validate as validate_auto_network
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
from cloudd.network.groups import default_id as default_security_group
from cloudd.network.groups import named as security_groups
from cloudd.network.metadata import on_metadata
from cloudd.network.models import Network, Port, SecurityGroup
from cloudd.network.standard import network as get_network
from cloudd.network.standard import port as get_port
from cloudd.network.views import FixedIp, PortView
from cloudd.network.views import by_address as port_by_address
from cloudd.network.views import of_devices as ports_of
from cloudd.network.views import of_ids as port_views
from cloudd.network.wiring import unwire, wire

__all__ = [
    "FixedIp", "Network", "Port", "PortView", "SecurityGroup", "associate_floating_ip", "auto_network", "bind_port",
    "create_port", "default_security_group", "delete_port", "disassociate_floating_ip", "get_network", "get_port", "has_subnets",
    "limits", "on_metadata", "port_by_address", "port_views", "ports_of", "release_port", "security_groups", "unwire",
    "usable_networks", "used", "validate_auto_network", "wire",
]
