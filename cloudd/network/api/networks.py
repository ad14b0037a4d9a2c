"""/networks"""

from cloudd.core.http import Field
from cloudd.core.http import types as t
from cloudd.network import standard
from cloudd.network.api.collections import Logic, collection, sharing
from cloudd.network.api.conversions import MOST
from cloudd.network.api.shapes import BOOL, INT, LOOSE_INT, TEXT, UUID, NeutronShape, is_shared, standard_fields
from cloudd.network.config import CONFIG
from cloudd.network.l2 import networks
from cloudd.network.models import Network

NETWORK = NeutronShape(
    "network",
    *standard_fields(),
    Field("admin_state_up", BOOL, default=True),
    Field("status", TEXT, readonly=True),
    Field("subnets", t.List(UUID), readonly=True, of=lambda row, request: [one.id for one in row.subnets], column="subnet_ids"),
    Field("shared", BOOL, default=False, of=is_shared),
    Field("router:external", BOOL, default=False, column="external"),
    Field("is_default", BOOL, default=False),
    Field("port_security_enabled", BOOL),
    Field("mtu", INT),
    Field("dns_domain", TEXT, default=""),
    Field("provider:network_type", TEXT, column="network_type"),
    Field("provider:physical_network", t.Text(0, 64, null=True), column="physical_network"),
    Field("provider:segmentation_id", LOOSE_INT, column="segmentation_id"),
    Field("availability_zone_hints", t.List(t.Text(0, 255), 0, MOST), update=False),
    Field("availability_zones", t.List(TEXT), readonly=True, of=lambda row, request: [CONFIG.zone] if row.subnets else []),
    Field("ipv4_address_scope", t.NULL, readonly=True, of=lambda row, request: None),
    Field("ipv6_address_scope", t.NULL, readonly=True, of=lambda row, request: None),
    Field("l2_adjacency", t.Bool(), readonly=True, of=lambda row, request: True),
)


NETWORKS = collection("/networks", Network, NETWORK, Logic(networks.create, networks.update, networks.delete),
                      visible=standard.networks_of, by_caller={"shared": sharing(Network.id)})
