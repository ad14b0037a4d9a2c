"""/users/{user}/application_credentials: secrets that stand for a user on one project."""

from typing import Any

from sqlalchemy import func, select

from cloudd.core import clock, events, ids
from cloudd.core.errors import BadRequest, Conflict, Forbidden
from cloudd.core.http import Field, Page, Request, Shape
from cloudd.core.http import types as t
from cloudd.core.http.lists import Listing
from cloudd.core.http.shapes import UNSET
from cloudd.identity.api import API, ID, SELF, comparable
from cloudd.identity.api.tokens import RULES
from cloudd.identity.api.trusts import ROLE_REF, moment_of
from cloudd.identity.audit import DelegationChanged
from cloudd.identity.models import ApplicationCredential, Role
from cloudd.identity.models.extensions import CredentialRule
from cloudd.identity.passwords import Hasher
from cloudd.identity.tokens import access_rules

RULE_REF = t.Raw({"type": "object", "anyOf": [
    {"properties": {"id": {"type": "string", "minLength": 1}}, "required": ["id"], "additionalProperties": False},
    {"properties": {"path": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^/.*"},
                    "method": {"enum": ["POST", "GET", "HEAD", "PATCH", "PUT", "DELETE"]},
                    "service": {"type": "string", "minLength": 1, "maxLength": 64}},
     "required": ["path", "method", "service"], "additionalProperties": False}]})
MOST = 128
CREDENTIAL = Shape(
    "application_credential", ID, Field("name", t.Text(1, 255), required=True),
    Field("description", t.Text(0, None, null=True)), Field("project_id", t.Text(), readonly=True),
    Field("secret", t.Text(1, None, null=True), sometimes=True, of=lambda row, request: getattr(row, "secret", UNSET)),
    Field("access_rules", t.List(RULE_REF, 0, MOST), answer=RULES, sometimes=True,
          of=lambda row, request: UNSET if row.access_rules is None else row.access_rules),
    Field("roles", t.List(ROLE_REF, 0, MOST), answer=t.List(t.Record({"id": t.Text(), "name": t.Text(), "domain_id": t.Text(null=True)})),
          of=lambda row, request: [{"id": role.id, "name": role.name, "domain_id": role.domain_id} for role in row.roles]),
    Field("expires_at", t.Text(0, 64, null=True), of=lambda row, request: (clock.iso_micro(row.expires_at) or "").rstrip("Z")
          or None),
    Field("unrestricted", t.Bool(null=True), default=False),
    Field("links", SELF, readonly=True, of=lambda row, request: {
        "self": request.link(f"/users/{row.user_id}/application_credentials/{row.id}")}))
LISTING = Listing(ApplicationCredential, comparable(name=ApplicationCredential.name))
resource = API.resource("/users/{user_id}/application_credentials")


@API.loader("application_credential")
async def load(request: Request, tx: Any, value: str) -> ApplicationCredential:
    row = await tx.get(ApplicationCredential, value)
    if row is None:
        raise API.dialect.missing("application_credential", value)
    return row


def _target(request: Request) -> dict[str, Any]:
    """Its owner, whatever user the address names."""
    row = request.loaded.get("application_credential")
    return {"user_id": row.user_id if row else request.path["user_id"]}


def _unrestricted(request: Request) -> None:
    """An application credential may make and delete others only if it was made `unrestricted`."""
    if request.context.token.is_restricted:
        raise Forbidden("This token was got through a trust, a restricted application credential, OAuth or an EC2 signature: it "
                        "cannot manage application credentials.")


@resource.post("", status=201, body=CREDENTIAL, reply=CREDENTIAL, live=True,
               policy="identity:create_application_credential", target=_target)
