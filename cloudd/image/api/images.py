"""Image records: list, show, create, patch, delete, deactivate, reactivate, tags."""

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from cloudd.core import clock
from cloudd.core.errors import BadRequest, Forbidden, NotFound
from cloudd.core.http import Field, Page, Reply, Request, Shape
from cloudd.core.http import types as t
from cloudd.core.http.dialects import ListQuery
from cloudd.core.http.lists import Listing
from cloudd.core.http.shapes import UNSET, Unchecked, queried
from cloudd.image import images, limits, locations, patches, quotas
from cloudd.image.api import API, LOCATION, STAMPS, target
from cloudd.image.imports import METHODS
from cloudd.image.models import Image, ImageMember, ImageProperty, ImageTag, visible
from cloudd.image.progress import PROPERTY, Progress
from cloudd.image.stores import Stores

MEMBERS = (
    Field("id", t.Uuid(), update=False),
    Field("name", t.Text(0, 255, null=True)),
    Field("visibility", t.Enum(*images.VISIBILITIES)),
    Field("protected", t.Bool()),
    Field("os_hidden", t.Bool()),
    Field("owner", t.Text(0, 255, null=True), of="project_id"),
    Field("container_format", t.Enum(*images.CONTAINERS, null=True)),
    Field("disk_format", t.Enum(*images.DISKS, null=True)),
    Field("min_disk", t.Int(0, 2**31 - 1)),
    Field("min_ram", t.Int(0, 2**31 - 1)),
    Field("tags", t.List(t.Text(1, 255))),
)
IMAGE = Shape(None, *MEMBERS, extra=True)


def _listed(request: Request, image: Image) -> list[dict[str, Any]]:
    """Where the data lies, for those who may know."""
    may = request.allows("get_image_location", {"project_id": image.project_id})
    return locations.view(request.service(Stores), image) if may else []


def _locations(image: Image, request: Request) -> Any:
    return _listed(request, image) if request.settings.image.show_multiple_locations else UNSET


def _direct_url(image: Image, request: Request) -> Any:
    listed = _listed(request, image) if request.settings.image.show_image_direct_url else ()
    return listed[0]["url"] if listed else UNSET


SHOWN = Shape(
    None, *MEMBERS, *(Field(name, t.Text(null=True)) for name in ("status", "checksum", "os_hash_algo", "os_hash_value")),
    *(Field(name, t.Int(null=True)) for name in ("size", "virtual_size")), *STAMPS,
    Field("stores", t.Text(), sometimes=True,
          of=lambda image, request: ",".join(request.service(Stores).sorted(image.stores)) if image.locations else UNSET),
    Field("self", t.Text(), of=lambda image, request: f"/v2/images/{image.id}"),
    Field("file", t.Text(), of=lambda image, request: f"/v2/images/{image.id}/file"),
    Field("schema", t.Text(), of=lambda image, request: "/v2/schemas/image"),
    Field("locations", t.List(LOCATION), sometimes=True, of=_locations),
    Field("direct_url", t.Text(), sometimes=True, of=_direct_url),
    Field(PROPERTY, t.Text(), sometimes=True, of=lambda image, request: request.service(Progress).words(image.id) or UNSET),
    extra=t.Text(null=True), plural="images")
"""An image as Glance shows it: base members and custom properties side by side."""

COMPARE = {"gt": "__gt__", "gte": "__ge__", "lt": "__lt__", "lte": "__le__", "neq": "__ne__", "eq": "__eq__"}


def _text(column: InstrumentedAttribute[Any]) -> Any:
    """A filter that knows Glance's `in:a,b`; the operators of moments are refused."""
    def clause(values: Sequence[str]) -> ColumnElement[bool]:
        head, colon, rest = values[-1].partition(":")
        if colon and head == "in":
            return column.in_(_split(rest))
        if colon and head in COMPARE and head != "eq":
            raise BadRequest(f"Unable to filter by unknown operator '{head}': {column.key} takes in: and eq:.")
        return column == (rest if colon and head == "eq" else values[-1])
    return clause


def _split(text: str) -> list[str]:
    """`a,b,"c,d"` as its parts."""
    parts, quoted, part = [], False, ""
    for character in text:
        if character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            parts, part = [*parts, part], ""
        else:
            part += character
    if quoted:
        raise BadRequest(f"Unbalanced quotes in the filter in:{text}.")
    return [*parts, part]


def _number(column: InstrumentedAttribute[Any], name: str, compare: str = "__eq__") -> Any:
    def clause(values: Sequence[str]) -> ColumnElement[bool]:
        if not re.fullmatch("-?[0-9]{1,18}", values[-1]):
            raise BadRequest(f"Cannot convert the value '{values[-1]}' of the filter {name} to a number.")
        return getattr(column, compare)(int(values[-1]))
    return clause


def _flag(column: InstrumentedAttribute[Any], name: str) -> Any:
    def clause(values: Sequence[str]) -> ColumnElement[bool]:
        if values[-1].lower() not in ("true", "false"):
            raise BadRequest(f"{name} must be true or false, not '{values[-1]}'.")
        return column.is_(values[-1].lower() == "true")
    return clause


