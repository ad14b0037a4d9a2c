"""What is answered of servers: one shape, each field with its lifetime."""

import functools
import hashlib
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd import image as images
from cloudd.compute import states
from cloudd.compute import versions as v
from cloudd.compute.api import bookmark, links
from cloudd.compute.config import CONFIG
from cloudd.compute.models import BlockDevice, Server, ServerFault, ServerGroupMember, Service
from cloudd.compute.models.servers import metadata_of, tags_of
from cloudd.compute.servers import interfaces
from cloudd.core import clock
from cloudd.core.http import Field, Request, Shape
from cloudd.core.http import types as t
from cloudd.core.http.dialects import LINKS
from cloudd.core.http.shapes import UNSET
from cloudd.core.rows import plain
from cloudd.core.rows.among import among
from cloudd.network import PortView

PROGRESSING = {"ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING"}
FAULTY = {"ERROR", "DELETED"}
RULE = "os_compute_api:"


@dataclass(slots=True)
class Eyes:
    """What this caller may see, found out once a request."""

    admin: bool
    host_status: str | None
    extra_specs: bool
    groups: bool = True
    full: bool = True


@dataclass(slots=True)
class Seen:
    """A server with what lies in other tables, and the eyes that look at it."""

    server: Server
    eyes: Eyes
    status: str
    metadata: dict[str, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    volumes: list[BlockDevice] = field(default_factory=list)
    ports: list[PortView] = field(default_factory=list)
    fault: ServerFault | None = None
    groups: list[str] = field(default_factory=list)
    image_properties: dict[str, str] | None = None
    extra: dict[str, Any] = field(default_factory=dict)


async def eyes(request: Request, tx: AsyncSession, *, groups: bool = True, full: bool = True) -> Eyes:
    admin = request.allows(RULE + "os-extended-server-attributes")
    extra_specs = request.has(v.FLAVOR_EMBEDDED) and request.allows(RULE + "servers:show:flavor-extra-specs")
    status = None
    if request.has(v.HOST_STATUS) and request.allows(RULE + "servers:show:host_status"):
        query = select(Service).where(Service.host == CONFIG.host, Service.binary == "nova-compute")
        service = (await tx.execute(query)).scalar()
        status = "UP" if service is None else "DOWN" if service.forced_down else "MAINTENANCE" if service.disabled else "UP"
    return Eyes(admin, status, extra_specs, groups, full)


async def see(request: Request, tx: AsyncSession, servers: list[Server], look: Eyes) -> list[Seen]:
    """The servers with all that is shown of them, in a constant number of queries."""
    ids = [server.id for server in servers]
    if not ids:
        return []
    metadata = await metadata_of(tx, ids)
    tags = await tags_of(tx, ids) if request.has(v.SERVER_TAGS) else {}
    ports = await interfaces.of_servers(tx, ids)
    volumes = await _volumes(tx, ids)
    seen = [Seen(server, look, states.status(server.vm_state, server.task_state), metadata.get(server.id, {}),
                 tags.get(server.id, []), volumes.get(server.id, []), ports.get(server.id, [])) for server in servers]
    await _add_faults(tx, seen)
    if look.groups and request.has(v.SERVER_GROUPS_OF_SERVER):
        await _add_groups(tx, seen)
    if request.has(v.IMAGE_PROPERTIES):
        await _add_images(request, tx, seen)
    return seen


async def _volumes(tx: AsyncSession, ids: list[str]) -> dict[str, list[BlockDevice]]:
    query = select(BlockDevice).where(among(BlockDevice.server_id, ids), BlockDevice.volume_id.is_not(None))
    found: dict[str, list[BlockDevice]] = {}
    for row in await plain.read(tx, BlockDevice, query.order_by(BlockDevice.number)):
        found.setdefault(row.server_id, []).append(row)
    return found


async def _add_faults(tx: AsyncSession, seen: list[Seen]) -> None:
    faulty = {item.server.id: item for item in seen if item.status in FAULTY}
    if faulty:
        query = select(ServerFault).where(among(ServerFault.server_id, faulty)).order_by(ServerFault.id)
        for row in await plain.read(tx, ServerFault, query):
            faulty[row.server_id].fault = row


async def _add_groups(tx: AsyncSession, seen: list[Seen]) -> None:
    by_id = {item.server.id: item for item in seen}
    query = select(ServerGroupMember).where(among(ServerGroupMember.server_id, by_id))
    for row in await plain.read(tx, ServerGroupMember, query):
        by_id[row.server_id].groups.append(row.group_id)


async def _add_images(request: Request, tx: AsyncSession, seen: list[Seen]) -> None:
    """What the image says now; of an image that is gone, what the server remembers."""
    found = await images.many(request.context, tx, {item.server.image_id for item in seen if item.server.image_id})
    for item in seen:
        image = found.get(item.server.image_id or "")
        item.image_properties = image.properties if image is not None else item.server.image.get("properties", {})


# -- one field each ---------------------------------------------------------------------------------------------------


def _admin(name: str) -> Any:
    return lambda seen, request: getattr(seen.server, name) if seen.eyes.admin else UNSET


def _progress(seen: Seen, request: Request) -> Any:
    return seen.server.progress if seen.status in PROGRESSING else UNSET


def _host_id(seen: Seen, request: Request) -> str:
    return host_id(seen.server.project_id, seen.server.host) if seen.server.host else ""


@functools.lru_cache(4096)
def host_id(project_id: str, host: str) -> str:
    """What tells a project's servers that they share a host, and not which."""
    return hashlib.sha224(f"{project_id}{host}".encode()).hexdigest()


def image(seen: Seen, request: Request) -> Any:
    image_id = seen.server.image_id
    if not image_id:
        return ""
    shown = {"id": image_id, "links": [bookmark(request, "images", image_id)]}
    return shown if seen.image_properties is None else {**shown, "properties": seen.image_properties}


def _flavor_link(seen: Seen, request: Request) -> dict[str, Any]:
    return {"id": seen.server.flavor_id, "links": [bookmark(request, "flavors", seen.server.flavor_id)]}


def _flavor(seen: Seen, request: Request) -> dict[str, Any]:
    flavor = seen.server.flavor
    shown = {**{name: flavor[name] for name in SIZES}, "original_name": flavor["name"]}
    if seen.eyes.extra_specs:
        shown["extra_specs"] = flavor.get("extra_specs", {})
    return shown


def addresses(ports: list[PortView], *, full: bool = True) -> dict[str, list[dict[str, Any]]]:
    """Addresses by the network's name; `full` tells their kind and MAC as well."""
    found: dict[str, list[dict[str, Any]]] = {}
    for port in ports:
        entries = found.setdefault(port.network_name, [])
        floating = port.floating_ips
        for fixed in port.fixed_ips:
            entries.append(_address(fixed.version, fixed.address, "fixed", port, full))
            for public, behind in floating:
                if behind == fixed.address:
                    entries.append(_address(4, public, "floating", port, full))
    return found


def _address(version: int, address: str, kind: str, port: PortView, full: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"version": version, "addr": address}
    return {**shown, "OS-EXT-IPS:type": kind, "OS-EXT-IPS-MAC:mac_addr": port.mac_address} if full else shown


def _groups(seen: Seen, request: Request) -> Any:
    names = dict.fromkeys(name for port in seen.ports for _, name in port.security_groups)
    return [{"name": name} for name in names] if names else UNSET


def _volume(row: BlockDevice, request: Request) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": row.volume_id}
    return {**shown, "delete_on_termination": row.delete_on_termination} if request.has(v.ADMIN_ATTRIBUTES) else shown


def _fault(seen: Seen, request: Request) -> Any:
    fault = seen.fault
    if fault is None or seen.status not in FAULTY:
        return UNSET
    shown = {"code": fault.code, "created": clock.iso(fault.created_at), "message": fault.message}
    if fault.details and (seen.eyes.admin or fault.code != 500):
        shown["details"] = fault.details
    return shown


OR_NULL = t.Text(null=True)
IMAGE = t.Raw({"anyOf": [{"const": ""}, t.Obj({"id": t.Uuid(), "links": t.Raw(LINKS), "properties": t.Map()}, ["id", "links"]).answer()]})
FLAVOR_LINK = t.Record({"id": t.Text(), "links": t.Raw(LINKS)})
SIZES = ("vcpus", "ram", "disk", "ephemeral", "swap")
FLAVOR = t.Obj({**dict.fromkeys(SIZES, t.Int()), "original_name": t.Text(), "extra_specs": t.Map(t.Text())}, [*SIZES, "original_name"])
ADDRESS = t.Obj({"version": t.Enum(4, 6), "addr": t.Ip(), "OS-EXT-IPS:type": t.Enum("fixed", "floating"), "OS-EXT-IPS-MAC:mac_addr": t.MAC},
                ["version", "addr"])
VOLUME = t.Obj({"id": t.Uuid(), "delete_on_termination": t.Bool()}, ["id"])
FAULT = t.Obj({"code": t.Int(), "created": t.Text(), "message": t.Text(), "details": t.Text()}, ["code", "created", "message"])
BASIC = (
    Field("id", t.Uuid(), of="server.id"),
    Field("name", t.Text(), of="server.name"),
    Field("status", t.Text(), of="status"),
    Field("tenant_id", t.Text(), of="server.project_id"),
    Field("user_id", t.Text(), of="server.user_id"),
    Field("metadata", t.Map(t.Text()), of="metadata"),
    Field("hostId", t.Text(), of=_host_id),
    Field("image", IMAGE, of=image),
    Field("flavor", FLAVOR_LINK, of=_flavor_link, until="2.46"),
    Field("flavor", FLAVOR, of=_flavor, since=v.FLAVOR_EMBEDDED),
    Field("created", t.Text(), of=lambda seen, request: clock.iso(seen.server.created_at)),
    Field("updated", t.Text(), of=lambda seen, request: clock.iso(seen.server.updated_at)),
    Field("addresses", t.Map(t.List(ADDRESS)), of=lambda seen, request: addresses(seen.ports, full=seen.eyes.full)),
    Field("accessIPv4", t.Text(), of=lambda seen, request: seen.server.access_ip_v4 or ""),
    Field("accessIPv6", t.Text(), of=lambda seen, request: seen.server.access_ip_v6 or ""),
    Field("links", t.Raw(LINKS), of=lambda seen, request: links(request, "servers", seen.server.id)),
    Field("OS-DCF:diskConfig", t.Enum("AUTO", "MANUAL"), of="server.disk_config"),
    Field("progress", t.Int(), of=_progress, sometimes=True),
    Field("fault", FAULT, of=_fault, sometimes=True),
    Field("locked", t.Bool(), of="server.locked", since=v.LOCKED),
    Field("description", OR_NULL, of="server.description", since=v.DESCRIPTION),
    Field("tags", t.List(t.Text()), of="tags", since=v.SERVER_TAGS),
    Field("trusted_image_certificates", t.List(t.Text(), null=True), of="server.trusted_certs", since=v.TRUSTED_CERTIFICATES),
    Field("server_groups", t.List(t.Uuid()), of=lambda seen, request: seen.groups if seen.eyes.groups else UNSET, sometimes=True,
          since=v.SERVER_GROUPS_OF_SERVER),
    Field("locked_reason", OR_NULL, of="server.locked_reason", since=v.LOCKED_REASON),
    Field("pinned_availability_zone", OR_NULL, of="server.pinned_zone", since=v.PINNED_ZONE),
    Field("scheduler_hints", t.Map(), of=lambda seen, request: seen.server.scheduler_hints or {}, since=v.SCHEDULER_HINTS),
)
EXTENDED = (
    Field("key_name", OR_NULL, of="server.key_name"),
    Field("config_drive", t.Text(), of=lambda seen, request: "True" if seen.server.config_drive else ""),
    Field("security_groups", t.List(t.Record({"name": t.Text()})), of=_groups, sometimes=True),
    Field("OS-SRV-USG:launched_at", OR_NULL, of=lambda seen, request: clock.iso_naive(seen.server.launched_at)),
    Field("OS-SRV-USG:terminated_at", OR_NULL, of=lambda seen, request: clock.iso_naive(seen.server.terminated_at)),
    Field("OS-EXT-AZ:availability_zone", t.Text(), of=lambda seen, request: seen.server.availability_zone or ""),
    Field("OS-EXT-STS:task_state", OR_NULL, of="server.task_state"),
    Field("OS-EXT-STS:vm_state", t.Text(), of="server.vm_state"),
    Field("OS-EXT-STS:power_state", t.Int(), of="server.power_state"),
    Field("os-extended-volumes:volumes_attached", t.List(VOLUME), of=lambda seen, request: [_volume(row, request) for row in seen.volumes]),
    Field("OS-EXT-SRV-ATTR:host", OR_NULL, of=_admin("host"), sometimes=True),
    Field("OS-EXT-SRV-ATTR:hypervisor_hostname", OR_NULL, of=_admin("node"), sometimes=True),
    Field("OS-EXT-SRV-ATTR:instance_name", t.Text(),
          of=lambda seen, request: CONFIG.instance_name(seen.server.number) if seen.eyes.admin else UNSET, sometimes=True),
    Field("OS-EXT-SRV-ATTR:reservation_id", t.Text(), of=_admin("reservation_id"), sometimes=True, since=v.ADMIN_ATTRIBUTES),
    Field("OS-EXT-SRV-ATTR:launch_index", t.Int(), of=_admin("launch_index"), sometimes=True, since=v.ADMIN_ATTRIBUTES),
    Field("OS-EXT-SRV-ATTR:hostname", t.Text(), of=_admin("hostname"), sometimes=True, since=v.ADMIN_ATTRIBUTES, until="2.89"),
    Field("OS-EXT-SRV-ATTR:hostname", t.Text(), of="server.hostname", since=v.HOSTNAME),
    Field("OS-EXT-SRV-ATTR:kernel_id", t.Text(), of=lambda seen, request: seen.server.kernel_id or "" if seen.eyes.admin else UNSET,
          sometimes=True, since=v.ADMIN_ATTRIBUTES),
    Field("OS-EXT-SRV-ATTR:ramdisk_id", t.Text(), of=lambda seen, request: seen.server.ramdisk_id or "" if seen.eyes.admin else UNSET,
          sometimes=True, since=v.ADMIN_ATTRIBUTES),
    Field("OS-EXT-SRV-ATTR:root_device_name", OR_NULL, of=_admin("root_device_name"), sometimes=True, since=v.ADMIN_ATTRIBUTES),
    Field("OS-EXT-SRV-ATTR:user_data", OR_NULL, of=_admin("user_data"), sometimes=True, since=v.ADMIN_ATTRIBUTES),
    Field("host_status", t.Text(), of=lambda seen, request: UNSET if seen.eyes.host_status is None else seen.eyes.host_status,
          sometimes=True, since=v.HOST_STATUS),
)
SERVER = Shape("server", *BASIC, *EXTENDED)
CHANGED = Shape("server", *BASIC, *(item.later(v.STRICT) for item in EXTENDED))
"""The reply to a change: from 2.75 on it is the whole server."""
REBUILT = Shape("server", *(item for item in CHANGED.fields if item.name != "OS-EXT-SRV-ATTR:user_data"),
    Field("adminPass", OR_NULL, of="server.admin_pass"),
    Field("key_name", OR_NULL, of="server.key_name", since=v.REBUILD_KEY, until="2.74"),
    Field("user_data", OR_NULL, of="server.user_data", since=v.PERSONALITY_GONE),
)
"""The reply to a rebuild, which has the user data for everybody."""
BRIEF = Shape("server", Field("id", t.Uuid(), of="id"), Field("name", t.Text(), of="name"),
              Field("links", t.Raw(LINKS), of=lambda server, request: links(request, "servers", server.id)))
