"""Security groups as Nova showed them before 2.36: a proxy for Neutron's, with ingress rules only."""

from ipaddress import ip_network
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd import network
from cloudd.compute.api import API
from cloudd.compute.models import Server
from cloudd.compute.servers import interfaces
from cloudd.core.errors import BadRequest, CloudError, Conflict
from cloudd.core.http import Field, Request, Shape
from cloudd.core.http.types import Any_, Int, List, Obj, Record, Text
from cloudd.core.ids import is_uuid, whole

RULE = "os_compute_api:os-security-groups:{}"
LAST = "2.35"
EVERYBODY = {4: "0.0.0.0/0", 6: "::/0"}
GROUP = Shape("security_group", Field("name", Text(1, 255, pattern=r"\S"), required=True),
              Field("description", Text(0, 255, null=True)), extra=True)
NEW_RULE = Shape("security_group_rule", *(Field(name, Any_()) for name in
                 ("parent_group_id", "ip_protocol", "from_port", "to_port", "cidr", "group_id")), extra=True)
REMOTE = Obj({"tenant_id": Text(), "name": Text()})          # empty where addresses may come in, as the range is where a group may
SHOWN_RULE = Record({"id": Text(), "parent_group_id": Text(), "ip_protocol": Text(null=True), "from_port": Int(null=True),
                     "to_port": Int(null=True), "group": REMOTE, "ip_range": Obj({"cidr": Text()})})
SHOWN = {**dict.fromkeys(("id", "name", "tenant_id", "description"), Text()), "rules": List(SHOWN_RULE)}
ONE, ALL = Record({"security_group": Record(SHOWN)}), Record({"security_groups": List(Record(SHOWN))})
groups = API.resource("/os-security-groups", until=LAST)
rules = API.resource("/os-security-group-rules", until=LAST)


async def names(tx: AsyncSession, rows: list[network.SecurityGroup]) -> dict[str, network.SecurityGroup]:
    """The groups that rules refer to."""
    return await network.security_groups_by_id(tx, {rule.remote_group_id for row in rows for rule in row.rules
                                                    if rule.remote_group_id})


def rule_view(rule: network.GroupRule, remotes: dict[str, network.SecurityGroup]) -> dict[str, Any]:
    """Nova's words: -1 for every ICMP type, and the addresses or the group that may come in."""
    remote = remotes.get(rule.remote_group_id or "")
    every = -1 if rule.protocol in ("icmp", "ipv6-icmp", "icmpv6") else None
    low, high = (every if value is None else value for value in (rule.port_range_min, rule.port_range_max))
    cidr = rule.remote_ip_prefix or EVERYBODY[6 if rule.ethertype == "IPv6" else 4]
    return {"id": rule.id, "parent_group_id": rule.security_group_id, "ip_protocol": rule.protocol, "from_port": low,
            "to_port": high, "group": {"tenant_id": remote.project_id, "name": remote.name} if remote else {},
            "ip_range": {} if remote else {"cidr": cidr}}


def view(group: network.SecurityGroup, remotes: dict[str, network.SecurityGroup]) -> dict[str, Any]:
    return {"id": group.id, "name": group.name, "tenant_id": group.project_id, "description": group.description or "",
            "rules": [rule_view(rule, remotes) for rule in group.rules if rule.direction == "ingress"]}


def nova_words(error: CloudError) -> CloudError:
    """What Neutron calls a conflict, Nova calls a bad request."""
    return BadRequest(error.message, type=error.type) if isinstance(error, Conflict) else error


async def found(request: Request, tx: AsyncSession, group_id: str) -> network.SecurityGroup:
    if not is_uuid(group_id):
        raise BadRequest("Security group id should be uuid")
    return await network.find_security_group(request.context, tx, group_id)


@groups.get("", policy=RULE.format("get"), write=True, answer=ALL)
async def index(request: Request, tx: AsyncSession) -> dict[str, Any]:
    """List the security groups of the project."""
    everybody = request.context.is_admin and "all_tenants" in request.query
    rows = await network.list_security_groups(request.context, tx, everybody=everybody)
    remotes = await names(tx, rows)
    return {"security_groups": [view(row, remotes) for row in rows]}


@groups.post("", body=GROUP, policy=RULE.format("create"), answer=ONE)
async def create(request: Request, tx: AsyncSession, body: dict[str, Any]) -> dict[str, Any]:
    """Make a security group."""
    try:
        row = await network.create_security_group(request.context, tx, {"name": body["name"],
                                                                        "description": body.get("description") or ""})
    except Conflict as exc:
        raise nova_words(exc) from exc
    return {"security_group": view(row, await names(tx, [row]))}


