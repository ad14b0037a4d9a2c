"""/security-groups and /security-group-rules"""

from sqlalchemy import or_, select

from cloudd import identity
from cloudd.core.http import Field
from cloudd.core.http import types as t
from cloudd.network import standard
from cloudd.network.api.collections import Logic, collection, sharing
from cloudd.network.api.conversions import PREFIX
from cloudd.network.api.shapes import (
    BOOL,
    LOOSE_INT,
    TEXT,
    NeutronShape,
    is_shared,
    standard_fields,
)
from cloudd.network.models import GroupRule, SecurityGroup
from cloudd.network.security import group_rules, groups

PROTOCOL = t.Raw({"type": ["string", "integer", "null"]}, lambda value: None if value is None else str(value))
ETHERTYPES = {"ipv4": "IPv4", "ipv6": "IPv6"}
ETHERTYPE = t.Raw({"enum": [*ETHERTYPES, *ETHERTYPES.values(), None]}, lambda value: ETHERTYPES[(value or "IPv4").lower()])

RULE = NeutronShape(
    "security_group_rule",
    *standard_fields(name=False, tags=False),
    Field("security_group_id", TEXT, required=True),
    Field("direction", t.Enum("ingress", "egress"), required=True),
    Field("ethertype", ETHERTYPE, default="IPv4"),
    Field("protocol", PROTOCOL),
    Field("port_range_min", LOOSE_INT),
    Field("port_range_max", LOOSE_INT),
    Field("remote_ip_prefix", PREFIX),
    Field("normalized_cidr", t.Text(null=True), readonly=True, of=lambda row, request: group_rules.normalized(row)),
    Field("remote_group_id", t.Text(0, 255, null=True)),
    Field("remote_address_group_id", t.NULL, readonly=True, of=lambda row, request: None),
    Field("belongs_to_default_sg", t.Bool(), readonly=True),
)
GROUP = NeutronShape(
    "security_group",
    *standard_fields(name_required=True),
    Field("stateful", BOOL, default=True),
    Field("shared", t.Bool(), readonly=True, of=is_shared),
    Field("security_group_rules", t.List(t.Raw(RULE.answer((0, 0)))), readonly=True,
          of=lambda row, request: RULE.views(row.rules, request)),
)


async def with_default(request, tx):
    """A project whose groups are looked at has one; an administrator may look at another's."""
    asked = [request.query[name] for name in ("project_id", "tenant_id") if request.query.get(name)]
    project = request.context.project_id
    if asked and standard.sees_all(request.context):
        project = asked[0] if await identity.project(tx, asked[0]) else None
    if project:
        await groups.default_id(request.context, tx, project)


async def group_of(request, tx, values):
    """Whose group the rule is made in: what the policy asks about."""
    query = select(SecurityGroup.project_id).where(SecurityGroup.id == values["security_group_id"])
    query = standard.groups_of(request.context, query)
    owner = (await tx.execute(query)).scalar()
    return {"security_group:project_id": request.context.project_id if owner is None else owner}


def rules_of(context, query):
    if standard.sees_all(context):
        return query
    groups_seen = select(SecurityGroup.id).where(SecurityGroup.project_id == context.project_id)
    return query.where(or_(GroupRule.project_id == context.project_id, GroupRule.security_group_id.in_(groups_seen)))


GROUPS = collection("/security-groups", SecurityGroup, GROUP, Logic(groups.create, groups.update, groups.delete),
                    visible=standard.groups_of, before_list=with_default, by_caller={"shared": sharing(SecurityGroup.id)})
RULES = collection("/security-group-rules", GroupRule, RULE, Logic(group_rules.create, None, group_rules.delete),
                   visible=rules_of, parent=group_of, before_list=with_default)
