"""/roles: global and of a domain; and what they imply."""

from typing import Any

from sqlalchemy import select

from cloudd.core.errors import BadRequest, Conflict, Forbidden, NotFound
from cloudd.core.http import Field, Request, Shape
from cloudd.core.http import types as t
from cloudd.core.http.records import records
from cloudd.core.http.shapes import part
from cloudd.identity.api import API, BY_DOMAIN, BY_NAME, ID, SELF, asked, comparable, links
from cloudd.identity.models import Assignment, ImpliedRole, Project, Role
from cloudd.identity.people import projects

NEVER_IMPLIED = ("admin",)
"""Keystone's `prohibited_implied_role`: nobody becomes administrator without it being said."""

ROLE = Shape("role", ID, Field("name", t.Text(1, 255, pattern=r"\S"), required=True),
             Field("domain_id", t.Text(0, 64, null=True)), Field("description", t.Text(0, None, null=True)),
             Field("options", t.Obj({"immutable": t.Bool(null=True)}), default=dict), links("/roles"), extra=True)

BRIEF = Shape("role", ID, Field("name", t.Text()), links("/roles"))
RULE = {"prior_role": part(BRIEF), "implies": part(BRIEF)}
RULES = {**RULE, "implies": t.List(part(BRIEF))}
INFERENCE = t.Record({"role_inference": t.Record(RULE), "links": SELF})
IMPLIED = t.Record({"role_inference": t.Record(RULES), "links": SELF})
INFERENCES = t.Record({"role_inferences": t.List(t.Record(RULES)), "links": SELF})


def visible(request: Request, query: Any) -> Any:
    """A list is of the global roles, or of one domain's; the latter, and a domain's role, have rules of their own."""
    wanted = request.query.get("domain_id")
    if request.operation.names:
        return query
    if wanted:
        request.require("identity:list_domain_roles", {})
        return query.where(Role.domain_id == wanted)
    return query.where(Role.domain_id.is_(None))


def _domain_rule(request: Request, row: Role, rule: str) -> None:
    if row.domain_id is not None:
        request.require(rule, {"target": {"role": row}})


async def before_create(request: Request, tx: Any, values: dict[str, Any]) -> dict[str, Any]:
    domain_id = values.get("domain_id") or None
    if domain_id:
        request.require("identity:create_domain_role", {})
        domain = await tx.get(Project, domain_id)
        if domain is None or not domain.is_domain:
            raise API.dialect.missing("domain", domain_id)
    await check_name(tx, values["name"], domain_id)
    return {**values, "domain_id": domain_id, "options": projects.merged_options(None, values["options"])}


async def check_name(tx: Any, name: str, domain_id: str | None) -> None:
    if (await tx.execute(select(Role.id).where(Role.name == name, Role.domain_id.is_not_distinct_from(domain_id)))).first():
        at = f" at domain ID {domain_id}" if domain_id else ""
        raise Conflict(f"Conflict occurred attempting to store role - Duplicate entry found with name {name}{at}.")


async def before_update(request: Request, tx: Any, row: Role, values: dict[str, Any]) -> dict[str, Any]:
    _domain_rule(request, row, "identity:update_domain_role")
    projects.immutable(row, "update", "role", values)
    if values.pop("domain_id", row.domain_id) != row.domain_id:
        raise BadRequest("Update of `domain_id` is not allowed.")
    if values.get("name", row.name) != row.name:
        await check_name(tx, values["name"], row.domain_id)
    if "options" in values:
        values["options"] = projects.merged_options(row, values["options"])
    return values


async def before_delete(request: Request, tx: Any, row: Role) -> None:
    _domain_rule(request, row, "identity:delete_domain_role")
    projects.immutable(row, "delete", "role")
    await tx.execute(Assignment.__table__.delete().where(Assignment.role_id == row.id))


