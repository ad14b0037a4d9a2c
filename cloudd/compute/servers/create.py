"""Making servers: every check before anything is promised, then rows, ports and one job a server, in one transaction."""

import base64
import binascii
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute import states
from cloudd.compute.boot.spec import require_disks
from cloudd.compute.config import CONFIG
from cloudd.compute.hosts import capacity
from cloudd.compute.models import Flavor, Keypair, Server, ServerGroup, ServerGroupMember, ServerMetadata, ServerTag
from cloudd.compute.quotas.values import QUOTAS
from cloudd.compute.servers import actions
from cloudd.compute.servers import devices as servers_devices
from cloudd.compute.servers import networks as servers_networks
from cloudd.compute.servers import snapshot as servers_images
from cloudd.compute.servers.events import tell
from cloudd.core import ids, jobs
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Forbidden, NoCapacity, OverQuota

PASSWORD_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
HOSTNAME_MAX = 63


@dataclass(frozen=True)
class Order:
    """What was asked for, lifted and named; what the caller may do beyond the usual is told beside it."""

    name: str
    flavor_id: str
    image_id: str | None
    networks: Any = None
    security_groups: tuple[str, ...] = ()
    devices: tuple[dict[str, Any], ...] = ()
    min_count: int = 1
    max_count: int = 1
    key_name: str | None = None
    user_data: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    files: tuple[dict[str, str], ...] = ()
    zone: str | None = None
    host: str | None = None
    node: str | None = None
    config_drive: bool = False
    disk_config: str | None = None
    admin_pass: str | None = None
    description: str | None = None
    hostname: str | None = None
    access_ip_v4: str | None = None
    access_ip_v6: str | None = None
    hints: dict[str, Any] = field(default_factory=dict)
    trusted_certs: list[str] | None = None
    external_networks: bool = False
    zero_disk: bool = False


@dataclass(frozen=True)
class Checked:
    """What the checks found out, shared by all servers of one order."""

    flavor: dict[str, Any]
    image: dict[str, Any]
    place: capacity.Place
    key: Keypair | None
    group: ServerGroup | None
    group_ids: list[str] | None
    wanted: tuple[servers_networks.Wanted, ...]
    disks: list[servers_devices.Disk]


async def create(context: Context, tx: AsyncSession, order: Order) -> list[Server]:
    """Order servers. Raises BadRequest, Forbidden, OverQuota, NoCapacity, Conflict; nothing is kept then."""
    if order.min_count > order.max_count:
        raise BadRequest("min_count must be <= max_count")
    checked = await _check(context, tx, order)
    count = await _count(context, tx, order, checked)
    if count > 1:
        servers_networks.require_single(checked.wanted)
    reservation = f"r-{secrets.token_hex(4)}"
    number = (await tx.execute(select(func.max(Server.number)))).scalar() or 0
    return [await _make(context, tx, order, checked, reservation, index, count, number + 1 + index) for index in range(count)]


async def _check(context: Context, tx: AsyncSession, order: Order) -> Checked:
    flavor = await usable_flavor(context, tx, order.flavor_id)
    root_image = order.image_id or next((item.get("uuid") for item in order.devices if str(item.get("boot_index")) == "0"
                                         and item.get("source_type") == "image"), None)
    disks = servers_devices.read(order.devices, flavor, order.image_id)
    image = await servers_images.usable(context, tx, root_image, flavor) if root_image else {}
    require_disks(CONFIG.caps, flavor, image.get("properties") or {}, [(disk.bus, _kind(disk, image)) for disk in disks])
    if not flavor["disk"] and not order.zero_disk:
        raise Forbidden("Only volume-backed servers are allowed for flavors with zero disk.")
    require_user_data(order.user_data)
    await require_items(context, tx, order.metadata, order.files)
    place = await capacity.place(tx, order.zone, host=order.host, node=order.node)
    await capacity.require_hints(tx, context, order.hints)
    return Checked(flavor, image, place, await keypair(context, tx, order.key_name), await _group(context, tx, order),
                   await servers_networks.groups(context, tx, order.security_groups),
                   await servers_networks.resolve(context, tx, order.networks, external_allowed=order.external_networks), disks)


def _kind(disk: servers_devices.Disk, image: dict[str, Any]) -> str:
    """An ISO is a CD whatever it is called."""
    return "disk" if disk.image_id and image.get("disk_format") == "iso" and disk.device_type == "cdrom" else disk.device_type


