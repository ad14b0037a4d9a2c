"""/OS-OAUTH1: consumers, request tokens, access tokens."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from sqlalchemy import select

from cloudd.core import clock, events, ids
from cloudd.core.errors import BadRequest, Forbidden, NotFound, Unauthorized
from cloudd.core.http import Field, Page, Request, Shape
from cloudd.core.http import types as t
from cloudd.core.http.records import records
from cloudd.identity import oauth1
from cloudd.identity.api import API, ID, links
from cloudd.identity.api.roles import ROLE
from cloudd.identity.api.trusts import ROLE_REF
from cloudd.identity.audit import DelegationChanged
from cloudd.identity.models import Project, Role
from cloudd.identity.models.extensions import Consumer, OAuthToken
from cloudd.identity.oauth1 import Signed

CONSUMER = Shape("consumer", ID, Field("description", t.Text(0, None, null=True)),
                 links("/OS-OAUTH1/consumers"), extra=True)
MADE = Shape("consumer", *CONSUMER.fields, Field("secret", t.Text()), extra=True)
AUTHORIZED = t.Record({"token": t.Record({"oauth_verifier": t.Text()})})
FORM = "application/x-www-form-urlencoded"
ROLES = Shape(None, Field("roles", t.List(ROLE_REF, 1), required=True), extra=True)
TOKEN = Shape(
    "access_token", ID, Field("consumer_id", t.Text(), readonly=True), Field("project_id", t.Text(), readonly=True),
    Field("authorizing_user_id", t.Text(), readonly=True, of="user_id"),
    Field("expires_at", t.Text(null=True), readonly=True, of=lambda row, request: clock.iso_micro(row.expires_at)),
    Field("links", t.Record({"self": t.Text(), "roles": t.Text()}), readonly=True, of=lambda row, request: {
        "self": request.link(f"/users/{row.user_id}/OS-OAUTH1/access_tokens/{row.id}"),
        "roles": request.link(f"/users/{row.user_id}/OS-OAUTH1/access_tokens/{row.id}/roles")}))
oauth = API.resource("/OS-OAUTH1")
mine = API.resource("/users/{user_id}/OS-OAUTH1/access_tokens")


async def consumer_before_update(request: Request, tx: Any, row: Consumer, values: dict[str, Any]) -> dict[str, Any]:
    if "secret" in values.get("extra", {}):
        raise BadRequest("Cannot change consumer secret.")
    return values


CONSUMERS = records(API, "/OS-OAUTH1/consumers", Consumer, CONSUMER, policy="identity:{verb}", update_method="patch",
                    verbs=("list", "show", "update", "delete"), filters={}, before_update=consumer_before_update,
                    notify="identity.OS-OAUTH1:consumer.{past}")


@oauth.post("/consumers", status=201, body=CONSUMER, reply=MADE, policy="identity:create_consumer")
async def create_consumer(request, tx, body):
    """Make a consumer; its secret is shown this once."""
    return await CONSUMERS.create(request, tx, {**body, "secret": None})


async def consumer_before_create(request: Request, tx: Any, values: dict[str, Any]) -> dict[str, Any]:
    extra = {name: value for name, value in values.pop("extra", {}).items() if name != "secret"}
    return {**values, "extra": extra, "secret": ids.new_hex()}


CONSUMERS.before_create = consumer_before_create


def signed(request: Request) -> Signed:
    headers = request.raw.headers
    return Signed.read(request.raw.method, request.host_link(request.raw.path), headers.get("Authorization", ""), request.query)


def ttl(request: Request) -> timedelta:
    return timedelta(seconds=request.settings.identity.signature_ttl)


def form(token: OAuthToken, request: Request, **more: str) -> web.Response:
    """OAuth's answers are forms, not JSON."""
    body = urlencode({"oauth_token": token.id, "oauth_token_secret": token.secret, **more}, safe=":")
    return web.Response(status=201, body=body.encode(), content_type=FORM)


