"""/registered_limits and /limits: unified limits, as records; both are made several at a time."""

from typing import Any

from sqlalchemy import or_, select

from cloudd.core import ids
from cloudd.core.errors import BadRequest, Conflict, Forbidden, NotFound
from cloudd.core.http import Field, Request, Shape
from cloudd.core.http import types as t
from cloudd.core.http.records import records
from cloudd.core.http.shapes import part
from cloudd.identity.api import API, BY_DOMAIN, ID, asked, comparable, links, nullable
from cloudd.identity.models import Limit, Project, Region, RegisteredLimit, Service
from cloudd.identity.people import limits

NUMBER = t.Int(-1, 0x7FFFFFFF)
REGISTERED = Shape(
    "registered_limit", ID, Field("service_id", t.Text(1, 64), required=True),
    Field("region_id", t.Text(0, 255, null=True)), Field("resource_name", t.Text(1, 255), required=True),
    Field("default_limit", NUMBER, required=True), Field("description", t.Text(0, None, null=True)), links("/registered_limits"))
LIMIT = Shape(
    "limit", ID, Field("project_id", t.Text(0, 64, null=True), update=False),
    Field("domain_id", t.Text(0, 64, null=True), update=False), Field("service_id", t.Text(1, 64), required=True, update=False),
    Field("region_id", t.Text(0, 255, null=True), update=False),
    Field("resource_name", t.Text(1, 255), required=True, update=False), Field("resource_limit", NUMBER, required=True),
    Field("description", t.Text(0, None, null=True)), links("/limits"))

MODEL = t.Record({"model": t.Record({"name": t.Text(), "description": t.Text()})})


def _several(shape: Shape) -> Shape:
    """The body that makes several: `{"limits": [{...}, ...]}`."""
    members = {item.name: item.type for item in shape.fields if item.create}
    required = [item.name for item in shape.fields if item.required]
    return Shape(None, Field(shape.plural, t.List(t.Obj(members, required), 1), required=True))


def _made(shape: Shape) -> t.Type:
    """The answer to it: a list without links."""
    return t.Record({shape.plural: t.List(part(shape))})


async def _check_place(tx: Any, values: dict[str, Any]) -> None:
    if "service_id" in values and await tx.get(Service, values["service_id"]) is None:
        raise BadRequest(f"Could not find service: {values['service_id']}.")
    if values.get("region_id") and await tx.get(Region, values["region_id"]) is None:
        raise BadRequest(f"Could not find region: {values['region_id']}.")


async def _registered(tx: Any, values: dict[str, Any]) -> RegisteredLimit | None:
    query = select(RegisteredLimit).where(
        RegisteredLimit.service_id == values["service_id"], RegisteredLimit.resource_name == values["resource_name"],
        RegisteredLimit.region_id.is_not_distinct_from(values.get("region_id")))
    return (await tx.execute(query)).scalar()


async def registered_before_update(request: Request, tx: Any, row: RegisteredLimit, values: dict[str, Any]) -> dict[str, Any]:
    await _check_place(tx, values)
    key = ("service_id", "region_id", "resource_name")
    if any(values.get(name, getattr(row, name)) != getattr(row, name) for name in key):
        await registered_before_delete(request, tx, row)
        merged = {name: values.get(name, getattr(row, name)) for name in key}
        if await _registered(tx, merged):
            raise Conflict(f"Conflict occurred attempting to store registered_limit - Duplicate entry found for {merged}.")
    return values


async def registered_before_delete(request: Request, tx: Any, row: RegisteredLimit) -> None:
    query = select(Limit.id).where(Limit.service_id == row.service_id, Limit.resource_name == row.resource_name,
                                   Limit.region_id.is_not_distinct_from(row.region_id))
    if limit := (await tx.execute(query)).scalar():
        raise Forbidden(f"Unable to update or delete registered limit {row.id} because there are project limits associated with "
                        f"it: {limit}.")


async def limit_before_update(request: Request, tx: Any, row: Limit, values: dict[str, Any]) -> None:
    if request.settings.identity.limit_model != "flat" and "resource_limit" in values:
        columns = ("project_id", "domain_id", "service_id", "region_id", "resource_name")
        await limits.check_tree(tx, {**{name: getattr(row, name) for name in columns}, **values})


def visible(request: Request, query: Any) -> Any:
    """A list shows everybody's to who may read all, else those of the caller's own project or domain."""
    if request.operation.names or request.allows("identity:get_limit", {"target": {"limit": {}}}):
        return query
    context = request.context
    if context.domain_id:
        inside = select(Project.id).where(Project.domain_id == context.domain_id)
        return query.where(or_(Limit.domain_id == context.domain_id, Limit.project_id.in_(inside)))
    return query.where(Limit.project_id == (context.project_id or ""))


