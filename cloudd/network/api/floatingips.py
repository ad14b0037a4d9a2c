"""/floatingips and /floatingip_pools"""

from sqlalchemy import select

from cloudd.core.http import Field
from cloudd.core.http import types as t
from cloudd.core.http.lists import Filters
from cloudd.network import standard
from cloudd.network.api import API
from cloudd.network.api.collections import Logic, collection, matching
from cloudd.network.api.shapes import IP_OR_NULL, OWNER, TEXT, UUID, UUID_OR_NULL, NeutronShape, standard_fields
from cloudd.network.l3 import floatingips
from cloudd.network.models import FloatingIp, Network, Subnet

POOL_MEMBERS = {**dict.fromkeys(("network_id", "subnet_id", "subnet_name", "cidr"), TEXT), **OWNER}
POOLS = t.Record({"floatingip_pools": t.List(t.Record(POOL_MEMBERS))})
DETAILS = {"name": TEXT, "network_id": UUID, "mac_address": t.MAC, "admin_state_up": t.Bool(), "status": TEXT, "device_id": TEXT,
           "device_owner": TEXT}


def details(row, request):
    return {name: getattr(row.port, name) for name in DETAILS} if row.port_id and row.port else None


FLOATINGIP = NeutronShape(
    "floatingip",
    *standard_fields(name=False),
    Field("floating_network_id", UUID, required=True, update=False),
    Field("floating_ip_address", IP_OR_NULL, update=False),
    Field("subnet_id", UUID_OR_NULL, update=False, reply=False),
    Field("port_id", UUID_OR_NULL),
    Field("fixed_ip_address", IP_OR_NULL),
    Field("router_id", UUID_OR_NULL, readonly=True),
    Field("status", TEXT, readonly=True),
    Field("port_details", t.Record(DETAILS, null=True), readonly=True, of=details, column="port_detail"),
    Field("dns_name", t.Text(0, 255), default="", update=False),
    Field("dns_domain", TEXT, default="", update=False),
)

FLOATINGIPS = collection("/floatingips", FloatingIp, FLOATINGIP,
                         Logic(floatingips.create, floatingips.update, floatingips.delete),
                         visible=lambda context, query: query if standard.sees_all(context)
                         else query.where(FloatingIp.project_id == context.project_id))
pools = API.resource("/floatingip_pools")


@pools.get("", policy="get_floatingip_pool", answer=POOLS, listing=Filters(POOL_MEMBERS))
async def list_pools(request, tx):
    """List the subnets that floating addresses come from."""
    query = standard.subnets_of(request.context, select(Subnet).join(Network, Network.id == Subnet.network_id)
                                .where(Network.external).order_by(Subnet.network_id, Subnet.id))
    project = request.context.project_id
    rows = (await tx.execute(query)).scalars()
    found = [{"network_id": row.network_id, "subnet_id": row.id, "subnet_name": row.name, "cidr": row.cidr, "project_id": project,
              "tenant_id": project} for row in rows]
    return {"floatingip_pools": matching(request, found)}