@oauth.post("/request_token", status=201, auth=False, answer=t.Text(), media=FORM)
async def request_token(request, tx):
    """A consumer asks for a request token; its signature is the proof."""
    given, now = signed(request), request.context.now()
    consumer = await oauth1.consumer_of(tx, given)
    given.check(consumer.secret, "", ttl(request), now)
    project_id = request.raw.headers.get("Requested-Project-Id", "")
    if await tx.get(Project, project_id) is None:
        raise NotFound(f"Could not find project: {project_id}. Send it as Requested-Project-Id.")
    row = await oauth1.ask(tx, consumer, project_id, now)
    return form(row, request, oauth_expires_at=clock.iso_micro(row.expires_at) or "")


@API.loader("request_token")
async def load_request_token(request: Request, tx: Any, value: str) -> OAuthToken:
    row = await tx.get(OAuthToken, value)
    if row is None or row.kind != "request":
        raise NotFound(f"Could not find request token: {value}.")
    return row


@oauth.put("/authorize/{request_token}", body=ROLES, use="create", policy="identity:authorize_request_token", answer=AUTHORIZED)
async def authorize(request, tx, request_token, body):
    """A user lets a consumer have some of his roles on the project that it asked for."""
    oauth1.refuse_delegated(request.context.token)
    if request_token.expires_at and request_token.expires_at <= request.context.now():
        raise Unauthorized("The request token is expired.")
    await oauth1.authorize(tx, request_token, request.context.user_id, body["roles"])
    return {"token": {"oauth_verifier": request_token.verifier}}


@oauth.post("/access_token", status=201, auth=False, answer=t.Text(), media=FORM)
async def access_token(request, tx):
    """A consumer changes an authorized request token for an access token."""
    given, now = signed(request), request.context.now()
    consumer = await oauth1.consumer_of(tx, given)
    asked = await oauth1.token_of(tx, given, consumer, "request", now)
    given.check(consumer.secret, asked.secret, ttl(request), now)
    row = await oauth1.change(tx, asked, given["verifier"], now)
    await events.emit(tx, request.context, DelegationChanged(row.id, "oauth access token", "created", row.user_id or ""))
    return form(row, request, oauth_expires_at=clock.iso_micro(row.expires_at) or "")


def _target(request: Request) -> dict[str, Any]:
    return {"user_id": request.path["user_id"]}


def _undelegated(request: Request) -> None:
    """A token that was got through OAuth tells nothing of other access tokens, and ends none."""
    if request.context.token.payload.oauth_token_id:
        raise Forbidden("Cannot list or end request tokens with a token issued via delegation.")


@mine.get("", policy="identity:list_access_tokens", target=_target, reply=TOKEN)
async def index(request, tx, user_id) -> Page:
    """The access tokens that a user has authorized."""
    _undelegated(request)
    return Page(await oauth1.access_tokens(tx, user_id))


@mine.get("/{token}", policy="identity:get_access_token", target=_target, reply=TOKEN)
async def show(tx, user_id, token):
    """An access token."""
    return await oauth1.access_token(tx, user_id, token)


@mine.delete("/{token}", policy="identity:delete_access_token", target=_target)
async def delete(request, tx, user_id, token):
    """End an access token, and what was got with it."""
    _undelegated(request)
    await tx.delete(await oauth1.access_token(tx, user_id, token))
    await events.emit(tx, request.context, DelegationChanged(token, "oauth access token", "deleted", user_id))


async def _roles(tx: Any, row: OAuthToken) -> list[Role]:
    return list((await tx.execute(select(Role).where(Role.id.in_(row.role_ids)).order_by(Role.name))).scalars())


@mine.get("/{token}/roles", policy="identity:list_access_token_roles", target=_target, reply=ROLE)
async def roles(tx, user_id, token) -> Page:
    """The roles that an access token stands for."""
    return Page(await _roles(tx, await oauth1.access_token(tx, user_id, token)))


@mine.get("/{token}/roles/{role_id}", policy="identity:get_access_token_role", target=_target, reply=ROLE)
async def role(tx, user_id, token, role_id):
    """One of them."""
    for row in await _roles(tx, await oauth1.access_token(tx, user_id, token)):
        if row.id == role_id:
            return row
    raise NotFound(f"Could not find role: {role_id}. The access token does not stand for it.")