async def create(request, body):
    """Make an application credential; the secret is shown this once."""
    _unrestricted(request)
    token = request.context.token
    if token.project is None:
        raise BadRequest("An application credential is made with a token scoped to a project.")
    secret = body.get("secret") or ids.new_secret(64)
    hashed = await request.service(Hasher).make(secret)
    async with request.parts.database.write() as tx:
        query = select(ApplicationCredential.id).where(ApplicationCredential.user_id == request.context.user_id,
                                                       ApplicationCredential.name == body["name"])
        if (await tx.execute(query)).first():
            raise Conflict("Conflict occurred attempting to store application_credential - Duplicate entry found with name "
                           f"{body['name']}.")
        await _room_for_one(request, tx)
        row = ApplicationCredential(
            id=ids.new_hex(), name=body["name"], user_id=request.context.user_id, project_id=token.project.id, secret_hash=hashed,
            description=body.get("description"), role_ids=_roles(token.roles, body.get("roles")),
            unrestricted=bool(body["unrestricted"]), expires_at=moment_of(body, request.context.now()))
        tx.add(row)
        await tx.flush()
        await _restrict(request, tx, row, body.get("access_rules"))
        await events.emit(tx, request.context, DelegationChanged(row.id, "application credential", "created", row.user_id))
        await _with_roles(tx, [row])
    row.secret = secret
    return row


async def _room_for_one(request: Request, tx: Any) -> None:
    most = request.settings.identity.application_credentials_per_user
    query = select(func.count()).where(ApplicationCredential.user_id == request.context.user_id)
    if most and (await tx.execute(query)).scalar_one() >= most:
        raise Forbidden(f"Unable to create additional application credentials, maximum of {most} already exceeded for user.")


async def _restrict(request: Request, tx: Any, row: ApplicationCredential, wanted: list[dict[str, str]] | None) -> None:
    """Let it make only the requests that are asked for; an empty list, which the `openstack` command sends, sets no limit."""
    if not wanted:
        return
    try:
        rules = await access_rules.keep(tx, row.user_id, wanted, request.settings.identity.application_credentials_per_user)
    except LookupError as exc:
        raise BadRequest(f"Could not find access rule: {exc.args[0]}.") from exc
    except OverflowError as exc:
        raise Forbidden(f"Unable to create additional access rules, maximum of {exc.args[0]} already exceeded for user.") from exc
    row.access_rules = [{"id": rule.id, "service": rule.service, "path": rule.path, "method": rule.method} for rule in rules]
    tx.add_all([CredentialRule(application_credential_id=row.id, access_rule_id=rule.id) for rule in rules])


def _roles(held: tuple[tuple[str, str], ...], wanted: list[dict[str, Any]] | None) -> list[str]:
    """The ids of the roles asked for, each one of the token's; all of the token's when none is asked for."""
    if not wanted:
        return [key for key, _ in held]
    found = []
    for role in wanted:
        match = [key for key, name in held if key == role.get("id") or ("id" not in role and name == role["name"])]
        if not match:
            raise BadRequest(f"Could not find role assignment with role: {role.get('id') or role['name']}: the token has not got "
                             "it on this project.")
        found += match
    return found


async def _with_roles(tx: Any, rows: list[Any]) -> None:
    """Give each of the credentials the roles that it stands for."""
    query = select(Role).where(Role.id.in_({key for row in rows for key in row.role_ids})).order_by(Role.name)
    roles = (await tx.execute(query)).scalars().all()
    for row in rows:
        row.roles = [role for role in roles if role.id in row.role_ids]


@resource.get("", policy="identity:list_application_credentials", target=_target, reply=CREDENTIAL, listing=LISTING)
async def index(request, tx):
    """A user's application credentials."""
    query = select(ApplicationCredential).where(ApplicationCredential.user_id == request.path["user_id"])
    page: Page = await LISTING.page(request, tx, query)
    await _with_roles(tx, page.rows)
    return page


@resource.get("/{application_credential}", policy="identity:get_application_credential", target=_target, reply=CREDENTIAL)
async def show(tx, application_credential):
    """An application credential."""
    await _with_roles(tx, [application_credential])
    return application_credential


@resource.delete("/{application_credential}", policy="identity:delete_application_credential", target=_target)
async def delete(request, tx, application_credential):
    """Delete an application credential; tokens that were got with it are void."""
    _unrestricted(request)
    await events.emit(tx, request.context, DelegationChanged(application_credential.id, "application credential", "deleted",
                                                             application_credential.user_id))
    await tx.delete(application_credential)
