"""Aggregates over HTTP."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute.api import API
from cloudd.compute.hosts import aggregates
from cloudd.compute.models import Aggregate
from cloudd.compute.versions import AGGREGATE_IMAGES, AGGREGATE_UUID
from cloudd.core import clock
from cloudd.core.http import Field, Request, Shape
from cloudd.core.http.types import NOTHING, NULL, Bool, Int, List, Map, Obj, Text, Uuid
from cloudd.core.rows import plain

RULE = "os_compute_api:os-aggregates:{}"
NAME = r"^(?=\S)[^\x00-\x1f]*(?<=\S)$"
ZONE = Text(1, 255, pattern=r"^(?=\S)[^:\x00-\x1f]*(?<=\S)$", null=True)
HOST = Text(1, 255, pattern=r"^[a-zA-Z0-9._-]+$")
AGGREGATE = Shape("aggregate",
    Field("id", Int(), readonly=True), Field("uuid", Uuid(), readonly=True, since=AGGREGATE_UUID),
    Field("name", Text(1, 255, pattern=NAME), required=True), Field("availability_zone", ZONE),
    Field("hosts", List(Text()), readonly=True, of=lambda row, request: sorted(row.hosts)),
    Field("metadata", Map(Text()), readonly=True, of="properties"),
    Field("created_at", Text(), readonly=True, of=lambda row, request: clock.iso_naive(row.created_at)),
    Field("updated_at", Text(null=True), readonly=True, of=lambda row, request: clock.iso_naive(row.updated_at)),
    Field("deleted", Bool(), readonly=True, of=lambda row, request: False),
    Field("deleted_at", NULL, readonly=True, of=lambda row, request: None),
)
CREATED = Shape("aggregate", *(item for item in AGGREGATE.fields if item.name not in ("hosts", "metadata")))
CHANGE = Shape("aggregate", Field("name", Text(1, 255, pattern=NAME)), Field("availability_zone", ZONE), low=1)
ADD_HOST = Shape(None, Field("add_host", Obj({"host": HOST}, ["host"]), required=True))
REMOVE_HOST = Shape(None, Field("remove_host", Obj({"host": HOST}, ["host"]), required=True))
ITEMS = Map(Text(0, 255, null=True), keys=r"^[a-zA-Z0-9-_:. ]{1,255}$")
SET_METADATA = Shape(None, Field("set_metadata", Obj({"metadata": ITEMS}, ["metadata"]), required=True))
CACHE = Shape(None, Field("cache", List(Obj({"id": Uuid()}, ["id"]), 1), required=True))
resource = API.resource("/os-aggregates")


@API.loader("aggregate")
async def load(request: Request, tx: AsyncSession, key: str) -> Aggregate:
    request.require(request.operation.policy)
    return await aggregates.find(tx, key)


@resource.get("", policy=RULE.format("index"), reply=AGGREGATE)
async def index(tx: AsyncSession) -> list[Aggregate]:
    """List the aggregates."""
    return await plain.read(tx, Aggregate, select(Aggregate).order_by(Aggregate.id))


@resource.post("", body=AGGREGATE, policy=RULE.format("create"), reply=CREATED)
async def create(request: Request, tx: AsyncSession, body: dict[str, Any]) -> Aggregate:
    """Make an aggregate; the reply has neither its hosts nor its metadata, as Nova's."""
    return await aggregates.create(request.context, tx, body["name"], body.get("availability_zone"))


@resource.get("/{aggregate}", policy=RULE.format("show"), reply=AGGREGATE)
async def show(aggregate: Aggregate) -> Aggregate:
    """Show an aggregate."""
    return aggregate


@resource.put("/{aggregate}", body=CHANGE, policy=RULE.format("update"), reply=AGGREGATE)
async def update(request: Request, tx: AsyncSession, aggregate: Aggregate, body: dict[str, Any]) -> Aggregate:
    """Rename an aggregate or put its hosts into another zone."""
    await aggregates.update(request.context, tx, aggregate, body)
    return aggregate


@resource.delete("/{aggregate}", status=200, policy=RULE.format("delete"), answer=NOTHING)
async def delete(tx: AsyncSession, aggregate: Aggregate) -> None:
    """Delete an aggregate that has no hosts."""
    await aggregates.delete(tx, aggregate)


@resource.post("/{aggregate}/action", action="add_host", body=ADD_HOST, policy=RULE.format("add_host"), reply=AGGREGATE)
async def add_host(request: Request, tx: AsyncSession, aggregate: Aggregate, body: dict[str, Any]) -> Aggregate:
    """Add a host."""
    await aggregates.add_host(request.context, tx, aggregate, body["add_host"]["host"])
    return aggregate


@resource.post("/{aggregate}/action", action="remove_host", body=REMOVE_HOST, policy=RULE.format("remove_host"),
               reply=AGGREGATE)
async def remove_host(request: Request, tx: AsyncSession, aggregate: Aggregate, body: dict[str, Any]) -> Aggregate:
    """Remove a host."""
    await aggregates.remove_host(request.context, tx, aggregate, body["remove_host"]["host"])
    return aggregate


@resource.post("/{aggregate}/action", action="set_metadata", body=SET_METADATA, policy=RULE.format("set_metadata"),
               reply=AGGREGATE)
async def set_metadata(request: Request, tx: AsyncSession, aggregate: Aggregate, body: dict[str, Any]) -> Aggregate:
    """Set or (by null) remove metadata."""
    await aggregates.set_metadata(request.context, tx, aggregate, body["set_metadata"]["metadata"])
    return aggregate


@resource.post("/{aggregate}/images", since=AGGREGATE_IMAGES, status=202, body=CACHE, policy="compute:aggregates:images")
async def cache_images(request: Request, tx: AsyncSession, aggregate: Aggregate, body: dict[str, Any]) -> None:
    """Have the hosts fetch images before they are needed."""
    await aggregates.cache_images(request.context, tx, aggregate, [item["id"] for item in body["cache"]])