async def usable_flavor(context: Context, tx: AsyncSession, flavor_id: str) -> dict[str, Any]:
    """A flavor that the caller may boot, as the copy that a server keeps. Raises BadRequest."""
    flavor = await tx.get(Flavor, flavor_id)
    hidden = flavor is None or flavor.disabled or not (
        flavor.is_public or context.is_admin or context.project_id in {row.project_id for row in flavor.access_rows})
    if hidden:
        raise BadRequest(f"Invalid flavorRef provided: flavor {flavor_id} could not be found.", type="FlavorNotFound")
    return {"id": flavor.id, "name": flavor.name, "vcpus": flavor.vcpus, "ram": flavor.ram, "disk": flavor.disk,
            "ephemeral": flavor.ephemeral, "swap": flavor.swap, "rxtx_factor": flavor.rxtx_factor,
            "extra_specs": dict(sorted(flavor.extra_specs.items()))}


def require_user_data(user_data: str | None) -> None:
    """Raise BadRequest unless it is base64, as it is handed on."""
    try:
        base64.b64decode(user_data or "", validate=True)
    except binascii.Error as exc:
        text = "".join((user_data or "").split())
        if not re.fullmatch(r"[A-Za-z0-9+/]*={0,2}", text) or len(text) % 4:
            raise BadRequest("User data needs to be valid base 64.", type="InstanceUserDataMalformed") from exc


async def keypair(context: Context, tx: AsyncSession, name: str | None) -> Keypair | None:
    """A key pair of the caller. Raises BadRequest."""
    if name is None:
        return None
    query = select(Keypair).where(Keypair.user_id == context.user_id, Keypair.name == name)
    found = (await tx.execute(query)).scalar()
    if found is None:
        raise BadRequest(f"Invalid key_name provided: you have no key pair named {name}.", type="KeypairNotFound")
    return found


async def require_items(context: Context, tx: AsyncSession, metadata: Mapping[str, str],
                        files: Sequence[Mapping[str, str]]) -> None:
    """Raise OverQuota when there are too many metadata items or injected files, or too long ones."""
    limits = await QUOTAS.limits(tx, context.project_id or "")

    def over(name: str, number: int, what: str) -> None:
        if 0 <= limits[name] < number:
            raise OverQuota(f"Maximum number of {what} exceeded: {number} of at most {limits[name]}.", type="OverQuota")

    over("metadata_items", len(metadata), "metadata items")
    over("injected_files", len(files), "injected files")
    for item in files:
        over("injected_file_path_bytes", len(item["path"].encode()), "bytes in the path of an injected file")
        over("injected_file_content_bytes", len(_decoded(item["contents"])), "bytes in the content of an injected file")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=False)
    except binascii.Error as exc:
        raise BadRequest("Personality content must be base64.") from exc


async def _group(context: Context, tx: AsyncSession, order: Order) -> ServerGroup | None:
    group_id = order.hints.get("group")
    if not group_id:
        return None
    group = await tx.get(ServerGroup, group_id)
    if group is None or (group.project_id != context.project_id and not context.is_admin):
        raise BadRequest(f"Instance group {group_id} could not be found.", type="InstanceGroupNotFound")
    most = (await QUOTAS.limits(tx, context.project_id or ""))["server_group_members"]
    if 0 <= most < len(group.members) + order.max_count:
        raise OverQuota(f"Quota exceeded, too many servers in group: {len(group.members)} of at most {most} are in it.",
                        type="OverQuota")
    return group


async def _count(context: Context, tx: AsyncSession, order: Order, checked: Checked) -> int:
    """How many servers it will be: as many of max_count as quotas and the host allow, at least min_count."""
    flavor = checked.flavor
    claim = capacity.Claim.of_flavor(flavor)
    fits = await capacity.require(tx, claim, order.max_count)
    if checked.group is not None:
        fits = _apart(checked.group, fits)
    if fits < order.min_count:
        raise NoCapacity(f"No valid host was found. Asked for at least {order.min_count} servers of flavor {flavor['name']}; "
                         f"{fits} would fit.", type="NoValidHost")
    for count in range(fits, order.min_count - 1, -1):
        try:
            await QUOTAS.require(tx, context.project_id or "", instances=count, cores=count * flavor["vcpus"],
                                 ram=count * flavor["ram"])
            return count
        except OverQuota:
            if count == order.min_count:
                raise
    return order.min_count


