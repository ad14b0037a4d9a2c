"""Servers: made, listed, shown, changed, deleted."""

from dataclasses import replace
from typing import Any

from cloudd.compute import versions as v
from cloudd.compute.api import API, links
from cloudd.compute.api.servers.query import LISTING, page
from cloudd.compute.api.servers.shapes import SERVER_CHANGE, SERVER_NEW
from cloudd.compute.api.servers.view import BRIEF, CHANGED, SERVER, Seen, eyes, see
from cloudd.compute.models import Server
from cloudd.compute.servers import change as servers
from cloudd.compute.servers import create as servers_create
from cloudd.compute.servers import delete as servers_delete
from cloudd.core.errors import BadRequest
from cloudd.core.http import Page, Reply, Request
from cloudd.core.http import types as t
from cloudd.core.http.dialects import LINKS

RULE = "os_compute_api:servers:"
MADE = t.Raw({"anyOf": [t.Record({"reservation_id": t.Text()}).answer(), t.Record({"server": t.Record({
    "id": t.Uuid(), "links": t.Raw(LINKS), "OS-DCF:diskConfig": t.Text(), "security_groups": t.List(t.Record({"name": t.Text()})),
    "adminPass": t.Text(null=True)})}).answer()]})
resource = API.resource("/servers")


@resource.get(policy=RULE + "index", reply=BRIEF, listing=LISTING)
async def index(request: Request, tx: Any) -> Page:
    """List servers, briefly."""
    return await page(request, tx, "index")


@resource.get("/detail", policy=RULE + "detail", reply=SERVER, listing=LISTING)
async def detail(request: Request, tx: Any) -> Page:
    """List servers with all that is known of them."""
    found = await page(request, tx, "detail")
    return replace(found, rows=await see(request, tx, found.rows, await eyes(request, tx, groups=False)))


@resource.get("/{server}", policy=RULE + "show", reply=SERVER)
async def show(request: Request, tx: Any, server: Server) -> Any:
    """Show a server."""
    return (await see(request, tx, [server], await eyes(request, tx)))[0]


@resource.delete("/{server}", policy=RULE + "delete")
async def delete(request: Request, tx: Any, server: Server) -> None:
    """Delete a server."""
    await servers_delete.delete(request.context, tx, server)


@resource.put("/{server}", policy=RULE + "update", body=SERVER_CHANGE, reply=CHANGED)
async def update(request: Request, tx: Any, server: Server, body: dict[str, Any]) -> Seen:
    """Change what is only written down of a server."""
    await servers.update(request.context, tx, server, body)
    return await changed(request, tx, server)


async def changed(request: Request, tx: Any, server: Server) -> Seen:
    """What the reply to a change of a server is made from."""
    return (await see(request, tx, [server], await eyes(request, tx, full=request.has(v.STRICT))))[0]


@resource.post(policy=RULE + "create", body=SERVER_NEW, status=202, answer=MADE)
async def create(request: Request, tx: Any, body: dict[str, Any]) -> Reply:
    """Make one or several servers."""
    made = await servers_create.create(request.context, tx, _order(request, body))
    if body.get("return_reservation_id"):
        return Reply({"reservation_id": made[0].reservation_id})
    first = made[0]
    groups = [{"name": item["name"]} for item in body.get("security_groups") or ({"name": "default"},)]
    shown = {"id": first.id, "links": links(request, "servers", first.id), "OS-DCF:diskConfig": first.disk_config,
             "security_groups": groups, "adminPass": first.admin_pass}
    return Reply({"server": shown}, headers={"Location": request.link(f"/servers/{first.id}")})


def _order(request: Request, body: dict[str, Any]) -> servers_create.Order:
    if body.get("block_device_mapping") and body.get("block_device_mapping_v2"):
        raise BadRequest("Using different block_device_mapping syntaxes is not allowed in the same request.")
    if body.get("networks") or body.get("block_device_mapping_v2"):
        _require_attaching(request, body)
    if body.get("trusted_image_certificates"):
        request.require(RULE + "create:trusted_certs")
    zone, host, node = _placing(request, body)
    low = body.get("min_count", 1)
    return servers_create.Order(
        name=body["name"], flavor_id=body["flavorRef"], image_id=body.get("imageRef") or None, networks=body.get("networks"),
        security_groups=tuple(item["name"] for item in body.get("security_groups") or ()),
        devices=tuple(body.get("block_device_mapping_v2") or _old_devices(body)), min_count=low,
        max_count=body.get("max_count", low), key_name=body.get("key_name"), user_data=body.get("user_data"),
        metadata=body["metadata"], tags=tuple(body.get("tags") or ()), files=tuple(body.get("personality") or ()), zone=zone,
        host=host, node=node, config_drive=bool(body.get("config_drive")), disk_config=body.get("OS-DCF:diskConfig"),
        admin_pass=body.get("adminPass"), description=_description(request, body), hostname=body.get("hostname"),
        access_ip_v4=body.get("accessIPv4"), access_ip_v6=body.get("accessIPv6"), hints=body["scheduler_hints"],
        trusted_certs=body.get("trusted_image_certificates"),
        external_networks=request.allows("network:attach_external_network"),
        zero_disk=request.allows(RULE + "create:zero_disk_flavor"))


def _description(request: Request, body: dict[str, Any]) -> str | None:
    """Before 2.19 a server's description was its name."""
    return body.get("description") if request.has(v.DESCRIPTION) else body["name"]


def _require_attaching(request: Request, body: dict[str, Any]) -> None:
    if body.get("networks") not in (None, [], "auto", "none"):
        request.require(RULE + "create:attach_network")
    if body.get("block_device_mapping_v2"):
        request.require(RULE + "create:attach_volume")


def _placing(request: Request, body: dict[str, Any]) -> tuple[str | None, str | None, str | None]:
    zone, host, node = body.get("availability_zone"), body.get("host"), body.get("hypervisor_hostname")
    if zone and ":" in zone:
        request.require(RULE + "create:forced_host")
        if host or node:
            raise BadRequest("Invalid input: a host cannot be named both in availability_zone and by host.")
    if host or node:
        request.require("compute:servers:create:requested_destination")
    return zone, host, node


def _old_devices(body: dict[str, Any]) -> list[dict[str, Any]]:
    """block_device_mapping of the first form speaks of volumes and snapshots only."""
    return [{"source_type": "volume", "destination_type": "volume", **item} for item in body.get("block_device_mapping") or ()]
