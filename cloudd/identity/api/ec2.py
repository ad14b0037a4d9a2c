"""EC2 credentials of users, and tokens for requests that were signed with them (/ec2tokens, /s3tokens)."""

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import events, ids
from cloudd.core.errors import BadRequest, NotFound, Unauthorized
from cloudd.core.http import Field, Page, Reply, Request, Shape
from cloudd.core.http import types as t
from cloudd.identity import signatures
from cloudd.identity.api import API, SELF
from cloudd.identity.api.credentials import not_more, not_read, open_blob, room_for_one, seal
from cloudd.identity.api.tokens import TOKEN, view
from cloudd.identity.audit import DelegationChanged
from cloudd.identity.models import Credential, Project
from cloudd.identity.passwords import Hasher
from cloudd.identity.people.subjects import Subject
from cloudd.identity.tokens.authentication import log_in_with, telling
from cloudd.identity.tokens.methods import Login
from cloudd.identity.tokens.tokens import Tokens

NEW = Shape(None, Field("tenant_id", t.Text(1, 64), required=True), extra=True)
SIGNED = t.Obj({"access": t.Text(1), "signature": t.Text(1), "params": t.Map(), "headers": t.Map(null=True),
                "host": t.Text(0, None), "verb": t.Text(), "path": t.Text(0, None), "body_hash": t.Text(null=True),
                "token": t.Text(0, None)}, ("access",), extra=True)
EC2 = Shape(None, Field("credentials", SIGNED), Field("ec2Credentials", SIGNED), extra=True)
S3 = Shape(None, Field("credentials", t.Obj({"access": t.Text(1), "signature": t.Text(1), "token": t.Text(1, None)},
                                            ("access", "signature", "token"), extra=True), required=True), extra=True)
CREDENTIAL = Shape("credential", Field("user_id", t.Text()), Field("tenant_id", t.Text(null=True)),
                   *(Field(name, t.Text(null=True)) for name in ("access", "secret", "trust_id")), Field("links", SELF))
METHOD = ("ec2credential",)
users = API.resource("/users/{user}/credentials/OS-EC2")


def access_id(access: str) -> str:
    """The id under which the credential of an access key is kept."""
    return hashlib.sha256(access.encode()).hexdigest()


def _blob(request: Request, row: Credential) -> dict[str, Any]:
    try:
        blob = orjson.loads(open_blob(request, row))
    except orjson.JSONDecodeError:
        blob = {}
    return blob if isinstance(blob, dict) else {}


def _view(request: Request, row: Credential) -> dict[str, Any]:
    blob = _blob(request, row)
    return {"user_id": row.user_id, "tenant_id": row.project_id, "access": blob.get("access"), "secret": blob.get("secret"),
            "trust_id": blob.get("trust_id"),
            "links": {"self": request.link(f"/users/{row.user_id}/credentials/OS-EC2/{blob.get('access')}")}}


@API.loader("access")
async def load(request: Request, tx: AsyncSession, value: str) -> Credential:
    not_read(request)
    row = await tx.get(Credential, access_id(value))
    if row is None or row.type != "ec2":
        raise NotFound(f"Could not find credential: {value}.", type="ec2CredentialNotFound")
    request.loaded["credential"] = row
    return row


def _user_target(request: Request) -> dict[str, Any]:
    """Policy asks for the credential's owner; where there is no credential yet, the user of the address."""
    row = request.loaded.get("credential")
    return {"target": {"credential": {"user_id": row.user_id if row else request.path["user"]}}, "user_id": request.path["user"]}


@users.post("", status=201, body=NEW, use="create", policy="identity:ec2_create_credential", target=_user_target, answer=CREDENTIAL)
async def create(request, tx, user, body):
    """Make an access key and a secret for a user on a project."""
    not_more(request, body["tenant_id"])
    if await tx.get(Project, body["tenant_id"]) is None:
        raise API.dialect.missing("project", body["tenant_id"])
    await room_for_one(request, tx, user.id)
    access, secret = ids.new_hex(), ids.new_hex()
    values = seal(request, {"blob": {"access": access, "secret": secret, "trust_id": None}})
    row = Credential(id=access_id(access), user_id=user.id, project_id=body["tenant_id"], type="ec2", **values)
    tx.add(row)
    await events.emit(tx, request.context, DelegationChanged(row.id, "ec2 credential", "created", user.id))
    return Reply({"credential": _view(request, row)}, headers={"Location": request.link(
        "/users/{}/credentials/OS-EC2/{}", user.id, access)})