def _apart(group: ServerGroup, fits: int) -> int:
    """Servers of an anti-affinity group share no host, and this is the only one."""
    if group.policy != "anti-affinity":
        return fits
    most = int((group.rules or {}).get("max_server_per_host", 1))
    left = most - len(group.members)
    if left < 1:
        raise NoCapacity(f"No valid host was found. Server group {group.name} ({group.id}) wants at most {most} of its servers "
                         f"on a host (anti-affinity); {CONFIG.host} has {len(group.members)} and is the only one.",
                         type="NoValidHost")
    return min(fits, left)


async def _make(context: Context, tx: AsyncSession, order: Order, checked: Checked, reservation: str, index: int,
                count: int, number: int) -> Server:
    server = _row(context, order, checked, reservation, index, count, number)
    tx.add(server)
    tx.add_all(ServerMetadata(server_id=server.id, key=key, value=value) for key, value in order.metadata.items())
    tx.add_all(ServerTag(server_id=server.id, tag=tag) for tag in dict.fromkeys(order.tags))
    tx.add_all(disk.row(context, server, place) for place, disk in enumerate(checked.disks))
    if checked.group is not None:
        tx.add(ServerGroupMember(group_id=checked.group.id, server_id=server.id))
    await tx.flush()
    await servers_networks.claim(context, tx, server, checked.wanted, checked.group_ids)
    await actions.begin(tx, context, server, "create")
    await tell(tx, context, server, "create.start")
    await jobs.ask(tx, context, "compute.server.create", locks=[server.id], server=server.id)
    return server


def _row(context: Context, order: Order, checked: Checked, reservation: str, index: int, count: int, number: int) -> Server:
    server_id, flavor, now = ids.new_uuid(), checked.flavor, context.now()
    suffix = f"-{index + 1}" if count > 1 else ""
    drive = order.config_drive or CONFIG.force_config_drive or checked.image.get("properties", {}).get(
        "img_config_drive") == "mandatory"
    key = checked.key
    return Server(
        id=server_id, number=number, project_id=context.project_id, user_id=context.user_id, name=order.name + suffix,
        description=order.description, hostname=_hostname(order, suffix, server_id), vm_state=states.BUILDING,
        task_state=states.SCHEDULING, power_state=states.NOSTATE, progress=0, image_id=checked.image.get("id"),
        image=checked.image, key_name=key.name if key else None,
        key_data=key.public_key if key else None, key_type=key.type if key else None, user_data=order.user_data or None,
        injected_files=[dict(item) for item in order.files] or None, admin_pass=order.admin_pass or new_password(),
        random_seed=base64.b64encode(secrets.token_bytes(512)).decode(), host=CONFIG.host, node=CONFIG.node,
        launched_on=CONFIG.host, availability_zone=checked.place.zone, pinned_zone=checked.place.pinned,
        access_ip_v4=order.access_ip_v4, access_ip_v6=order.access_ip_v6, config_drive=drive,
        disk_config=order.disk_config or ("AUTO" if checked.image.get("properties", {}).get("auto_disk_config") == "True"
                                          else "MANUAL"),
        root_device_name=None, reservation_id=reservation, launch_index=index, trusted_certs=order.trusted_certs,
        scheduler_hints=order.hints, created_at=now, updated_at=now, **servers_images.boot_files(checked.image), **sizes(flavor))


def sizes(flavor: dict[str, Any]) -> dict[str, Any]:
    """The columns that follow from a server's flavor."""
    return {"flavor_id": flavor["id"], "flavor": flavor, "vcpus": flavor["vcpus"], "memory_mb": flavor["ram"],
            "root_gb": flavor["disk"], "ephemeral_gb": flavor["ephemeral"], "swap_mb": flavor["swap"]}


def _hostname(order: Order, suffix: str, server_id: str) -> str:
    if order.hostname:
        return order.hostname + suffix
    return hostname_of(order.name, suffix) or f"Server-{server_id}"


def hostname_of(name: str, suffix: str = "") -> str:
    """A server's name as a host may be called: letters, digits and dashes; empty when nothing is left."""
    plain = name.encode("ascii", "ignore").decode().lower()
    plain = re.sub(r"[^\w-]+", "", re.sub(r"[\s_.]", "-", plain)).strip("-.")
    return (plain[:HOSTNAME_MAX - len(suffix)].rstrip("-") + suffix) if plain else ""


def new_password(length: int = 12) -> str:
    return "".join(secrets.choice(PASSWORD_ALPHABET) for _ in range(length))