def _moment(column: InstrumentedAttribute[Any], name: str) -> Any:
    def clause(values: Sequence[str]) -> ColumnElement[bool]:
        head, colon, rest = values[-1].partition(":")
        known = colon and head in COMPARE
        try:
            moment = clock.parse(rest if known else values[-1])
        except ValueError as exc:
            raise BadRequest(f"The filter {name} is OPERATOR:MOMENT (gt, gte, eq, neq, lt, lte; ISO 8601), "
                             f"not '{values[-1]}'.") from exc
        return getattr(column, COMPARE[head] if known else "__eq__")(moment)
    return clause


def _tags(values: Sequence[str]) -> ColumnElement[bool]:
    return and_(*(Image.id.in_(select(ImageTag.image_id).where(ImageTag.tag == tag)) for tag in values))


FILTERS: dict[str, Any] = {
    **{name: _text(getattr(Image, name)) for name in ("name", "id", "status", "container_format", "disk_format", "checksum",
                                                      "os_hash_value", "os_hash_algo")},
    "owner": _text(Image.project_id), "tag": _tags, "protected": _flag(Image.protected, "protected"),
    **{f"{name}_{end}": _number(getattr(Image, name), f"{name}_{end}", how) for end, how in (("min", "__ge__"), ("max", "__le__"))
       for name in ("size", "virtual_size", "min_disk", "min_ram")},
    **{name: _number(getattr(Image, name), name) for name in ("min_disk", "min_ram", "size", "virtual_size")},
    **{name: _moment(getattr(Image, name), name) for name in ("created_at", "updated_at")},
}
HANDLED = {"visibility", "member_status", "os_hidden"}
SORTS = {name: getattr(Image, name) for name in ("name", "status", "container_format", "disk_format", "size", "virtual_size",
                                                 "id", "created_at", "updated_at", "min_disk", "min_ram", "visibility")}
LISTING = Listing(Image, FILTERS, {**SORTS, "owner": Image.project_id}, (("created_at", "desc"), ("id", "desc")))


def _seen(request: Request) -> ColumnElement[bool]:
    """Which images a list shows: what `visibility`, `member_status` and `os_hidden` ask of what the caller may see."""
    query, context = request.query, request.context
    visibility, status = query.get("visibility"), query.get("member_status", "accepted")
    if visibility not in (None, "all", *images.VISIBILITIES):
        raise BadRequest(f"Invalid visibility value: {visibility}; use all, {', '.join(images.VISIBILITIES)}.")
    if status not in ("accepted", "pending", "rejected", "all"):
        raise BadRequest(f"Invalid status: {status}; member_status is accepted, pending, rejected or all.")
    hidden = query.get("os_hidden", "false").lower()
    if hidden not in ("true", "false"):
        raise BadRequest(f"os_hidden must be true or false, not '{query['os_hidden']}'.")
    clauses = [Image.os_hidden.is_(hidden == "true")]
    if not context.is_admin:
        mine = select(ImageMember.image_id).where(ImageMember.member_id == context.project_id)
        mine = mine if status == "all" else mine.where(ImageMember.status == status)
        clauses.append(or_(Image.project_id == context.project_id, Image.visibility.in_(("public", "community")),
                           and_(Image.visibility == "shared", Image.id.in_(mine))))
    if visibility in images.VISIBILITIES:
        clauses.append(Image.visibility == visibility)
    elif visibility is None:                                  # somebody's community images are shown to who asks for them
        clauses.append(or_(Image.visibility != "community", Image.project_id == context.project_id))
    return and_(*clauses)


def _properties(asked: ListQuery) -> list[ColumnElement[bool]]:
    """Filters that are no base member name a custom property."""
    return [exists().where(ImageProperty.image_id == Image.id, ImageProperty.name == name,
                           func.lower(ImageProperty.value) == values[-1].lower())
            for name, values in asked.filters if name not in FILTERS and name not in HANDLED]


@API.resource("/images").get(policy="get_images", reply=SHOWN, listing=LISTING, query=queried(*HANDLED))
async def index(request: Request, tx: Any) -> Page:
    """List the images that the caller may use."""
    if "changes-since" in request.query:
        raise BadRequest('The "changes-since" filter is not available in v2: use updated_at=gte:MOMENT.')
    asked = API.dialect.read_list(request)
    query = select(Image).where(_seen(request), *_properties(asked))
    known = ListQuery(tuple(pair for pair in asked.filters if pair[0] in FILTERS), asked.sorts, asked.limit, asked.marker)
    return await LISTING.page(request, tx, query, known, visible(request.context))


@API.resource("/images").post(policy="add_image", body=IMAGE, reply=SHOWN, status=201,
                              target=lambda request: {**request.own(), "owner": _owner(request)})
