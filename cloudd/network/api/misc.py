"""What stands beside the resources: zones, service providers, use of addresses, a network for who has none, versions."""

import ipaddress
import json
from collections import defaultdict
from typing import Any

from sqlalchemy import select

from cloudd.core.errors import BadRequest
from cloudd.core.http import Api, Field, Request, Shape
from cloudd.core.http import types as t
from cloudd.core.http.dialects import LINKS
from cloudd.core.http.lists import Filters
from cloudd.core.rows import plain
from cloudd.core.rows.among import among
from cloudd.network.api import API, NEUTRON
from cloudd.network.api.collections import matching, require_known
from cloudd.network.api.shapes import OWNER, TEXT
from cloudd.network.config import CONFIG
from cloudd.network.l2 import auto_topology, subnets
from cloudd.network.l2.pools import size
from cloudd.network.models import Network, Subnet

RESOURCES = ("network", "subnet", "port", "router", "floatingip", "security_group", "security_group_rule", "subnetpool",
             "address_scope", "rbac_policy")
LINKED = t.Raw(LINKS)
ROOT = t.Record({"versions": t.List(t.Record({"id": TEXT, "status": TEXT, "links": LINKED}))})
KINDS = t.Record({"resources": t.List(t.Record({"name": TEXT, "collection": TEXT, "links": LINKED}))})
ZONE = Shape("availability_zone", *(Field(name, TEXT) for name in ("name", "resource", "state")))
PROVIDER = Shape("service_provider", Field("service_type", TEXT), Field("name", TEXT), Field("default", t.Bool()))
TOPOLOGY = Shape("auto_allocated_topology", Field("id", TEXT), *(Field(name, TEXT) for name in OWNER))
USED = {"total_ips": t.Int(), "used_ips": t.Int()}
SUBNET_USE = t.Record({"subnet_id": TEXT, "subnet_name": TEXT, "cidr": TEXT, "ip_version": t.Int(), **USED})
NETWORK_USE = Shape(
    "network_ip_availability",
    *(Field(name, TEXT) for name in ("network_id", "network_name", "project_id", "tenant_id")),
    *(Field(name, number) for name, number in USED.items()),
    Field("subnet_ip_availability", t.List(SUBNET_USE)),
    plural="network_ip_availabilities",
)
VERSIONS = Api("network-versions", prefixes=("/networking",), dialect=NEUTRON, title="Networks: versions")
zones = API.resource("/availability_zones")
providers = API.resource("/service-providers")
use = API.resource("/network-ip-availabilities", policy="get_network_ip_availability", answer=NETWORK_USE)
topology = API.resource("/auto-allocated-topology/{project}")


@VERSIONS.resource("").get("/", auth=False, answer=ROOT)
async def versions(request: Request) -> dict[str, Any]:
    """List the versions."""
    link = {"rel": "self", "href": request.host_link("/networking/v2.0/")}
    return {"versions": [{"id": "v2.0", "status": "CURRENT", "links": [link]}]}


@API.resource("").get("/", auth=False, answer=KINDS)
async def root(request: Request) -> dict[str, Any]:
    """List the kinds of resources."""
    return {"resources": [_resource(request, name) for name in RESOURCES]}


def _resource(request: Request, name: str) -> dict[str, Any]:
    collection = "rbac-policies" if name == "rbac_policy" else f"{name}s".replace("_", "-")
    return {"name": name, "collection": collection, "links": [{"rel": "self", "href": request.link(f"/{collection}")}]}


@zones.get("", policy="get_availability_zone", answer=ZONE, listing=Filters(ZONE.names()))
async def list_zones(request):
    """List the availability zones of networks and routers."""
    found = [{"name": CONFIG.zone, "resource": kind, "state": "available"} for kind in ("network", "router")]
    return {"availability_zones": matching(request, found)}


