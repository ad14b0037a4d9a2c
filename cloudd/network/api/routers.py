"""/routers, their interfaces and routes"""

from cloudd.core.http import Field, Shape
from cloudd.core.http import types as t
from cloudd.network import standard
from cloudd.network.api import API
from cloudd.network.api.collections import Logic, collection
from cloudd.network.api.conversions import MOST, Emptied
from cloudd.network.api.shapes import BOOL, IP, ROUTE, TEXT, UUID, NeutronShape, standard_fields
from cloudd.network.config import CONFIG
from cloudd.network.l3 import router_interfaces, routers
from cloudd.network.models import Router

EXTERNAL_IP = t.Obj({"subnet_id": UUID, "ip_address": IP})
GATEWAY = t.Obj({"network_id": t.Text(0, 36, pattern=t.UUID_PATTERN, null=True), "enable_snat": BOOL,
                 "external_fixed_ips": t.List(EXTERNAL_IP, 0, MOST, null=True)}, null=True)


def gateway(row, request):
    if row.gw_port is None:
        return None
    fixed = [{"subnet_id": one.subnet_id, "ip_address": one.ip_address} for one in row.gw_port.fixed_ips]
    return {"network_id": row.gw_port.network_id, "enable_snat": row.enable_snat, "external_fixed_ips": fixed}


ROUTER = NeutronShape(
    "router",
    *standard_fields(),
    Field("admin_state_up", BOOL, default=True),
    Field("status", TEXT, readonly=True),
    Field("external_gateway_info", GATEWAY, of=gateway),
    Field("routes", Emptied(ROUTE, MOST), create=False),
    Field("distributed", BOOL, of=lambda row, request: False),
    Field("ha", BOOL, of=lambda row, request: False),
    Field("availability_zone_hints", t.List(t.Text(0, 255), 0, MOST), update=False),
    Field("availability_zones", t.List(TEXT), readonly=True, of=lambda row, request: [CONFIG.zone] if row.gw_port_id else []),
    Field("flavor_id", t.Text(null=True), readonly=True, of=lambda row, request: None),
)
SENT = Shape(None, Field("subnet_id", UUID), Field("port_id", UUID), extra=True)
INTERFACE = Shape(
    None,
    Field("id", UUID, of="router.id"),
    Field("project_id", TEXT, of="router.project_id"),
    Field("tenant_id", TEXT, of="router.project_id"),
    Field("port_id", UUID),
    Field("network_id", UUID),
    Field("subnet_id", t.Text(null=True)),
    Field("subnet_ids", t.List(UUID)),
)
ROUTES = NeutronShape("router", Field("routes", t.List(ROUTE, 0, MOST), required=True))

ROUTERS = collection("/routers", Router, ROUTER, Logic(routers.create, routers.update, routers.delete),
                     visible=lambda context, query: query if standard.sees_all(context)
                     else query.where(Router.project_id == context.project_id))
one = API.resource("/routers/{router}")


@one.put("/add_router_interface", body=SENT, reply=INTERFACE, policy="add_router_interface")
async def add_router_interface(request, tx, router, body):
    """Join a router to a subnet, or to the network of a port."""
    return await router_interfaces.add(request.context, tx, router, body.get("subnet_id"), body.get("port_id"))


@one.put("/remove_router_interface", body=SENT, reply=INTERFACE, policy="remove_router_interface")
async def remove_router_interface(request, tx, router, body):
    """Take a router off a subnet, or delete its port."""
    return await router_interfaces.remove(request.context, tx, router, body.get("subnet_id"), body.get("port_id"))


@one.put("/add_extraroutes", body=ROUTES, use="create", reply=ROUTER, policy="add_extraroutes")
async def add_extraroutes(request, tx, router, body):
    """Add routes to a router."""
    return await routers.add_routes(request.context, tx, router, body["routes"])


@one.put("/remove_extraroutes", body=ROUTES, use="create", reply=ROUTER, policy="remove_extraroutes")
async def remove_extraroutes(request, tx, router, body):
    """Take routes off a router."""
    return await routers.remove_routes(request.context, tx, router, body["routes"])