BY_RESOURCE = Field("resource_name", t.Text(1, 255, pattern=r"\S"))
PLACE = {"service_id", "region_id", "resource_name"}
REGISTERED_LIMITS = records(
    API, "/registered_limits", RegisteredLimit, REGISTERED, policy="identity:{verb}", update_method="patch",
    verbs=("list", "show", "update", "delete"),
    filters={**comparable(service_id=RegisteredLimit.service_id, region_id=RegisteredLimit.region_id,
                          resource_name=RegisteredLimit.resource_name), "region_id": nullable(RegisteredLimit.region_id)},
    options={"list": {"query": asked(BY_RESOURCE)}},
    notify="identity.registered_limit.{past}", before_update=registered_before_update, before_delete=registered_before_delete)
LIMITS = records(
    API, "/limits", Limit, LIMIT, policy="identity:{verb}", update_method="patch", verbs=("list", "update", "delete"),
    filters={**comparable(service_id=Limit.service_id, region_id=Limit.region_id, resource_name=Limit.resource_name,
                          project_id=Limit.project_id, domain_id=Limit.domain_id), "region_id": nullable(Limit.region_id)},
    options={"list": {"query": asked(BY_RESOURCE, BY_DOMAIN)}}, visible=visible, before_update=limit_before_update,
    notify="identity.limit.{past}")


@API.resource("/registered_limits").post("", status=201, body=_several(REGISTERED), answer=_made(REGISTERED),
                                        policy="identity:create_registered_limits")
async def register(request, tx, body):
    """Register limits."""
    made = []
    for values in body["registered_limits"]:
        await _check_place(tx, values)
        if await _registered(tx, values):
            raise Conflict("Conflict occurred attempting to store registered_limit - Duplicate entry found for "
                           f"{values['resource_name']} of service {values['service_id']}.")
        made.append(RegisteredLimit(id=ids.new_hex(), **values))
        tx.add(made[-1])
        await tx.flush()
    return {"registered_limits": [REGISTERED.view(row, request) for row in made]}


@API.resource("/limits").post("", status=201, body=_several(LIMIT), answer=_made(LIMIT), policy="identity:create_limits")
async def create(request, tx, body):
    """Give projects or domains limits of their own."""
    made = []
    for values in body["limits"]:
        await _check_limit(tx, values)
        if request.settings.identity.limit_model != "flat":
            await limits.check_tree(tx, values)
        made.append(Limit(id=ids.new_hex(), **values))
        tx.add(made[-1])
        await tx.flush()
    return {"limits": [LIMIT.view(row, request) for row in made]}


async def _check_limit(tx: Any, values: dict[str, Any]) -> None:
    owners = [name for name in ("project_id", "domain_id") if values.get(name)]
    if len(owners) != 1:
        raise BadRequest("A limit is of one project or one domain: send project_id or domain_id.")
    if await tx.get(Project, values[owners[0]]) is None:
        raise BadRequest(f"Could not find {owners[0][:-3]}: {values[owners[0]]}.")
    await _check_place(tx, values)
    if await _registered(tx, values) is None:
        raise BadRequest(f"There is no registered limit for {values['resource_name']} of service {values['service_id']} "
                         f"in region {values.get('region_id')}.")
    query = select(Limit.id).where(*(getattr(Limit, name).is_not_distinct_from(values.get(name))
                                     for name in ("project_id", "domain_id", *sorted(PLACE))))
    if (await tx.execute(query)).first():
        raise Conflict(f"Conflict occurred attempting to store limit - Duplicate entry found for {values['resource_name']}.")


@API.resource("/limits").get("/model", policy="identity:get_limit_model", answer=MODEL)
async def model(request):
    """How limits of projects below each other count."""
    name = request.settings.identity.limit_model
    return {"model": {"name": name, "description": limits.MODELS[name]}}


def _limit_target(request: Request) -> dict[str, Any]:
    limit = request.loaded.get("limit")
    if limit is None:
        return {}
    project = request.params.get("project")
    return {"target": {"limit": {"project_id": limit.project_id, "domain": {"id": limit.domain_id},
                                 "project": {"domain_id": project.domain_id if project else None}}}}


@API.loader("own_limit")
async def load_own_limit(request: Request, tx: Any, value: str) -> Limit:
    """A limit and, for policy, the project that it is of."""
    limit = request.loaded["limit"] = await tx.get(Limit, value)
    if limit is None:
        del request.loaded["limit"]
        raise NotFound(f"Could not find limit for {value}.")
    request.params["project"] = await tx.get(Project, limit.project_id) if limit.project_id else None
    return limit


@API.resource("/limits").get("/{own_limit}", policy="identity:get_limit", reply=LIMIT, target=_limit_target)
async def show(own_limit):
    """A limit."""
    return own_limit