@groups.get("/{group_id}", policy=RULE.format("show"), answer=ONE)
async def show(request: Request, tx: AsyncSession, group_id: str) -> dict[str, Any]:
    """Show a security group."""
    row = await found(request, tx, group_id)
    return {"security_group": view(row, await names(tx, [row]))}


@groups.put("/{group_id}", body=GROUP, use="create", policy=RULE.format("update"), answer=ONE)
async def update(request: Request, tx: AsyncSession, group_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Rename a security group, or describe it in other words."""
    row = await found(request, tx, group_id)
    changes = {name: body[name] for name in ("name", "description") if body.get(name) is not None}
    try:
        row = await network.update_security_group(request.context, tx, row, changes)
    except Conflict as exc:
        raise nova_words(exc) from exc
    return {"security_group": view(row, await names(tx, [row]))}


@groups.delete("/{group_id}", status=202, policy=RULE.format("delete"))
async def delete(request: Request, tx: AsyncSession, group_id: str) -> None:
    """Delete a security group that no port is in."""
    try:
        await network.delete_security_group(request.context, tx, await found(request, tx, group_id))
    except Conflict as exc:
        raise nova_words(exc) from exc


@rules.post("", body=NEW_RULE, policy=RULE.format("rule:create"), answer=Record({"security_group_rule": SHOWN_RULE}))
async def create_rule(request: Request, tx: AsyncSession, body: dict[str, Any]) -> dict[str, Any]:
    """Let something into a security group."""
    group = await found(request, tx, str(body.get("parent_group_id")))
    values = {"security_group_id": group.id, "direction": "ingress", **read_rule(body)}
    try:
        row = await network.create_security_group_rule(request.context, tx, values)
    except Conflict as exc:
        raise nova_words(exc) from exc
    remotes = await network.security_groups_by_id(tx, {row.remote_group_id} if row.remote_group_id else set())
    return {"security_group_rule": rule_view(row, remotes)}


def read_rule(body: dict[str, Any]) -> dict[str, Any]:
    """A rule in Nova's words as Neutron has it; -1 is any."""
    protocol = body.get("ip_protocol")
    if protocol is None and not body.get("group_id"):
        raise BadRequest("Invalid ip protocol None: it is tcp, udp or icmp.")
    ports = [_port(body.get(name), name) for name in ("from_port", "to_port")]
    if (ports[0] is None) != (ports[1] is None) and str(protocol).lower() != "icmp":
        raise BadRequest("Valid port ranges: from_port and to_port are given both or not at all.")
    version = 4
    cidr = str(body["cidr"]) if body.get("cidr") is not None and not body.get("group_id") else None
    if cidr is not None:
        version = _version_of(cidr)
    return {"protocol": str(protocol).lower() if protocol is not None else None, "port_range_min": ports[0],
            "port_range_max": ports[1], "ethertype": f"IPv{version}", "remote_ip_prefix": cidr,
            "remote_group_id": body.get("group_id") or None}


def _port(value: Any, name: str) -> int | None:
    if value is None or str(value) == "-1":
        return None
    if isinstance(value, bool) or (number := whole(value, 999_999)) is None:
        raise BadRequest(f"Invalid input for field/attribute {name}. Value: {value}. It must be a number from -1 to 65535.")
    return number


def _version_of(cidr: str) -> int:
    try:
        return ip_network(cidr, strict=False).version
    except ValueError as exc:
        raise BadRequest(f"Invalid cidr {cidr}.", type="InvalidCidr") from exc


@rules.delete("/{rule_id}", status=202, policy=RULE.format("rule:delete"))
async def delete_rule(request: Request, tx: AsyncSession, rule_id: str) -> None:
    """Delete a rule."""
    if not is_uuid(rule_id):
        raise BadRequest("Security group rule id should be uuid")
    row = await network.find_security_group_rule(request.context, tx, rule_id)
    await network.delete_security_group_rule(request.context, tx, row)


@API.resource("/servers/{server}/os-security-groups").get("", policy=RULE.format("list"), answer=ALL)
async def of_server(tx: AsyncSession, server: Server) -> dict[str, Any]:
    """List the security groups that a server is in."""
    rows = await interfaces.security_groups_of(tx, server)
    remotes = await names(tx, rows)
    return {"security_groups": [view(row, remotes) for row in rows]}
