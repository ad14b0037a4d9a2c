"""/credentials (blobs encrypted at rest) and /policies."""

import hashlib
from typing import Any

import orjson
from sqlalchemy import func, select

from cloudd.core.errors import BadRequest, Conflict, Forbidden
from cloudd.core.http import Field, Page, Request, Shape
from cloudd.core.http import types as t
from cloudd.core.http.records import records
from cloudd.identity.api import API, ID, comparable, links
from cloudd.identity.keys import CredentialRing
from cloudd.identity.models import Credential, Policy, Project, User

BLOB = t.Raw({"type": ["string", "object"]})
CREDENTIAL = Shape(
    "credential", ID, Field("user_id", t.Text(1, 64)), Field("project_id", t.Text(0, 64, null=True)),
    Field("type", t.Text(1, 255), required=True),
    Field("blob", BLOB, required=True, of=lambda row, request: open_blob(request, row)), links("/credentials"), extra=True)
POLICY = Shape("policy", ID, Field("type", t.Text(0, 255), required=True),
               Field("blob", BLOB, required=True), links("/policies"), plural="policies", extra=True)
OWNERSHIP = ("user_id", "project_id", "type")


def open_blob(request: Request, row: Credential) -> str:
    return request.service(CredentialRing).decrypt(row.encrypted_blob.encode()).decode()


def seal(request: Request, values: dict[str, Any]) -> dict[str, Any]:
    """The blob as it is kept: text, encrypted."""
    if "blob" not in values:
        return values
    blob = values.pop("blob")
    text = blob if isinstance(blob, str) else orjson.dumps(blob).decode()
    return {**values, "encrypted_blob": request.service(CredentialRing).encrypt(text.encode()).decode()}


def _access_key(blob: Any) -> str:
    """The access key in the blob of an EC2 credential. Raises BadRequest."""
    try:
        content = orjson.loads(blob) if isinstance(blob, str) else blob
        access = content["access"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as exc:
        raise BadRequest("Invalid blob in credential: an ec2 credential's blob is a JSON object with access and secret.") from exc
    if not isinstance(access, str):
        raise BadRequest("Invalid blob in credential: access must be text.")
    return access


async def before_create(request: Request, tx: Any, values: dict[str, Any]) -> dict[str, Any]:
    user_id = values.get("user_id") or request.context.user_id
    values = {**values, "user_id": user_id, "project_id": values.get("project_id") or None}
    await found(tx, user_id, values["project_id"])
    not_more(request, values["project_id"] if values["type"] == "ec2" else None)
    await room_for_one(request, tx, user_id)
    if values["type"] == "ec2":
        if not values["project_id"]:
            raise BadRequest("Invalid input for field 'project_id': an ec2 credential needs a project.")
        values["id"] = hashlib.sha256(_access_key(values["blob"]).encode()).hexdigest()
        if await tx.get(Credential, values["id"]):
            raise Conflict("Conflict occurred attempting to store credential - Duplicate entry found with this access key.")
    return seal(request, values)


async def found(tx: Any, user_id: str, project_id: str | None) -> None:
    if await tx.get(User, user_id) is None:
        raise BadRequest(f"Could not find user: {user_id}.")
    if project_id and await tx.get(Project, project_id) is None:
        raise BadRequest(f"Could not find project: {project_id}.")


async def room_for_one(request: Request, tx: Any, user_id: str) -> None:
    """Raise Forbidden when a user has as many credentials as he may."""
    most = request.settings.identity.credentials_per_user
    have = (await tx.execute(select(func.count()).where(Credential.user_id == user_id))).scalar_one() if most else 0
    if most and have >= most:
        raise Forbidden(f"Unable to create additional credentials, maximum of {most} already exceeded for user.")


def not_more(request: Request, project_id: str | None = None) -> None:
    """A delegated token makes, changes and ends no credentials, which would outlive it or reach further (OSSA-2020-004,
    CVE-2026-90460); only an unrestricted application credential may, EC2's for its own project (CVE-2026-43001)."""
    token = request.context.token
    if token.is_delegated and (token.is_restricted or project_id is None or project_id != token.project.id):
        raise Forbidden("A token that was got through a trust, an application credential, OAuth or an EC2 signature cannot change "
                        "credentials.")


def not_read(request: Request) -> None:
    """Nor are secrets shown to it: with the seed of a second factor it would be as good as its owner."""
    if request.context.token.is_restricted:
        raise Forbidden("A token that was got through a trust, a restricted application credential, OAuth or an EC2 signature is "
                        "not shown credentials.")


def visible(request: Request, query: Any) -> Any:
    not_read(request)
    return query


async def before_delete(request: Request, tx: Any, row: Credential) -> None:
    not_more(request, row.project_id if row.type == "ec2" else None)


async def before_update(request: Request, tx: Any, row: Credential, values: dict[str, Any]) -> dict[str, Any]:
    if "id" in values.get("extra", {}) and values["extra"].pop("id") != row.id:
        raise BadRequest("Cannot change credential ID.")
    not_more(request)
    changed = {name: values[name] or None for name in OWNERSHIP if name in values and (values[name] or None) != getattr(row, name)}
    if changed:
        await before_transfer(request, tx, row, changed, values.get("blob"))
    if row.type == "ec2" and "blob" in values:
        _access_key(values["blob"])
    return seal(request, {name: value for name, value in values.items() if name not in OWNERSHIP} | changed)


async def before_transfer(request: Request, tx: Any, row: Credential, changed: dict[str, Any], blob: Any) -> None:
    """Another owner, project or type: as if he had made it so. Who signs with EC2's stays who he is (OSSA-2020-004)."""
    if row.type == "ec2":
        raise BadRequest(f"Update of `{next(iter(changed))}` of an ec2 credential is not allowed.")
    user_id, project_id = changed.get("user_id", row.user_id), changed.get("project_id", row.project_id)
    request.require("identity:update_credential", {"target": {"credential": {"user_id": user_id}}})
    await found(tx, user_id, changed.get("project_id"))
    if changed.get("type") == "ec2":
        _access_key(open_blob(request, row) if blob is None else blob)
        if not project_id:
            raise BadRequest("Invalid input for field 'project_id': an ec2 credential needs a project.")


CREDENTIALS = records(API, "/credentials", Credential, CREDENTIAL, policy="identity:{verb}", update_method="patch",
                      verbs=("show", "create", "update", "delete"), notify="identity.credential.{past}",
                      filters=comparable(user_id=Credential.user_id, type=Credential.type), before_create=before_create,
                      before_update=before_update, before_delete=before_delete, visible=visible)
records(API, "/policies", Policy, POLICY, policy="identity:{verb}", update_method="patch", notify="identity.policy.{past}",
        filters=comparable(type=Policy.type))


@API.resource("/credentials").get("", policy="identity:list_credentials", reply=CREDENTIAL, listing=CREDENTIALS.listing,
                                  target=lambda request: {"target": {"credential": {"user_id": request.context.user_id}}})
async def index(request, tx) -> Page:
    """Credentials: all for who may read all, one's own for the rest."""
    not_read(request)
    query = select(Credential)
    if not request.allows("identity:get_credential", {"target": {"credential": {"user_id": None}}}):
        query = query.where(Credential.user_id == request.context.user_id)
    return await CREDENTIALS.listing.page(request, tx, query)
