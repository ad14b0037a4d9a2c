"""/services, /endpoints and /regions: the rows that the catalog is made of."""

from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import select

from cloudd.core.errors import BadRequest, Conflict, Forbidden
from cloudd.core.http import Field, Request, Shape
from cloudd.core.http import types as t
from cloudd.core.http.records import records
from cloudd.identity.api import API, ID, asked, comparable, links, nullable
from cloudd.identity.catalog import expand
from cloudd.identity.models import Endpoint, Region, Service

REGION = Shape("region", Field("id", t.Text(0, 255, null=True), update=False),
               Field("description", t.Text(0, None, null=True), default=""),
               Field("parent_region_id", t.Text(0, 255, null=True)), links("/regions"), extra=True)
SERVICE = Shape("service", ID, Field("type", t.Text(1, 255), required=True),
                Field("name", t.Text(0, 255, null=True)),
                Field("description", t.Text(0, None, null=True)),
                Field("enabled", t.Bool(), default=True), links("/services"), extra=True)
ENDPOINT = Shape(
    "endpoint", ID, Field("interface", t.Enum("admin", "internal", "public"), required=True),
    Field("service_id", t.Text(1, 64), required=True), Field("region_id", t.Text(0, 255, null=True)),
    Field("region", t.Text(0, 255, null=True), of="region_id"), Field("enabled", t.Bool(), default=True),
    Field("url", t.Text(1, 2000), required=True, of=lambda row, request: expand(row.url, request.base_url)),
    links("/endpoints"), extra=True)


async def region_before_create(request: Request, tx: Any, values: dict[str, Any]) -> dict[str, Any]:
    if not values.get("id"):
        values.pop("id", None)
    elif await tx.get(Region, values["id"]):
        raise Conflict(f"Conflict occurred attempting to store region - Duplicate ID, {values['id']}.")
    await _parent(tx, values)
    return {**values, "description": values["description"] or ""}


async def region_before_update(request: Request, tx: Any, row: Region, values: dict[str, Any]) -> dict[str, Any]:
    await _parent(tx, values, row.id)
    return {**values, "description": values["description"] or ""} if "description" in values else values


async def _parent(tx: Any, values: dict[str, Any], region_id: str | None = None) -> None:
    """Raise for a parent that is not there, or that is the region itself or below it."""
    parent_id = values.get("parent_region_id")
    while parent_id:
        if parent_id == region_id:
            raise BadRequest(f"Region {region_id} cannot have the parent {values['parent_region_id']}: it would be its own "
                             "ancestor (circular).")
        parent = await tx.get(Region, parent_id)
        if parent is None:
            raise API.dialect.missing("region", parent_id)
        parent_id = parent.parent_region_id


async def region_before_delete(request: Request, tx: Any, row: Region) -> None:
    endpoint = (await tx.execute(select(Endpoint.id).where(Endpoint.region_id == row.id))).scalar()
    child = (await tx.execute(select(Region.id).where(Region.parent_region_id == row.id))).scalar()
    if endpoint or child:
        holder = f"endpoint {endpoint}" if endpoint else f"child region {child}"
        raise Forbidden(f"Unable to delete region {row.id} because it or its child regions have associated endpoints: {holder}.")


async def endpoint_before_create(request: Request, tx: Any, values: dict[str, Any]) -> dict[str, Any]:
    await _service(tx, values)
    _address(values["url"])
    return await _with_region(tx, values)


async def endpoint_before_update(request: Request, tx: Any, row: Endpoint, values: dict[str, Any]) -> dict[str, Any]:
    await _service(tx, values)
    if "url" in values and values["url"] == expand(row.url, request.base_url):
        del values["url"]                                    # sent back as it was shown: it goes on following the host
    elif "url" in values:
        _address(values["url"])
    return await _with_region(tx, values)


async def _service(tx: Any, values: dict[str, Any]) -> None:
    if "service_id" in values and await tx.get(Service, values["service_id"]) is None:
        raise BadRequest(f"Could not find service: {values['service_id']}.")


def _address(url: str) -> None:
    """Raise BadRequest unless it is a whole address whose holes are ones that we can fill."""
    if not urlsplit(url).scheme:
        raise BadRequest(f"Invalid input for field 'url': '{url}' is not a 'uri'.")
    rest = url
    for name in ("project_id", "tenant_id", "user_id"):
        rest = rest.replace(f"$({name})s", "").replace(f"%({name})s", "")
    if "$(" in rest or "%(" in rest:
        raise BadRequest(f"Invalid endpoint url '{url}': only project_id, tenant_id and user_id can be put into it.")


async def _with_region(tx: Any, values: dict[str, Any]) -> dict[str, Any]:
    """The old member `region` names a region and makes it where there is none; `region_id` must exist."""
    legacy = values.pop("region", None)
    region_id = values.get("region_id") or legacy
    if region_id:
        if await tx.get(Region, region_id) is None:
            if not legacy:
                raise BadRequest(f"Could not find region: {region_id}.")
            tx.add(Region(id=region_id, description=""))
        values["region_id"] = region_id
    return values


REGIONS = records(
    API, "/regions", Region, REGION, policy="identity:{verb}", update_method="patch", notify="identity.region.{past}",
    filters={"parent_region_id": nullable(Region.parent_region_id)},
    options={"list": {"query": asked(Field("parent_region_id", t.Text(0, 255)), extra=False)}},
    before_create=region_before_create, before_update=region_before_update, before_delete=region_before_delete)
records(API, "/services", Service, SERVICE, policy="identity:{verb}", update_method="patch",
        notify="identity.service.{past}", filters=comparable(name=Service.name, type=Service.type))
records(API, "/endpoints", Endpoint, ENDPOINT, policy="identity:{verb}", update_method="patch",
        notify="identity.endpoint.{past}",
        filters=comparable(interface=Endpoint.interface, service_id=Endpoint.service_id, region_id=Endpoint.region_id,
                           region=Endpoint.region_id),
        options={"list": {"query": asked(Field("interface", t.Enum("admin", "internal", "public")))}},
        before_create=endpoint_before_create, before_update=endpoint_before_update)


@API.resource("/regions").put("/{id}", status=201, body=REGION, use="create", reply=REGION, policy="identity:create_region")
async def create_with_id(request, tx, id, body):
    """Make a region with an id of the caller's choice."""
    if body.get("id") and body["id"] != id:
        raise BadRequest(f"The region id in the address ({id}) and in the body ({body['id']}) differ.")
    return await REGIONS.create(request, tx, {**body, "id": id})
