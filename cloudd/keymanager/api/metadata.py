"""What users note of secrets: all of it at once, or one key."""

from typing import Any

from cloudd.core.http import Field, Reply, Request, Shape
from cloudd.core.http import types as t
from cloudd.keymanager import metadata
from cloudd.keymanager.api import API, address, target
from cloudd.keymanager.models import Secret

ALL = Shape(None, Field("metadata", t.Map(t.Text(0, metadata.LONGEST)), required=True), extra=True)
PAIR = Shape(None, Field("key", t.Text(1, metadata.LONGEST), required=True), Field("value", t.Text(0, metadata.LONGEST), required=True))
NAMED = t.Record({"key": t.Text(), "value": t.Text()})
METADATA = API.resource("/v1/secrets/{secret}/metadata", target=target)


@METADATA.get(policy="secret_meta:get", answer=t.Record({"metadata": t.Map(t.Text())}))
async def index(tx: Any, secret: Secret) -> dict[str, Any]:
    """Show all that was noted of a secret."""
    return {"metadata": await metadata.of(tx, secret)}


@METADATA.put(policy="secret_meta:put", body=ALL, use="create", status=201, answer=t.Record({"metadata_ref": t.Text()}))
async def replace(request: Request, tx: Any, secret: Secret, body: dict[str, Any]) -> dict[str, str]:
    """Put this in the place of all that was noted."""
    await metadata.replace(request.settings, tx, request.context, secret, body["metadata"])
    return {"metadata_ref": address(request, secret, "metadata")}


@METADATA.post(policy="secret_meta:post", body=PAIR, status=201, answer=NAMED)
async def create(request: Request, tx: Any, secret: Secret, body: dict[str, Any]) -> Reply:
    """Add a key."""
    name, value = await metadata.add(request.settings, tx, request.context, secret, body["key"], body["value"])
    return Reply({"key": name, "value": value}, headers={"Location": address(request, secret, "metadata", name)})


@METADATA.get("/{key}", policy="secret_meta:get", answer=NAMED)
async def show(tx: Any, secret: Secret, key: str) -> dict[str, str]:
    """Show one key."""
    row = await metadata.find(tx, secret, key)
    return {"key": row.key, "value": row.value}


@METADATA.put("/{key}", policy="secret_meta:put", body=PAIR, use="create", answer=NAMED)
async def update(request: Request, tx: Any, secret: Secret, key: str, body: dict[str, Any]) -> dict[str, str]:
    """Change the value of a key."""
    name, value = await metadata.change(tx, request.context, secret, key, body["key"], body["value"])
    return {"key": name, "value": value}


@METADATA.delete("/{key}", policy="secret_meta:delete")
async def delete(request: Request, tx: Any, secret: Secret, key: str) -> None:
    """Drop a key."""
    await metadata.drop(tx, request.context, secret, key)