async def create(request: Request, tx: Any, body: dict[str, Any]) -> Reply:
    """Make an image's record; its data comes next."""
    if bad := sorted(images.READONLY.intersection(body) - {"id"}):
        raise Forbidden(f"Attribute '{bad[0]}' is read-only.", type="ReadonlyProperty")
    if "locations" in body:
        raise Forbidden("It's not allowed to add locations if locations are invisible.", type="Forbidden")
    _may_show(request, body.get("visibility"), request.own())
    await quotas.require(tx, request.context, request.settings.server.region, image_count_total=1)
    limits.tags(request.settings, body.get("tags", []))
    image = await images.create(tx, request.context, body)
    limits.properties(request.settings, image.properties)
    return Reply(image, headers={"Location": request.link(f"/images/{image.id}"),
                                 "OpenStack-image-import-methods": ",".join(METHODS),
                                 "OpenStack-image-store-ids": ",".join(request.service(Stores).writable_names())})


def _owner(request: Request) -> str | None:
    sent = request.sent.get("owner") if isinstance(request.sent, dict) else None
    return sent or request.context.project_id


def _may_show(request: Request, visibility: str | None, owner: Any) -> None:
    rules = {"public": "publicize_image", "community": "communitize_image"}
    if visibility in rules:
        request.require(rules[visibility], owner)


PATCH = Unchecked({"type": "array", "items": {"type": "object", "properties": {
    "op": {"enum": list(patches.OPERATIONS)}, "path": {"type": "string"}, "value": {}}}})
ONE = API.resource("/images/{image}", target=target)


@ONE.get(policy="get_image", reply=SHOWN)
async def show(image: Image) -> Image:
    """Show an image."""
    return image


@ONE.patch(policy="modify_image", body=PATCH, reply=SHOWN, live=True)
async def update(request: Request, image: Image, body: Any) -> Image:
    """Change an image by a JSON patch. New locations are looked at before the transaction."""
    patch = patches.read(request.raw.content_type, body, image)
    places = await _look(request, patch) if patch.locations else {}
    async with request.parts.database.write() as tx:
        image = await images.find(tx, request.context, image.id)
        patch = patches.read(request.raw.content_type, body, image)
        if patch.locations:
            await locations.patch(tx, request.context, image, patch.locations, places, request.service(Stores))
            if any(operation != "remove" for operation, _, _ in patch.locations):
                limits.locations(request.settings, len(image.locations))
        return await _update(request, tx, image, patch)


async def _update(request: Request, tx: Any, image: Image, patch: patches.Patch) -> Image:
    given = {name: value for name, value in patch.changes.items() if name in images.BASE}
    values = IMAGE.read(given, request.version) | {name: value for name, value in patch.changes.items() if name not in images.BASE}
    if values.get("visibility") != image.visibility:
        _may_show(request, values.get("visibility"), target(request))
    if "owner" in values and values["owner"] != image.project_id and not request.context.is_admin:
        raise Forbidden("Only an administrator may change the owner of an image.", type="Forbidden")
    limits.tags(request.settings, values.get("tags", []))
    before = set(image.properties)
    changed = await images.update(tx, request.context, image, values, patch.removed)
    limits.properties(request.settings, changed.properties, before)
    return changed


async def _look(request: Request, patch: patches.Patch) -> dict[str, locations.Place]:
    """The addresses that a patch adds, each asked for. Raises Forbidden where nobody may see or set locations."""
    if not request.settings.image.show_multiple_locations:
        raise Forbidden("It's not allowed to add, replace or remove locations if locations are invisible.", type="Forbidden")
    for operation, _, _ in patch.locations:
        request.require("delete_image_location" if operation == "remove" else "set_image_location", target(request))
    known = {one["url"] for one in locations.view(request.service(Stores), request.loaded["image"])}
    trusted = request.allows("service_api")
    return {url: await locations.look(request.parts, url, trusted) for url in patch.urls() if url not in known}


@ONE.delete(policy="delete_image")
async def delete(request: Request, tx: Any, image: Image) -> None:
    """Delete an image and its data."""
    await images.delete(tx, request.context, image)


@ONE.post("/actions/deactivate", policy="deactivate", status=204)
async def deactivate(request: Request, tx: Any, image: Image) -> None:
    """Keep an image's data from all but administrators."""
    await images.set_active(tx, request.context, image, "deactivate")


@ONE.post("/actions/reactivate", policy="reactivate", status=204)
async def reactivate(request: Request, tx: Any, image: Image) -> None:
    """Give a deactivated image back."""
    await images.set_active(tx, request.context, image, "reactivate")


@ONE.put("/tags/{tag}", policy="modify_image", status=204)
async def add_tag(request: Request, tx: Any, image: Image, tag: str) -> None:
    """Add a tag."""
    limits.tags(request.settings, [*image.tags, tag])
    await images.update(tx, request.context, image, {"tags": [*image.tags, tag]}, set())


@ONE.delete("/tags/{tag}", policy="modify_image")
async def delete_tag(request: Request, tx: Any, image: Image, tag: str) -> None:
    """Remove a tag."""
    if tag not in image.tags:
        raise NotFound(f"Image {image.id} has no tag {tag}.")
    await images.update(tx, request.context, image, {"tags": [one for one in image.tags if one != tag]}, set())