records(API, "/roles", Role, ROLE, policy="identity:{verb}", update_method="patch", verbs=("list", "create", "update", "delete"),
        filters=comparable(name=Role.name, description=Role.description), visible=visible,
        options={"list": {"query": asked(BY_NAME, BY_DOMAIN)}}, notify="identity.role.{past}",
        before_create=before_create, before_update=before_update, before_delete=before_delete)
roles = API.resource("/roles")


@roles.get("/{role}", policy="identity:get_role", reply=ROLE)
async def show(request, role):
    """A role."""
    _domain_rule(request, role, "identity:get_domain_role")
    return role


@API.loader("implied")
async def load_implied(request: Request, tx: Any, value: str) -> Role:
    role = await tx.get(Role, value)
    if role is None:
        raise API.dialect.missing("role", value)
    return role


async def _implied_by(tx: Any) -> dict[str, list[Role]]:
    query = select(ImpliedRole.prior_role_id, Role).join(Role, Role.id == ImpliedRole.implied_role_id).order_by(Role.name)
    found: dict[str, list[Role]] = {}
    for prior, role in await tx.execute(query):
        found.setdefault(prior, []).append(role)
    return found


@roles.get("/{role}/implies", policy="identity:list_implied_roles", answer=IMPLIED)
async def list_implied(request, tx, role):
    """The roles that a role implies."""
    implied = (await _implied_by(tx)).get(role.id, [])
    return {"role_inference": {"prior_role": BRIEF.view(role, request), "implies": [BRIEF.view(row, request) for row in implied]},
            "links": {"self": request.link(f"/roles/{role.id}/implies")}}


def _inference(request: Request, role: Role, implied: Role) -> dict[str, Any]:
    return {"role_inference": {"prior_role": BRIEF.view(role, request), "implies": BRIEF.view(implied, request)},
            "links": {"self": request.link(f"/roles/{role.id}/implies/{implied.id}")}}


async def _require_rule(tx: Any, role: Role, implied: Role) -> ImpliedRole:
    rule = await tx.get(ImpliedRole, (role.id, implied.id))
    if rule is None:
        raise NotFound(f"Could not find implied role: {role.id} does not imply {implied.id}.")
    return rule


@roles.put("/{role}/implies/{implied}", status=201, policy="identity:create_implied_role", answer=INFERENCE)
async def imply(request, tx, role, implied):
    """Let a role imply another."""
    if implied.name in NEVER_IMPLIED or role.id == implied.id or (implied.domain_id and not role.domain_id):
        raise Forbidden(f"Role {implied.id} ({implied.name}) cannot be an implied role of {role.id} ({role.name}).")
    await tx.merge(ImpliedRole(prior_role_id=role.id, implied_role_id=implied.id))
    return _inference(request, role, implied)


@roles.get("/{role}/implies/{implied}", policy="identity:get_implied_role", answer=INFERENCE)
async def show_implied(request, tx, role, implied):
    """One inference rule."""
    await _require_rule(tx, role, implied)
    return _inference(request, role, implied)


@roles.head("/{role}/implies/{implied}", status=204, policy="identity:check_implied_role")
async def check_implied(tx, role, implied):
    """Whether a role implies another."""
    await _require_rule(tx, role, implied)


@roles.delete("/{role}/implies/{implied}", policy="identity:delete_implied_role")
async def no_longer_imply(tx, role, implied):
    """Let a role no longer imply another."""
    await tx.delete(await _require_rule(tx, role, implied))


@API.resource("/role_inferences").get("", policy="identity:list_role_inference_rules", answer=INFERENCES)
async def inferences(request, tx):
    """All inference rules."""
    rules = await _implied_by(tx)
    priors = (await tx.execute(select(Role).where(Role.id.in_(rules)).order_by(Role.name))).scalars()
    found = [{"prior_role": BRIEF.view(prior, request), "implies": [BRIEF.view(row, request) for row in rules[prior.id]]}
             for prior in priors]
    return {"role_inferences": found, "links": {"self": request.link("/role_inferences")}}
