"""/OS-TRUST/trusts: letting somebody act with one's own roles."""

from typing import Any

from sqlalchemy import select

from cloudd.core import clock, events, ids
from cloudd.core.errors import BadRequest, Forbidden, NotFound
from cloudd.core.http import Field, Page, Request, Shape
from cloudd.core.http import types as t
from cloudd.core.http.lists import Listing
from cloudd.core.http.shapes import part
from cloudd.identity.api import API, ID, PAGE, links
from cloudd.identity.api.roles import BRIEF
from cloudd.identity.audit import DelegationChanged
from cloudd.identity.models import Role, Trust, User
from cloudd.identity.people import effective

ROLE_REF = t.Raw({"type": "object", "properties": {"id": {"type": "string"}, "name": {"type": "string"},
                                                   "domain": {"type": "object"}},
                  "anyOf": [{"required": ["id"]}, {"required": ["name"]}]})
TRUST = Shape(
    "trust", ID, Field("trustor_user_id", t.Text(1, 64), required=True),
    Field("trustee_user_id", t.Text(1, 64), required=True), Field("project_id", t.Text(0, 64, null=True)),
    Field("impersonation", t.Bool(), required=True), Field("roles", t.List(ROLE_REF, 0, 128), default=list, reply=False),
    Field("expires_at", t.Text(0, 64, null=True), of=lambda row, request: clock.iso_micro(row.expires_at)),
    Field("remaining_uses", t.Int(1, null=True)), Field("allow_redelegation", t.Bool(), default=False, reply=False),
    Field("redelegation_count", t.Int(0, null=True)), Field("redelegated_trust_id", t.Text(0, 64, null=True)),
    Field("deleted_at", t.Text(null=True), readonly=True, of=lambda row, request: clock.iso_micro(row.deleted_at)),
    links("/OS-TRUST/trusts"), extra=True)
FULL = Shape("trust", *(item for item in TRUST.fields if item.name != "roles"),
             Field("roles", t.List(part(BRIEF)), of=lambda row, request: [BRIEF.view(role, request) for role in row.roles]),
             Field("roles_links", PAGE, of=lambda row, request: {
                 "self": request.link(f"/OS-TRUST/trusts/{row.id}/roles"), "next": None, "previous": None}), extra=True)
"""One trust, with its roles; lists leave them out."""
MAX_REDELEGATION = 3
trusts = API.resource("/OS-TRUST/trusts")
LISTING = Listing(Trust, {"trustor_user_id": Trust.trustor_user_id, "trustee_user_id": Trust.trustee_user_id})


@API.loader("trust")
async def load(request: Request, tx: Any, value: str) -> Trust:
    trust = await tx.get(Trust, value)
    if trust is None or trust.deleted_at is not None or (trust.expires_at and trust.expires_at <= request.context.now()):
        raise NotFound(f"Could not find trust: {value}.", type="TrustNotFound")
    return trust


async def _full(tx: Any, trust: Any) -> Trust:
    trust.roles = await _roles(tx, trust)
    return trust


async def _roles(tx: Any, trust: Trust) -> list[Role]:
    return list((await tx.execute(select(Role).where(Role.id.in_(trust.role_ids)).order_by(Role.name))).scalars())


@trusts.post("", status=201, body=TRUST, reply=FULL, policy="identity:create_trust")
async def create(request, tx, body):
    """Trust somebody with some of one's own roles on a project."""
    context, parent = request.context, None
    if body["trustor_user_id"] != context.user_id:
        raise Forbidden("The authenticated user should match trustor.")
    if context.token.is_delegated and not context.token.payload.trust_id:
        raise Forbidden("A token got through an application credential, OAuth or an EC2 signature cannot make trusts.")
    if context.token.payload.trust_id:
        parent = await tx.get(Trust, context.token.payload.trust_id)
    if await tx.get(User, body["trustee_user_id"]) is None:
        raise API.dialect.missing("user", body["trustee_user_id"])
    roles = await _delegated(tx, request, body)
    trust = Trust(id=ids.new_hex(), trustor_user_id=body["trustor_user_id"], trustee_user_id=body["trustee_user_id"],
                  project_id=body.get("project_id"), impersonation=body["impersonation"], role_ids=roles,
                  expires_at=moment_of(body, context.now()), remaining_uses=body.get("remaining_uses"),
                  redelegation_count=_redelegation(body, parent), redelegated_trust_id=parent.id if parent else None)
    if parent is not None:
        _within(trust, parent)
    tx.add(trust)
    await tx.flush()
    await events.emit(tx, request.context, DelegationChanged(trust.id, "trust", "created", trust.trustor_user_id))
    return await _full(tx, trust)


def moment_of(body: dict[str, Any], now: Any) -> Any:
    """The `expires_at` of a body, which must lie ahead. Raises BadRequest."""
    text = body.get("expires_at")
    if text is None:
        return None
    try:
        moment = clock.parse(text)
    except ValueError as exc:
        raise BadRequest(f"Invalid input for field 'expires_at': '{text}' is not a moment such as 2030-01-31T12:00:00Z.") from exc
    if moment <= now:
        raise BadRequest(f"Invalid input for field 'expires_at': {text} is past.")
    return moment