@users.get("", policy="identity:ec2_list_credentials", target=_user_target, answer=CREDENTIAL)
async def index(request, tx, user):
    """A user's EC2 credentials."""
    not_read(request)
    query = select(Credential).where(Credential.user_id == user.id, Credential.type == "ec2").order_by(Credential.id)
    views = [_view(request, row) for row in (await tx.execute(query)).scalars()]
    return API.dialect.page(request, "credentials", views, Page(views))


@users.get("/{access}", policy="identity:ec2_get_credential", target=_user_target, answer=CREDENTIAL)
async def show(request, access):
    """An EC2 credential; policy looks at its owner, whatever user the address names."""
    return {"credential": _view(request, access)}


@users.delete("/{access}", policy="identity:ec2_delete_credential", target=_user_target)
async def delete(request, tx, access):
    """Delete an EC2 credential."""
    not_more(request, access.project_id)
    await events.emit(tx, request.context, DelegationChanged(access.id, "ec2 credential", "deleted", access.user_id))
    await tx.delete(access)


async def _exchange(request: Request, access: str, check: Callable[[str], None]) -> tuple[str, Subject]:
    """A token for the owner of an access key, whose signature `check` looks at, by its secret. The end of it is told, good or bad."""
    login = Login(request.service(Tokens), {}, request.service(Hasher), request.context)
    async with telling(login, METHOD) as known:
        async with request.parts.database.read() as tx:
            row = await tx.get(Credential, access_id(access))
        blob = _blob(request, row) if row is not None and row.type == "ec2" else {}
        if row is None or not isinstance(blob.get("secret"), str):
            raise Unauthorized("EC2 access key not found.")
        known["user_id"] = row.user_id
        check(blob["secret"])
        return await _token(login, row, blob)


async def _token(login: Login, row: Credential, blob: Mapping[str, Any]) -> tuple[str, Subject]:
    """As narrow as the token with which the credential was made."""
    if blob.get("app_cred_id") or blob.get("access_token_id"):
        raise Unauthorized("The credential was made through a restricted token.")
    wanted = {"OS-TRUST:trust": {"id": blob["trust_id"]}} if blob.get("trust_id") else {"project": {"id": row.project_id}}
    return await log_in_with(login, row.user_id, METHOD, wanted)


def _fits(ours: str, theirs: str) -> None:
    if not signatures.same(ours, theirs):
        raise Unauthorized("EC2 signature not supplied or it does not fit.")


def _ttl(request: Request) -> timedelta:
    return timedelta(seconds=request.settings.identity.signature_ttl)


@API.resource("/ec2tokens").post("", body=EC2, use="create", live=True, answer=TOKEN, policy="identity:ec2tokens_validate")
async def ec2_token(request, body):
    """A token for a request to EC2's interface, by its signature. For services: who asks must be allowed to."""
    given = body.get("credentials") or body.get("ec2Credentials")
    if not given:
        raise BadRequest("Expecting to find credentials in the request body.")

    def check(secret: str) -> None:
        theirs = given.get("signature") or _header_signature(given)
        signatures.fresh(signatures.ec2_time(given), _ttl(request), request.context.now())
        bare = {**given, "host": str(given.get("host", "")).partition(":")[0]}       # old clients sign the host without its port
        if not signatures.same(signatures.ec2(secret, given), theirs):
            _fits(signatures.ec2(secret, bare), theirs)

    text, subject = await _exchange(request, given["access"], check)
    return Reply(await view(request, subject), headers={"X-Subject-Token": text, "Vary": "X-Auth-Token"})


def _header_signature(given: Mapping[str, Any]) -> str:
    headers = {name.lower(): str(value) for name, value in (given.get("headers") or {}).items()}
    return headers.get("authorization", "").partition("Signature=")[2].split(",")[0]


@API.resource("/s3tokens").post("", body=S3, use="create", live=True, answer=TOKEN, policy="identity:s3tokens_validate")
async def s3_token(request, body):
    """A token for a request to S3's interface, by its signature. For services: who asks must be allowed to."""
    given = body["credentials"]
    try:
        token = base64.b64decode(given["token"].replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise BadRequest("The token of the credentials is not base64.") from exc

    def check(secret: str) -> None:
        _fits(signatures.s3(secret, token), given["signature"])
        signatures.fresh(signatures.s3_time(token), _ttl(request), request.context.now())

    _, subject = await _exchange(request, given["access"], check)
    return Reply(await view(request, subject), headers={"Vary": "X-Auth-Token"})
