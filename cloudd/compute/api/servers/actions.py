"""What a server's owner does to it: power, rebuild, resize, rescue, lock, image."""

from typing import Any

from cloudd.compute import versions as v
from cloudd.compute.api import API
from cloudd.compute.api.servers.servers import changed
from cloudd.compute.api.servers.shapes import CREATE_IMAGE, LOCK, REBOOT, REBUILD, RESCUE, RESIZE
from cloudd.compute.api.servers.view import REBUILT
from cloudd.compute.models import Server
from cloudd.compute.servers import admin as servers_admin
from cloudd.compute.servers import power as servers_power
from cloudd.compute.servers import rebuild as servers_rebuild
from cloudd.compute.servers import resize as servers_resize
from cloudd.compute.servers import snapshot as servers_images
from cloudd.core.http import Field, Reply, Request, Shape
from cloudd.core.http.types import Record, Text, Uuid
from cloudd.drivers.hypervisor.base import Hypervisor

RULE = "os_compute_api:"
ADMIN_PASS = Record({"adminPass": Text()})
IMAGE = Shape(None, Field("image_id", Uuid(), since=v.IMAGE_ID_IN_BODY))
KEEP = servers_rebuild.KEEP
actions = API.resource("/servers/{server}/action", status=202)


@actions.post(action="os-start", policy=RULE + "servers:start")
async def start(request: Request, tx: Any, server: Server) -> None:
    """Start a server."""
    await servers_power.start(request.context, tx, server)


@actions.post(action="os-stop", policy=RULE + "servers:stop")
async def stop(request: Request, tx: Any, server: Server) -> None:
    """Stop a server."""
    await servers_power.stop(request.context, tx, server)


@actions.post(action="reboot", body=REBOOT, policy=RULE + "servers:reboot")
async def reboot(request: Request, tx: Any, server: Server, body: dict[str, Any]) -> None:
    """Reboot a server, softly or hard."""
    await servers_power.reboot(request.context, tx, server, hard=body["type"].upper() == "HARD")


@actions.post(action="pause", policy=RULE + "os-pause-server:pause")
async def pause(request: Request, tx: Any, server: Server) -> None:
    """Hold a server still."""
    await servers_power.pause(request.context, tx, server, request.driver(Hypervisor).caps())


@actions.post(action="unpause", policy=RULE + "os-pause-server:unpause")
async def unpause(request: Request, tx: Any, server: Server) -> None:
    """Let a paused server go on."""
    await servers_power.unpause(request.context, tx, server)


@actions.post(action="suspend", policy=RULE + "os-suspend-server:suspend")
async def suspend(request: Request, tx: Any, server: Server) -> None:
    """Save a server's memory and switch it off."""
    await servers_power.suspend(request.context, tx, server, request.driver(Hypervisor).caps())


@actions.post(action="resume", policy=RULE + "os-suspend-server:resume")
async def resume(request: Request, tx: Any, server: Server) -> None:
    """Let a suspended server go on."""
    await servers_power.resume(request.context, tx, server)


@actions.post(action="lock", body=LOCK, policy=RULE + "os-lock-server:lock")
async def lock(request: Request, tx: Any, server: Server, body: dict[str, Any]) -> None:
    """Lock a server against changes."""
    reason = (body.get("lock") or {}).get("locked_reason") if request.has(v.LOCKED_REASON) else None
    await servers_admin.lock(request.context, tx, server, reason)


@actions.post(action="unlock", policy=RULE + "os-lock-server:unlock")
async def unlock(request: Request, tx: Any, server: Server) -> None:
    """Unlock a server."""
    override = request.allows(RULE + "os-lock-server:unlock:unlock_override", server)
    await servers_admin.unlock(request.context, tx, server, override=override)


@actions.post(action="rebuild", body=REBUILD, policy=RULE + "servers:rebuild", reply=REBUILT)
async def rebuild(request: Request, tx: Any, server: Server, body: dict[str, Any]) -> Reply:
    """Make a server anew from an image."""
    if body.get("trusted_image_certificates"):
        request.require(RULE + "servers:rebuild:trusted_certs", server)
    changes = servers_rebuild.Changes(
        image_id=body["imageRef"], admin_pass=body.get("adminPass"), name=body.get("name"),
        description=body.get("description", KEEP), hostname=body.get("hostname"), metadata=body.get("metadata"),
        access_ip_v4=body.get("accessIPv4", KEEP), access_ip_v6=body.get("accessIPv6", KEEP),
        disk_config=body.get("OS-DCF:diskConfig"), files=tuple(body.get("personality") or ()),
        key_name=body.get("key_name", KEEP),
        user_data=body.get("user_data", KEEP), trusted_certs=body.get("trusted_image_certificates", KEEP))
    await servers_rebuild.rebuild(request.context, tx, server, changes)
    return Reply(await changed(request, tx, server), headers={"Location": request.link(f"/servers/{server.id}")})


@actions.post(action="resize", body=RESIZE, policy=RULE + "servers:resize")
async def resize(request: Request, tx: Any, server: Server, body: dict[str, Any]) -> None:
    """Give a server another flavor, to be confirmed."""
    await servers_resize.resize(request.context, tx, server, body["flavorRef"], disk_config=body.get("OS-DCF:diskConfig"))


@actions.post(action="confirmResize", status=204, policy=RULE + "servers:confirm_resize")
async def confirm_resize(request: Request, tx: Any, server: Server) -> None:
    """Keep a server's new flavor."""
    await servers_resize.confirm(request.context, tx, server)


@actions.post(action="revertResize", policy=RULE + "servers:revert_resize")
async def revert_resize(request: Request, tx: Any, server: Server) -> None:
    """Go back to a server's old flavor."""
    await servers_resize.revert(request.context, tx, server)


@actions.post(action="rescue", status=200, body=RESCUE, policy=RULE + "os-rescue", answer=ADMIN_PASS)
async def rescue(request: Request, tx: Any, server: Server, body: dict[str, Any]) -> dict[str, Any]:
    """Boot a server from a rescue image."""
    asked = body["rescue"] or {}
    password = await servers_rebuild.rescue(request.context, tx, server, image_id=asked.get("rescue_image_ref"),
                                            admin_pass=asked.get("adminPass"))
    return {"adminPass": password}


@actions.post(action="unrescue", policy=RULE + "os-unrescue")
async def unrescue(request: Request, tx: Any, server: Server) -> None:
    """Boot a rescued server from its own disk again."""
    await servers_rebuild.unrescue(request.context, tx, server)


@actions.post(action="createImage", body=CREATE_IMAGE, policy=RULE + "servers:create_image", answer=IMAGE)
async def create_image(request: Request, tx: Any, server: Server, body: dict[str, Any]) -> Reply:
    """Make an image of a server's disk."""
    image_id = await servers_images.snapshot(request.context, tx, server, body["name"], body["metadata"], request.settings)
    if request.has(v.IMAGE_ID_IN_BODY):
        return Reply({"image_id": image_id})
    return Reply(headers={"Location": request.host_link(f"/image/v2/images/{image_id}")})


