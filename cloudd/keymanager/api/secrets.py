"""Secrets: list, create in one or two steps, show, payload, delete."""

from typing import Any

from aiohttp import web

from cloudd.core import clock
from cloudd.core.errors import BadRequest, UnsupportedMedia
from cloudd.core.http import Field, Page, Reply, Request, Shape
from cloudd.core.http import types as t
from cloudd.core.http.body import PLAIN, read_bytes
from cloudd.core.http.lists import Filters
from cloudd.core.http.shapes import UNSET, queried
from cloudd.keymanager import lists, payloads, quotas, secrets
from cloudd.keymanager.api import API, address, target
from cloudd.keymanager.models import Secret
from cloudd.keymanager.sealing import Vault
from cloudd.keymanager.versions import CONSUMERS, NOT_IN_USE

NEW = Shape(
    None,
    Field("name", t.Text(0, 255, null=True, strip=True)),
    Field("algorithm", t.Text(0, 255, strip=True)),
    Field("bit_length", t.Int(1, 32767)),
    Field("mode", t.Text(0, 255, strip=True)),
    Field("expiration", t.Text(0, 255)),
    Field("secret_type", t.Enum(*secrets.TYPES)),
    Field("payload", t.Text(0, None)),
    Field("payload_content_type", t.Text(0, 255, null=True)),
    Field("payload_content_encoding", t.Enum(payloads.BASE64)),
    extra=True)
COLUMNS = ("name", "algorithm", "bit_length", "mode", "secret_type")
CONSUMER = t.Record({"service": t.Text(), "resource_type": t.Text(), "resource_id": t.Text()})


def consumers_of(secret: Secret, request: Request) -> list[dict[str, str]]:
    return [{"service": one.service, "resource_type": one.resource_type, "resource_id": one.resource_id} for one in secret.consumers]


MEMBERS = (
    Field("status", t.Text(), of=lambda row, request: secrets.ACTIVE),
    Field("created", t.Text(), of=lambda row, request: clock.iso_naive(row.created_at)),
    Field("updated", t.Text(), of=lambda row, request: clock.iso_naive(row.updated_at)),
    Field("expiration", t.Text(null=True), of=lambda row, request: clock.iso_naive(row.expiration)),
    *(Field(name, t.Text(null=True)) for name in ("name", "algorithm", "mode", "creator_id")),
    Field("secret_type", t.Text()),
    Field("bit_length", t.Int(null=True)),
    Field("content_types", t.Record({"default": t.Text()}), sometimes=True,
          of=lambda row, request: {"default": row.content_type} if row.content_type else UNSET),
    Field("secret_ref", t.Text(), of=lambda row, request: address(request, row)),
)
SHOWN = Shape(None, *MEMBERS, Field("consumers", t.List(CONSUMER), of=consumers_of, since=CONSUMERS), plural="secrets")
MADE = t.Record({"secret_ref": t.Text()})
SECRETS = API.resource("/v1/secrets")
ONE = API.resource("/v1/secrets/{secret}", target=target)


@SECRETS.get(policy="secrets:get", reply=SHOWN, listing=Filters(lists.PARAMETERS))
async def index(request: Request, tx: Any) -> Page:
    """List the secrets of the caller's project."""
    rows, total = await lists.page(tx, request.context.project_id or "", request.query, request.context.now())
    return Page(rows, extra={"total": total})


@SECRETS.post(policy="secrets:post", body=NEW, answer=MADE, status=201)
async def create(request: Request, tx: Any, body: dict[str, Any]) -> Reply:
    """Make a secret, with its payload or without."""
    most, context = request.settings.key_manager.max_secret_bytes, request.context
    sent = None
    if "payload" in body:
        sent = payloads.from_json(body["payload"], body.get("payload_content_type"), body.get("payload_content_encoding"), most)
    elif "payload_content_type" in body:
        raise BadRequest("payload must be provided when payload_content_type is specified.")
    await quotas.of(request.settings).require(tx, context.project_id or "", secrets=1)
    values = {name: body[name] for name in COLUMNS if name in body}
    secret = await secrets.create(tx, context, values | {"expiration": secrets.expiration(body.get("expiration"), context.now())})
    if sent is not None:
        await secrets.put_payload(request.service(Vault), tx, secret, *sent)
    where = address(request, secret)
    return Reply({"secret_ref": where}, headers={"Location": where})


@ONE.get(policy="secret:get", reply=SHOWN, live=True)
async def show(request: Request, secret: Secret) -> Any:
    """Show a secret; its payload to those of before, who ask for it by `Accept`."""
    if not payloads.asks_for_payload(request.raw.headers.get("Accept", "")):
        return secret
    request.require("secret:decrypt", target(request))
    async with request.parts.database.write() as tx:
        return await _opened(request, tx, await secrets.find(tx, secret.id, request.context.now()))


@ONE.get("/payload", policy="secret:decrypt", answer=t.Text(0, None), media=payloads.OCTETS, write=True, many=False)
async def payload(request: Request, tx: Any, secret: Secret) -> web.Response:
    """Hand out what is secret. It is told to the audit log."""
    return await _opened(request, tx, secret)


async def _opened(request: Request, tx: Any, secret: Secret) -> web.Response:
    data = await secrets.payload(request.service(Vault), tx, request.context, secret)
    kind = payloads.answer_type(request.raw.headers.get("Accept", ""), data, secret.content_type or payloads.OCTETS)
    headers = {"Cache-Control": "no-store", **API.negotiation.headers(request.version)}
    charset = "utf-8" if kind == payloads.TEXT else None
    return web.Response(body=data, content_type=kind, charset=charset, headers=headers)


@ONE.put(policy="secret:put", status=204, stream=True)
async def put(request: Request, secret: Secret) -> Reply:
    """Add the payload, which is the body as it stands, to a secret that has none."""
    kind = payloads.normal(request.raw.headers.get("Content-Type", ""))
    if kind not in (payloads.TEXT, payloads.OCTETS):
        raise UnsupportedMedia(f"Unexpected content type. Expected content types are: {payloads.OCTETS}, {payloads.TEXT}.")
    encoding = request.raw.headers.get("Content-Encoding", "")
    data = await read_bytes(request.raw, request.settings, known=True, encodings=(*PLAIN, payloads.BASE64, "binary"))
    sent = payloads.from_body(data, kind, None if encoding.strip().lower() in PLAIN else encoding.strip(),
                              request.settings.key_manager.max_secret_bytes)
    async with request.parts.database.write() as tx:
        there = await secrets.find(tx, secret.id, request.context.now())
        await secrets.add_payload(request.service(Vault), tx, request.context, there, *sent)
    return Reply()


@ONE.delete(policy="secret:delete", query=queried("force"))
async def delete(request: Request, tx: Any, secret: Secret) -> None:
    """Delete a secret. One that a part of this cloud needs stays, whatever is asked."""
    forced = _forced(request) if request.has(NOT_IN_USE) else True
    await secrets.delete(tx, request.context, secret, force=forced)


def _forced(request: Request) -> bool:
    text, yes = request.query.get("force", "false"), t.Bool(text=True)
    if text not in yes.schema()["enum"]:
        raise BadRequest(f"URI provided invalid query string parameters: force={text[:100]} is neither true nor false.")
    return bool(yes.lift(text))
