"""Who uses a secret."""

from typing import Any

from cloudd.core import clock
from cloudd.core.http import Field, Page, Reply, Request, Shape
from cloudd.core.http import types as t
from cloudd.core.http.lists import Filters
from cloudd.keymanager import consumers, lists, secrets
from cloudd.keymanager.api import API, address, target
from cloudd.keymanager.api.secrets import CONSUMER, MEMBERS, consumers_of
from cloudd.keymanager.models import Secret

NAMES = ("service", "resource_type", "resource_id")
NEW = Shape(None, *(Field(name, t.Text(1, 255), required=True) for name in NAMES), extra=True)
SHOWN = Shape(None, *(Field(name, t.Text()) for name in NAMES), Field("status", t.Text(), of=lambda row, request: secrets.ACTIVE),
              Field("created", t.Text(), of=lambda row, request: clock.iso_naive(row.created_at)),
              Field("updated", t.Text(), of=lambda row, request: clock.iso_naive(row.updated_at)), plural="consumers")
USED = Shape(None, *MEMBERS, Field("consumers", t.List(CONSUMER), of=consumers_of))
"""The secret, with its consumers at every version."""
CONSUMERS = API.resource("/v1/secrets/{secret}/consumers", target=target)


@CONSUMERS.get(policy="secret_consumers:get", reply=SHOWN, listing=Filters(("limit", "offset")))
async def index(request: Request, secret: Secret) -> Page:
    """List who uses a secret, the oldest first."""
    part = lists.window(request.query)
    return Page(secret.consumers[part.offset:part.offset + part.limit], extra={"total": len(secret.consumers)})


@CONSUMERS.post(policy="secret_consumers:post", body=NEW, reply=USED)
async def create(request: Request, tx: Any, secret: Secret, body: dict[str, Any]) -> Reply:
    """Say that something uses a secret."""
    await consumers.register(request.settings, tx, request.context, secret, *(body[name] for name in NAMES))
    return Reply(secret, headers={"Location": address(request, secret, "consumers")})


@CONSUMERS.delete(policy="secret_consumers:delete", body=NEW, reply=USED, status=200)
async def delete(request: Request, tx: Any, secret: Secret, body: dict[str, Any]) -> Secret:
    """Say that something does not use a secret any more."""
    await consumers.remove(tx, request.context, secret, *(body[name] for name in NAMES))
    return secret