async def _delegated(tx: Any, request: Request, body: dict[str, Any]) -> list[str]:
    """The ids of the roles to delegate: those named, each one that the trustor has on the project."""
    project_id = body.get("project_id")
    if not project_id:
        if body["roles"]:
            raise BadRequest("Roles can be delegated on a project only: send project_id.")
        return []
    if not body["roles"]:
        raise Forbidden("At least one role should be specified.")
    chain = await effective.lineage(tx, project_id)
    if not chain:
        raise API.dialect.missing("project", project_id)
    held = await effective.roles_on_project(tx, body["trustor_user_id"], chain)
    token_roles = {key for key, _ in request.context.token.roles} if request.context.token.is_delegated else None
    return [_held(wanted, held, token_roles) for wanted in body["roles"]]


def _held(wanted: dict[str, Any], held: list[Role], limit: set[str] | None) -> str:
    for role in held:
        if (role.id == wanted.get("id") or ("id" not in wanted and role.name == wanted["name"])) and (
                limit is None or role.id in limit):
            return role.id
    raise NotFound(f"Could not find role: {wanted.get('id') or wanted['name']}. The trustor has not got it on the project.",
                   type="RoleNotFound")


def _redelegation(body: dict[str, Any], parent: Trust | None) -> int:
    """How many times more the trust may be handed on."""
    asked = body.get("redelegation_count")
    if not body["allow_redelegation"]:
        return 0
    most = parent.redelegation_count - 1 if parent else MAX_REDELEGATION
    if asked is not None and asked > most:
        raise Forbidden(f"Requested redelegation depth of {asked} is greater than allowed {most}.")
    return most if asked is None else asked


def _within(trust: Trust, parent: Trust) -> None:
    """Raise Forbidden unless a redelegated trust gives no more than the one it comes from."""
    if parent.redelegation_count < 1:
        raise Forbidden("Remaining redelegation depth of 0 out of allowed range: this trust cannot be handed on.")
    if trust.remaining_uses is not None:
        raise BadRequest("No remaining_uses may be set in a redelegated trust.")
    if trust.impersonation and not parent.impersonation:
        raise Forbidden("Impersonation is not allowed because redelegated trust does not specify impersonation.")
    if trust.project_id != parent.project_id or not set(trust.role_ids) <= set(parent.role_ids):
        raise Forbidden("Some of requested roles are not in redelegated trust.")
    if parent.expires_at and (trust.expires_at is None or trust.expires_at > parent.expires_at):
        raise Forbidden("Requested expiration time is more than redelegated trust can provide.")


def _list_target(request: Request) -> dict[str, Any]:
    return {"target": {"trust": {name: request.query.get(name) for name in ("trustor_user_id", "trustee_user_id")}}}


def _list_rule(request: Request) -> str:
    for name in ("trustor", "trustee"):
        if f"{name}_user_id" in request.query:
            return f"identity:list_trusts_for_{name}"
    return "identity:list_trusts"


@trusts.get("", policy="identity:get_trust", reply=TRUST, listing=LISTING, target=lambda request: {"target": {"trust": {
    "trustor_user_id": request.context.user_id}}})
async def index(request, tx) -> Page:
    """Trusts: one's own by trustor or trustee, all for administrators."""
    request.require(_list_rule(request), _list_target(request))
    asked = request.api.dialect.read_list(request)
    query = LISTING.filtered(select(Trust).where(Trust.deleted_at.is_(None)), asked)      # the filters are what one may see
    return await LISTING.paged(tx, query, asked, query)


@trusts.get("/{trust}", policy="identity:get_trust", reply=FULL)
async def show(tx, trust):
    """A trust, with the roles that it delegates."""
    return await _full(tx, trust)


@trusts.delete("/{trust}", policy="identity:delete_trust")
async def delete(request, tx, trust):
    """End a trust, and those that were handed on from it; their tokens are void."""
    ending = [trust]
    while ending:
        row = ending.pop()
        row.deleted_at = request.context.now()
        await events.emit(tx, request.context, DelegationChanged(row.id, "trust", "deleted", row.trustor_user_id))
        query = select(Trust).where(Trust.redelegated_trust_id == row.id, Trust.deleted_at.is_(None))
        ending.extend((await tx.execute(query)).scalars())


@trusts.get("/{trust}/roles", policy="identity:list_roles_for_trust", reply=BRIEF)
async def list_roles(tx, trust):
    """The roles that a trust delegates."""
    return await _roles(tx, trust)


@trusts.get("/{trust}/roles/{id}", policy="identity:get_role_for_trust", reply=BRIEF)
async def show_role(tx, trust, id):
    """One of the roles that a trust delegates."""
    for role in await _roles(tx, trust):
        if role.id == id:
            return role
    raise NotFound(f"Could not find role: {id}. The trust does not delegate it.", type="RoleNotFound")