@providers.get("", policy="get_service_provider", answer=PROVIDER, listing=Filters(PROVIDER.names()))
async def list_providers(request):
    """List the providers of network services."""
    found = [{"service_type": "L3_ROUTER_NAT", "name": "single_node", "default": True}]
    return {"service_providers": matching(request, found)}


async def _availabilities(tx, query) -> list[dict[str, Any]]:
    """How full each network and subnet is."""
    networks = await plain.read(tx, Network, query.order_by(Network.id), alone=True)
    rows = await plain.read(tx, Subnet, select(Subnet).where(among(Subnet.network_id, [one.id for one in networks])), alone=True)
    used = await subnets.count_used(tx, [row.id for row in rows])
    inside: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        inside[row.network_id].append(_subnet_use(row, used.get(row.id, 0)))
    views = []
    for network in networks:
        inner = inside[network.id]
        views.append({"network_id": network.id, "network_name": network.name, "project_id": network.project_id,
                      "tenant_id": network.project_id, "total_ips": sum(one["total_ips"] for one in inner),
                      "used_ips": sum(one["used_ips"] for one in inner), "subnet_ip_availability": inner})
    return views


def _subnet_use(row: Subnet, used: int) -> dict[str, Any]:
    total = size(row.allocation_pools) if row.allocation_pools else ipaddress.ip_network(row.cidr).num_addresses
    return {"subnet_id": row.id, "subnet_name": row.name, "cidr": row.cidr, "ip_version": row.ip_version, "total_ips": total,
            "used_ips": used}


USE_FILTERS = {"network_id": Network.id.in_, "network_name": Network.name.in_, "project_id": Network.project_id.in_,
               "tenant_id": Network.project_id.in_,
               "ip_version": lambda values: Network.subnets.any(ip_version=_number(values[-1]))}


@use.get("", listing=Filters(USE_FILTERS))
async def list_use(request, tx):
    """List how many addresses of each network are in use."""
    query = select(Network)
    asked = request.api.dialect.read_list(request)
    require_known(asked, USE_FILTERS)
    for name, values in asked.filters:
        query = query.where(USE_FILTERS[name](values))
    return _large({"network_ip_availabilities": await _availabilities(tx, query)})


def _large(body: dict[str, Any]) -> bytes:
    """JSON with numbers of any size: an IPv6 subnet has more addresses than fit into 64 bits."""
    return json.dumps(body).encode()


def _number(text: str) -> int:
    if text not in ("4", "6"):
        raise BadRequest(f"Invalid ip_version '{text}': it is 4 or 6.", type="HTTPBadRequest")
    return int(text)


@use.get("/{network}")
async def show_use(request, tx, network):
    """Show how many addresses of a network are in use."""
    found = await _availabilities(tx, select(Network).where(Network.id == network.id))
    return _large({"network_ip_availability": found[0]})


def of_project(request: Request) -> dict[str, Any]:
    return {"project_id": _project(request), "tenant_id": _project(request)}


def _project(request: Request) -> str:
    wanted = request.path["project"]
    return request.context.project_id or "" if wanted in ("null", "None") else wanted


@topology.get("", policy="get_auto_allocated_topology", target=of_project, write=True, answer=TOPOLOGY, many=False)
async def get_topology(request, tx):
    """Show the network that a project gets when it asks for any, making it at first; `fields=dry-run` only checks."""
    project = _project(request)
    context = request.context.acting_for(project)
    if "dry-run" in request.query.getall("fields", []):
        await auto_topology.validate(context, tx)
        return {"auto_allocated_topology": {"id": "dry-run=pass", "project_id": project, "tenant_id": project}}
    network = await auto_topology.get(context, tx)
    return {"auto_allocated_topology": {"id": network.id, "project_id": project, "tenant_id": project}}


@topology.delete("", policy="delete_auto_allocated_topology", target=of_project)
async def delete_topology(request, tx):
    """Delete the network that a project got by asking for any."""
    await auto_topology.delete(request.context, tx, _project(request))


