"""Flavors over HTTP."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute.api import API, PRINTABLE, links
from cloudd.compute.flavors import rules as flavors
from cloudd.compute.models import Flavor
from cloudd.compute.versions import FLAVOR_DESCRIPTION, FLAVOR_EXTRA_SPECS, FLAVOR_NAME_FILTER, STRICT
from cloudd.core.errors import BadRequest, NotFound
from cloudd.core.http import Field, Request, Shape
from cloudd.core.http.api import Page
from cloudd.core.http.dialects import LINKS
from cloudd.core.http.lists import Listing
from cloudd.core.http.records import records
from cloudd.core.http.shapes import UNSET
from cloudd.core.http.types import Bool, Int, List, Map, Raw, Text
from cloudd.core.ids import whole

MAX = 0x7FFFFFFF
NAME = r"^(?=\S)[^\x00-\x1f]*(?<=\S)$"
MANAGE = "os_compute_api:os-flavor-manage:{}"
SEE = "os_compute_api:flavors"


def specs(row: Flavor, request: Request) -> Any:
    """The extra specs, for those who may see them."""
    return row.extra_specs if request.allows("os_compute_api:os-flavor-extra-specs:index") else UNSET


def swap(row: Flavor, request: Request) -> Any:
    """Nova's oddity: no swap is an empty text, until 2.75."""
    return row.swap if row.swap or request.has(STRICT) else ""


FLAVOR = Shape("flavor",
    Field("id", Raw({"type": ["string", "integer", "null"], "minLength": 1, "maxLength": 255, "minimum": 0,
                     "pattern": r"^(?! )[a-zA-Z0-9. _-]+(?<! )$"}, lambda value: None if value is None else str(value),
                    answer={"type": "string"}),
          update=False),
    Field("name", Text(1, 255, pattern=NAME), required=True, update=False),
    Field("ram", Int(1, MAX, text=True), required=True, update=False),
    Field("vcpus", Int(1, MAX, text=True), required=True, update=False),
    Field("disk", Int(0, MAX, text=True), required=True, update=False),
    Field("OS-FLV-EXT-DATA:ephemeral", Int(0, MAX, text=True), default=0, column="ephemeral", update=False),
    Field("swap", Int(0, MAX, text=True), default=0, update=False, of=swap,
          answer=Raw({"type": ["integer", "string"], "maxLength": 0})),
    Field("rxtx_factor", Raw({"type": ["number", "string"], "pattern": r"^[0-9]+(\.[0-9]+)?$", "minimum": 0,
                              "exclusiveMaximum": 3.40282e38}, float, answer={"type": "number"}), default=1.0, update=False, until="2.101"),
    Field("os-flavor-access:is_public", Bool(text=True), default=True, column="is_public", update=False),
    Field("OS-FLV-DISABLED:disabled", Bool(), column="disabled", readonly=True, until="2.101"),
    Field("description", Text(0, 65535, null=True, pattern=PRINTABLE), since=FLAVOR_DESCRIPTION),
    Field("extra_specs", Map(Text()), readonly=True, since=FLAVOR_EXTRA_SPECS, of=specs, sometimes=True),
    Field("links", Raw(LINKS), readonly=True, of=lambda row, request: links(request, "flavors", row.id)),
)
CHANGED = Shape("flavor", Field("description", Text(0, 65535, null=True, pattern=PRINTABLE), required=True))
BRIEF = Shape("flavor",
    Field("id", Text()), Field("name", Text()), Field("description", Text(null=True), since=FLAVOR_DESCRIPTION),
    Field("links", Raw(LINKS), of=lambda row, request: links(request, "flavors", row.id)),
)
FILTERS = Shape(None,
    *(Field(name, List(Text(0, 255))) for name in ("is_public", "minRam", "minDisk", "limit", "marker", "sort_key", "sort_dir")),
    Field("name", List(Text(0, 255)), since=FLAVOR_NAME_FILTER),
    extra=STRICT,
)
SORTS = {"flavorid": Flavor.id, "id": Flavor.id, "name": Flavor.name, "memory_mb": Flavor.ram, "vcpus": Flavor.vcpus,
         "root_gb": Flavor.disk, "ephemeral_gb": Flavor.ephemeral, "swap": Flavor.swap, "rxtx_factor": Flavor.rxtx_factor,
         "disabled": Flavor.disabled, "is_public": Flavor.is_public, "created_at": Flavor.created_at,
         "updated_at": Flavor.updated_at, "description": Flavor.description}
LISTING = Listing(Flavor, {}, SORTS, (("flavorid", "asc"),))


async def make(request: Request, tx: AsyncSession, values: dict[str, Any]) -> dict[str, Any]:
    values.setdefault("rxtx_factor", 1.0)
    return await flavors.prepare(tx, values)


async def page(request: Request, tx: AsyncSession) -> Page:
    """What the caller may see, filtered as he asks."""
    query = flavors.of_publicity(request.context, select(Flavor), request.query.get("is_public"))
    for name, column in (("minRam", Flavor.ram), ("minDisk", Flavor.disk)):
        if text := request.query.get(name):
            if (least := whole(text, MAX)) is None:
                raise BadRequest(f"Invalid {name} filter [{text}]")
            query = query.where(column >= least)
    if request.has(FLAVOR_NAME_FILTER) and "name" in request.query:
        query = query.where(Flavor.name.in_(request.query.getall("name")))
    return await LISTING.page(request, tx, query, seen=flavors.visible(request.context, select(Flavor)))


records(API, "/flavors", Flavor, FLAVOR, policy=MANAGE.format("{verb}"), verbs=("create", "delete"), before_create=make,
        visible=lambda request, query: flavors.visible(request.context, query), notify="flavor.{verb}",
        options={"create": {"status": 200}, "delete": {"status": 202}})
resource = API.resource("/flavors")


@resource.get("", policy=SEE, query=FILTERS, reply=BRIEF)
async def index(request: Request, tx: AsyncSession) -> Page:
    """List flavors."""
    return await page(request, tx)


@resource.get("/detail", policy=SEE, query=FILTERS, reply=FLAVOR)
async def detail(request: Request, tx: AsyncSession) -> Page:
    """List flavors with all that they have."""
    return await page(request, tx)


@resource.get("/{flavor}", policy=SEE, reply=FLAVOR)
async def show(flavor: Flavor) -> Flavor:
    """Show a flavor."""
    return flavor


@resource.put("/{flavor}", policy=MANAGE.format("update"), since=FLAVOR_DESCRIPTION, body=CHANGED, reply=FLAVOR, use="create")
async def update(request: Request, tx: AsyncSession, flavor: Flavor, body: dict[str, Any]) -> Flavor:
    """Describe a flavor in other words."""
    flavor.description, flavor.updated_at = body["description"], request.context.now()
    await tx.flush()
    return flavor


@API.loader("flavor")
async def load(request: Request, tx: AsyncSession, flavor_id: str) -> Flavor:
    """Who may not do it at all is told so, whatever he may see."""
    request.require(request.operation.policy)
    if len(flavor_id) > 255:
        raise NotFound(f"Flavor {flavor_id[:80]}... could not be found.")
    return await flavors.find(request.context, tx, flavor_id)
