"""The rules of security group rules: what they may say, and that none is said twice."""

import ipaddress
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Conflict, NotFound
from cloudd.core.ids import whole
from cloudd.network import changes, standard
from cloudd.network.config import QUOTAS
from cloudd.network.models import GroupRule, SecurityGroup
from cloudd.network.security import groups

NUMBERS = {"ah": 51, "dccp": 33, "egp": 8, "esp": 50, "gre": 47, "hopopt": 0, "icmp": 1, "igmp": 2, "ip": 0, "ipip": 4,
           "ipv6-encap": 41, "ipv6-frag": 44, "ipv6-icmp": 58, "ipv6-nonxt": 59, "ipv6-opts": 60, "ipv6-route": 43, "icmpv6": 58,
           "ospf": 89, "pgm": 113, "rsvp": 46, "sctp": 132, "tcp": 6, "udp": 17, "udplite": 136, "vrrp": 112}
WITH_PORTS = {6, 17, 33, 132, 136}
ICMP = {1, 58}
ONLY_IPV6 = {41, 43, 44, 58, 59, 60}
SAYS = ("direction", "ethertype", "protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "remote_group_id")
Values = dict[str, Any]


async def create(context: Context, tx: AsyncSession, values: Values) -> GroupRule:
    group = await _group(context, tx, values["security_group_id"])
    said = await _checked(context, tx, values)
    await QUOTAS.require(tx, group.project_id, security_group_rule=1)
    await _require_new(tx, group.id, said)
    rule = standard.born(context, GroupRule, group.project_id, security_group_id=group.id,
                         description=values.get("description") or "", **said)
    tx.add(rule)
    standard.touch(context, group)
    await changes.group(tx, context, group.id)
    await standard.fresh(tx, rule)
    await standard.tell(tx, context, "security_group_rule", "create", rule)
    return rule


async def _group(context: Context, tx: AsyncSession, group_id: str) -> SecurityGroup:
    group = (await tx.execute(standard.groups_of(context, select(SecurityGroup).where(SecurityGroup.id == group_id)))).scalar()
    if group is None:
        raise NotFound(f"Security group {group_id} does not exist", type="SecurityGroupNotFound")
    return group


async def _checked(context: Context, tx: AsyncSession, values: Values) -> Values:
    said = {name: values.get(name) for name in SAYS}
    said["ethertype"] = said["ethertype"] or "IPv4"
    said["protocol"] = _protocol(said["protocol"])
    _check_protocol(said)
    if said["remote_group_id"] and said["remote_ip_prefix"]:
        raise BadRequest("Only one remote_ip_prefix or remote_group_id may be provided.",
                         type="SecurityGroupMultipleRemoteAttributes")
    if said["remote_ip_prefix"]:
        net = ipaddress.ip_network(said["remote_ip_prefix"], strict=False)
        if f"IPv{net.version}" != said["ethertype"]:
            raise BadRequest(f"Conflicting value ethertype {said['ethertype']} for CIDR {said['remote_ip_prefix']}",
                             type="SecurityGroupRuleParameterConflict")
    if said["remote_group_id"]:
        await groups.require(context, tx, [said["remote_group_id"]])
    return said


def _protocol(text: str | None) -> str | None:
    """A protocol as Neutron keeps it: a known name in lower case, or a number as text; `any` is none."""
    if text is None or text.lower() in ("any", ""):
        return None
    text = text.lower()
    if text in NUMBERS:
        return text
    if whole(text, 255) is not None:
        return text
    raise BadRequest(f"Security group rule protocol {text} not supported. Only protocol values "
                     f"{', '.join(sorted(NUMBERS))} and integer representations [0 to 255] are supported.",
                     type="SecurityGroupRuleInvalidProtocol")


def _check_protocol(said: Values) -> None:
    protocol, low, high = said["protocol"], said["port_range_min"], said["port_range_max"]
    number = None if protocol is None else NUMBERS.get(protocol, int(protocol) if protocol.isdigit() else -1)
    if number in ONLY_IPV6 and said["ethertype"] == "IPv4":
        raise BadRequest(f"Invalid ethertype IPv4 for protocol {protocol}.", type="SecurityGroupEthertypeConflictWithProtocol")
    if number in ICMP:
        _check_icmp(low, high)
    elif low is None and high is None:
        return
    elif number in WITH_PORTS:
        _check_ports(low, high)
    else:
        raise BadRequest(f"Ports cannot be set for protocol {protocol or 'any'}; give tcp, udp, sctp, dccp or udplite."
                         if protocol else "Must also specify protocol if port range is given.",
                         type="SecurityGroupInvalidProtocolForPort" if protocol else "SecurityGroupProtocolRequiredWithPorts")


def _check_icmp(kind: int | None, code: int | None) -> None:
    for name, value in (("type", kind), ("code", code)):
        if value is not None and not 0 <= value <= 255:
            field = "port_range_min" if name == "type" else "port_range_max"
            raise BadRequest(f"Invalid value for ICMP {name} ({field}) {value}. It must be 0 to 255.",
                             type="SecurityGroupInvalidIcmpValue")
    if kind is None and code is not None:
        raise BadRequest(f"ICMP code (port-range-max) {code} is provided but ICMP type (port-range-min) is missing.",
                         type="SecurityGroupMissingIcmpType")


def _check_ports(low: int | None, high: int | None) -> None:
    if low is None or high is None or not low <= high:
        raise BadRequest("For TCP/UDP protocols, port_range_min must be <= port_range_max", type="SecurityGroupInvalidPortRange")
    if low < 1 or high > 65535:
        raise BadRequest(f"Invalid value for port {low if low < 1 else high}", type="SecurityGroupInvalidPortValue")


def normalized(rule: GroupRule) -> str | None:
    """The remote prefix as a network without host bits."""
    return str(ipaddress.ip_network(rule.remote_ip_prefix, strict=False)) if rule.remote_ip_prefix else None


def _key(said: Values) -> tuple[Any, ...]:
    """What a rule means: two with the same are the same, however they were written."""
    prefix = said["remote_ip_prefix"]
    everybody = prefix and ipaddress.ip_network(prefix, strict=False).prefixlen == 0
    protocol = said["protocol"]
    return (said["direction"], said["ethertype"], str(NUMBERS.get(protocol, protocol)), said["port_range_min"],
            said["port_range_max"], None if not prefix or everybody else str(ipaddress.ip_network(prefix, strict=False)),
            said["remote_group_id"])


async def _require_new(tx: AsyncSession, group_id: str, said: Values) -> None:
    query = select(GroupRule).where(GroupRule.security_group_id == group_id, GroupRule.direction == said["direction"],
                                    GroupRule.ethertype == said["ethertype"])
    wanted = _key(said)
    for row in (await tx.execute(query)).scalars():
        if _key({name: getattr(row, name) for name in SAYS}) == wanted:
            raise Conflict(f"Security group rule already exists. Rule id is {row.id}.", type="SecurityGroupRuleExists")


async def delete(context: Context, tx: AsyncSession, rule: GroupRule) -> None:
    group = await tx.get_one(SecurityGroup, rule.security_group_id)
    standard.touch(context, group)
    await standard.tell(tx, context, "security_group_rule", "delete", rule)
    await tx.delete(rule)
    await changes.group(tx, context, group.id)
    await tx.flush()
