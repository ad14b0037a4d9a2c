"""/subnets"""


from cloudd.core.http import Field
from cloudd.core.http import types as t
from cloudd.network import standard
from cloudd.network.api import of_row
from cloudd.network.api.collections import Logic, collection, sharing
from cloudd.network.api.conversions import MOST, Emptied
from cloudd.network.api.shapes import (
    BOOL,
    CIDR_OR_NULL,
    IP,
    IP_OR_NULL,
    LOOSE_INT,
    ROUTE,
    UUID,
    UUID_OR_NULL,
    NeutronShape,
    is_shared,
    standard_fields,
)
from cloudd.network.l2 import subnets
from cloudd.network.models import Subnet

MODE = t.Enum("slaac", "dhcpv6-stateless", "dhcpv6-stateful", null=True)
POOL = t.Obj({"start": IP, "end": IP}, ("start", "end"))

SUBNET = NeutronShape(
    "subnet",
    *standard_fields(),
    Field("network_id", UUID, required=True, update=False),
    Field("ip_version", t.Raw({"enum": [4, 6, "4", "6"]}, int), update=False),
    Field("cidr", CIDR_OR_NULL, update=False),
    Field("subnetpool_id", UUID_OR_NULL, update=False),
    Field("prefixlen", LOOSE_INT, update=False, reply=False),
    Field("use_default_subnetpool", BOOL, default=False, update=False, reply=False),
    Field("gateway_ip", IP_OR_NULL),
    Field("allocation_pools", t.List(POOL, 0, MOST)),
    Field("dns_nameservers", Emptied(IP, MOST, unique=True)),
    Field("host_routes", Emptied(ROUTE, MOST, unique=True)),
    Field("enable_dhcp", BOOL, default=True),
    Field("ipv6_ra_mode", MODE),
    Field("ipv6_address_mode", MODE),
    Field("service_types", t.List(t.Text(1, 255), 0, MOST)),
    Field("dns_publish_fixed_ip", BOOL, default=False),
    Field("shared", t.Bool(), readonly=True, of=is_shared),
    Field("router:external", t.Bool(), readonly=True, column="network_external"),
)


async def network_of(request, tx, values):
    """Whose network the subnet is made on: what the rule asks about."""
    network = await standard.network(request.context, tx, values["network_id"])
    parent = of_row(network, request)
    return {"network:project_id": network.project_id, "networks:shared": parent["shared"]}


SUBNETS = collection("/subnets", Subnet, SUBNET, Logic(subnets.create, subnets.update, subnets.delete),
                     visible=standard.subnets_of, parent=network_of, by_caller={"shared": sharing(Subnet.network_id)},
                     filters={"router:external": Subnet.network_external})
