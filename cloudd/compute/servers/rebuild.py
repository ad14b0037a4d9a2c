"""Making a server anew from an image, keeping its id, addresses and ports; and booting it from another image to mend it."""

import base64
import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute import states
from cloudd.compute.boot.spec import require_disks
from cloudd.compute.config import CONFIG
from cloudd.compute.models import BlockDevice, Server, ServerMetadata
from cloudd.compute.servers import actions
from cloudd.compute.servers import snapshot as servers_images
from cloudd.compute.servers.change import require_unlocked, touch
from cloudd.compute.servers.create import keypair, new_password, require_items, require_user_data
from cloudd.compute.servers.events import tell
from cloudd.core import jobs
from cloudd.core.context import Context

KEEP: Any = object()
"""This is to stay as it is; None takes it away."""


@dataclass(frozen=True)
class Changes:
    """What a rebuild changes beside the disk; KEEP where nothing was said."""

    image_id: str
    admin_pass: str | None = None
    name: str | None = None
    description: Any = KEEP
    hostname: str | None = None
    metadata: dict[str, str] | None = None
    access_ip_v4: Any = KEEP
    access_ip_v6: Any = KEEP
    disk_config: str | None = None
    files: tuple[dict[str, str], ...] = ()
    key_name: Any = KEEP
    user_data: Any = KEEP
    trusted_certs: Any = KEEP


async def rebuild(context: Context, tx: AsyncSession, server: Server, changes: Changes) -> None:
    """Order a rebuild. Raises Conflict in a wrong state, BadRequest for an image that does not fit, OverQuota."""
    require_unlocked(context, server)
    states.require_move(server, "rebuild")
    image = await servers_images.usable(context, tx, changes.image_id, server.flavor)
    buses = select(BlockDevice.disk_bus).where(BlockDevice.server_id == server.id, BlockDevice.volume_id.is_(None))
    require_disks(CONFIG.caps, server.flavor, image["properties"], [(bus, "disk") for bus in (await tx.execute(buses)).scalars()])
    if changes.user_data not in (KEEP, None):
        require_user_data(changes.user_data)
    await require_items(context, tx, changes.metadata or {}, changes.files)
    key = KEEP
    if changes.key_name is not KEEP:
        key = await keypair(context.acting_for(server.project_id, server.user_id), tx, changes.key_name)
    was = server.vm_state
    await states.SERVER.enter(tx, server, "rebuild")
    _write(server, changes, image, key)
    root = (BlockDevice.server_id == server.id) & (BlockDevice.name == "root") & BlockDevice.volume_id.is_(None)
    await tx.execute(update(BlockDevice).where(root).values(image_id=image["id"], source_type="image"))
    if changes.metadata is not None:
        await tx.execute(delete(ServerMetadata).where(ServerMetadata.server_id == server.id))
        tx.add_all(ServerMetadata(server_id=server.id, key=key, value=value) for key, value in changes.metadata.items())
    await touch(context, tx, server)
    await actions.begin(tx, context, server, "rebuild")
    await tell(tx, context, server, "rebuild.start")
    await jobs.ask(tx, context, "compute.server.rebuild", locks=[server.id], server=server.id, stopped=was == states.STOPPED)


def _write(server: Server, changes: Changes, image: dict[str, Any], key: Any) -> None:
    server.image_id, server.image = image["id"], image
    for name, value in servers_images.boot_files(image).items():
        setattr(server, name, value)
    server.admin_pass = changes.admin_pass or new_password()
    server.injected_files = [dict(item) for item in changes.files] or None
    server.random_seed = base64.b64encode(secrets.token_bytes(512)).decode()
    for name in ("name", "hostname", "disk_config"):
        if getattr(changes, name) is not None:
            setattr(server, name, getattr(changes, name))
    for name in ("description", "access_ip_v4", "access_ip_v6", "user_data", "trusted_certs"):
        if getattr(changes, name) is not KEEP:
            setattr(server, name, getattr(changes, name) or None)
    if key is not KEEP:
        server.key_name, server.key_data, server.key_type = (key.name, key.public_key, key.type) if key else (None, None, None)


async def rescue(context: Context, tx: AsyncSession, server: Server, *, image_id: str | None, admin_pass: str | None) -> str:
    """Boot from a rescue image with the server's own disk beside it; returns the password told to the guest."""
    require_unlocked(context, server)
    states.require_move(server, "rescue")
    image = await servers_images.usable(context, tx, image_id or server.image_id or "", server.flavor)
    bus = image["properties"].get("hw_rescue_bus")
    require_disks(CONFIG.caps, server.flavor, server.image.get("properties") or {}, [(bus, "disk")])
    await states.SERVER.enter(tx, server, "rescue")
    server.admin_pass = admin_pass or new_password()
    server.system_metadata = {**server.system_metadata, "rescue_image": image}
    await touch(context, tx, server)
    await actions.begin(tx, context, server, "rescue")
    await tell(tx, context, server, "rescue.start")
    await jobs.ask(tx, context, "compute.server.rescue", locks=[server.id], server=server.id)
    return server.admin_pass


async def unrescue(context: Context, tx: AsyncSession, server: Server) -> None:
    """Back to the server's own disk."""
    require_unlocked(context, server)
    states.require_launched(server, "unrescue")
    await states.SERVER.enter(tx, server, "unrescue")
    await touch(context, tx, server)
    await actions.begin(tx, context, server, "unrescue")
    await tell(tx, context, server, "unrescue.start")
    await jobs.ask(tx, context, "compute.server.unrescue", locks=[server.id], server=server.id)
