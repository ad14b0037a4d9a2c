"""NICs, addresses and security groups of a server over HTTP."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute.api import API
from cloudd.compute.api.servers.view import addresses
from cloudd.compute.models import Server
from cloudd.compute.servers import interfaces
from cloudd.compute.servers.interfaces import Attached
from cloudd.compute.servers.networks import Wanted
from cloudd.compute.versions import TAGGED_ATTACH, TAGS_OF_ATTACHMENTS
from cloudd.core.errors import BadRequest, NotFound
from cloudd.core.http import Field, Request, Shape
from cloudd.core.http.types import Enum, Ip, List, Map, Obj, Record, Text, Uuid

RULE = "os_compute_api:os-attach-interfaces:{}"
TAG = Text(1, 60, pattern="^[^,/]*$")
OLD_LAST = "2.43"
MEMBERS = {"net_id": Uuid(), "port_id": Uuid(), "fixed_ips": List(Obj({"ip_address": Ip()}, ["ip_address"]), 1, 1)}
ATTACH = Shape(None, Field("interfaceAttachment", Obj(MEMBERS), until="2.48"),
               Field("interfaceAttachment", Obj({**MEMBERS, "tag": TAG}), since=TAGGED_ATTACH))
ADD_FIXED = Shape(None, Field("addFixedIp", Obj({"networkId": Text(1, 255)}, ["networkId"], extra=True), required=True))
REMOVE_FIXED = Shape(None, Field("removeFixedIp", Obj({"address": Ip()}, ["address"], extra=True), required=True))
ADD_FLOATING = Shape(None, Field("addFloatingIp", Obj({"address": Ip(), "fixed_address": Ip()}, ["address"]), required=True))
REMOVE_FLOATING = Shape(None, Field("removeFloatingIp", Obj({"address": Ip()}, ["address"]), required=True))
NAMED = Obj({"name": Text(1, 255)}, ["name"], extra=True)
ADD_GROUP = Shape(None, Field("addSecurityGroup", NAMED, required=True))
REMOVE_GROUP = Shape(None, Field("removeSecurityGroup", NAMED, required=True))
FIXED_IP = Record({"subnet_id": Uuid(), "ip_address": Ip()})
ATTACHED = Shape("interfaceAttachment",
    Field("net_id", Uuid(), of="port.network_id"), Field("port_id", Uuid(), of="port.id"), Field("mac_addr", Text(), of="port.mac_address"),
    Field("port_state", Text(), of="port.status"), Field("tag", Text(null=True), of="row.tag", since=TAGS_OF_ATTACHMENTS),
    Field("fixed_ips", List(FIXED_IP), of=lambda nic, request: [{"subnet_id": item.subnet_id, "ip_address": item.address}
                                                                for item in nic.port.fixed_ips]),
)
ADDRESSES = List(Record({"version": Enum(4, 6), "addr": Ip()}))
resource = API.resource("/servers/{server}/os-interface")
server_resource = API.resource("/servers/{server}")


@resource.get("", policy=RULE.format("list"), reply=ATTACHED)
async def index(tx: AsyncSession, server: Server) -> list[Attached]:
    """List the NICs of a server."""
    return await interfaces.listed(tx, server)


@resource.get("/{port_id}", policy=RULE.format("show"), reply=ATTACHED)
async def show(tx: AsyncSession, server: Server, port_id: str) -> Attached:
    """Show a NIC of a server."""
    return await interfaces.find(tx, server, port_id)


@resource.post("", body=ATTACH, policy=RULE.format("create"), reply=ATTACHED)
async def attach(request: Request, tx: AsyncSession, server: Server, body: dict[str, Any]) -> Attached:
    """Give a server a NIC; its port becomes ACTIVE when it is plugged."""
    asked = body.get("interfaceAttachment") or {}
    network_id, port_id, fixed = asked.get("net_id"), asked.get("port_id"), asked.get("fixed_ips")
    if network_id and port_id:
        raise BadRequest("Must not input both network_id and port_id")
    if fixed and not network_id:
        raise BadRequest("Must input network_id when request IP address")
    address = fixed[0]["ip_address"] if fixed else None
    wanted = Wanted(network_id, port_id, address, asked.get("tag")) if network_id or port_id else None
    allowed = request.allows("network:attach_external_network")
    made = await interfaces.attach(request.context, tx, server, wanted, external_allowed=allowed)
    if wanted is None:
        made.row.tag = asked.get("tag")
    return made


@resource.delete("/{port_id}", status=202, policy=RULE.format("delete"))
async def detach(request: Request, tx: AsyncSession, server: Server, port_id: str) -> None:
    """Take a NIC from a server."""
    await interfaces.detach(request.context, tx, server, port_id)


# -- addresses --------------------------------------------------------------------------------------------------------


@server_resource.get("/ips", policy="os_compute_api:ips:index", answer=Record({"addresses": Map(ADDRESSES)}))
async def list_addresses(tx: AsyncSession, server: Server) -> dict[str, Any]:
    """List the addresses of a server by network."""
    ports = [port for _, port in await interfaces.listed(tx, server)]
    return {"addresses": addresses(ports, full=False)}


@server_resource.get("/ips/{label}", policy="os_compute_api:ips:show", answer=Map(ADDRESSES))
async def show_addresses(tx: AsyncSession, server: Server, label: str) -> dict[str, Any]:
    """List the addresses of a server in one network."""
    found = addresses([port for _, port in await interfaces.listed(tx, server)], full=False)
    if label not in found:
        raise NotFound(f"Instance is not a member of specified network: {server.id} is in {', '.join(found) or 'none'}, not in "
                       f"{label}.")
    return {label: found[label]}


@server_resource.post("/action", action="addFixedIp", until=OLD_LAST, status=202, body=ADD_FIXED,
                      policy="os_compute_api:os-multinic:add")
async def add_fixed_ip(request: Request, tx: AsyncSession, server: Server, body: dict[str, Any]) -> None:
    """Give a server one address more in a network."""
    await interfaces.add_fixed_ip(request.context, tx, server, body["addFixedIp"]["networkId"])


@server_resource.post("/action", action="removeFixedIp", until=OLD_LAST, status=202, body=REMOVE_FIXED,
                      policy="os_compute_api:os-multinic:remove")
async def remove_fixed_ip(request: Request, tx: AsyncSession, server: Server, body: dict[str, Any]) -> None:
    """Take an address from a server."""
    await interfaces.remove_fixed_ip(request.context, tx, server, body["removeFixedIp"]["address"])


@server_resource.post("/action", action="addFloatingIp", until=OLD_LAST, status=202, body=ADD_FLOATING,
                      policy="os_compute_api:os-floating-ips:add")
async def add_floating_ip(request: Request, tx: AsyncSession, server: Server, body: dict[str, Any]) -> None:
    """Lead a floating address to a server."""
    asked = body["addFloatingIp"]
    await interfaces.add_floating_ip(request.context, tx, server, asked["address"], asked.get("fixed_address"))


@server_resource.post("/action", action="removeFloatingIp", until=OLD_LAST, status=202, body=REMOVE_FLOATING,
                      policy="os_compute_api:os-floating-ips:remove")
async def remove_floating_ip(request: Request, tx: AsyncSession, server: Server, body: dict[str, Any]) -> None:
    """Lead a floating address no longer to a server."""
    await interfaces.remove_floating_ip(request.context, tx, server, body["removeFloatingIp"]["address"])


# -- security groups --------------------------------------------------------------------------------------------------


@server_resource.post("/action", action="addSecurityGroup", status=202, body=ADD_GROUP,
                      policy="os_compute_api:os-security-groups:add")
async def add_security_group(request: Request, tx: AsyncSession, server: Server, body: dict[str, Any]) -> None:
    """Put a server into a security group."""
    await interfaces.add_security_group(request.context, tx, server, body["addSecurityGroup"]["name"])


@server_resource.post("/action", action="removeSecurityGroup", status=202, body=REMOVE_GROUP,
                      policy="os_compute_api:os-security-groups:remove")
async def remove_security_group(request: Request, tx: AsyncSession, server: Server, body: dict[str, Any]) -> None:
    """Take a server out of a security group."""
    await interfaces.remove_security_group(request.context, tx, server, body["removeSecurityGroup"]["name"])
