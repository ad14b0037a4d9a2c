"""QoS specs over HTTP."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block.api import API, fields
from cloudd.block.api.types.values import VALUE
from cloudd.block.models import QosSpecs
from cloudd.block.types import find, qos
from cloudd.core.errors import BadRequest
from cloudd.core.http import Field, Page, Reply, Request, Shape
from cloudd.core.http.dialects import LINKS
from cloudd.core.http.lists import Filters
from cloudd.core.http.shapes import queried
from cloudd.core.http.types import Enum, List, Map, Raw, Record, Text, Uuid

RULE = "volume_extension:qos_specs_manage:{}"
SPEC_VALUE = Text(0, 255, null=True)
CREATE = Shape("qos_specs", Field("name", Text(1, None, pattern=r"^\s*\S(.{0,253}\S)?\s*$", strip=True), required=True),
               Field("consumer", Text(1, 255)), extra=SPEC_VALUE)
SET = Shape(None, Field("qos_specs", Map(VALUE, keys=fields.KEY), required=True))
UNSET_KEYS = Shape(None, Field("keys", List(Text(1, 255), unique=True), required=True))
PARTS = {"id": Uuid(), "name": Text(), "consumer": Enum(*qos.CONSUMERS), "specs": Map(Text())}
QOS = Shape("qos_specs", *(Field(name, kind) for name, kind in PARTS.items()), plural="qos_specs")
DETAIL = Record({"qos_specs": Record(PARTS), "links": Raw(LINKS)})
ECHO = Record({"qos_specs": Map(Text(null=True))})
ASSOCIATIONS = Record({"qos_associations": List(Record({"association_type": Enum("volume_type"), "name": Text(), "id": Uuid()}))})
LISTING = fields.Rows(QosSpecs, {"id": QosSpecs.id, "name": QosSpecs.name, "consumer": QosSpecs.consumer},
                      {"id": QosSpecs.id, "name": QosSpecs.name, "consumer": QosSpecs.consumer, "created_at": QosSpecs.created_at},
                      (("created_at", "desc"),))
TYPE = queried("vol_type_id")
resource = API.resource("/qos-specs")


@API.loader("qos_id")
async def load(request: Request, tx: AsyncSession, qos_id: str) -> QosSpecs:
    """Who may not do it at all is told so, whatever there is."""
    request.require(request.operation.policy or "")
    return await qos.find(tx, qos_id)


def detail(request: Request, row: QosSpecs) -> dict[str, Any]:
    links = [{"rel": "self", "href": request.link("/qos-specs/{}", row.id)},
             {"rel": "bookmark", "href": request.host_link(f"/volume/qos-specs/{row.id}")}]
    return {"qos_specs": {name: getattr(row, name) for name in PARTS}, "links": links}


async def named_type(request: Request, tx: AsyncSession) -> Any:
    """The type that the query names. Raises BadRequest, NotFound."""
    if not request.query.get("vol_type_id"):
        raise BadRequest("Volume Type id must not be None: name it by vol_type_id.")
    return await find.by_id(tx, request.context, request.query["vol_type_id"])


@resource.get("", policy=RULE.format("get_all"), reply=QOS, listing=LISTING)
async def index(request: Request, tx: AsyncSession) -> Page:
    """List QoS specs."""
    return await LISTING.page(request, tx, select(QosSpecs))


@resource.post("", policy=RULE.format("create"), body=CREATE, answer=DETAIL)
async def create(request: Request, tx: AsyncSession, body: dict[str, Any]) -> dict[str, Any]:
    """Make QoS specs."""
    name = body.pop("name")
    check_keys(body)
    return detail(request, await qos.create(request.context, tx, name, body))


def check_keys(specs: dict[str, Any]) -> None:
    if wrong := [key for key in specs if not 1 <= len(key) <= 255]:
        raise BadRequest(f"Invalid qos specs: the key '{wrong[0][:60]}' must have 1 to 255 characters.", type="InvalidQoSSpecs")


@resource.get("/{qos_id}", policy=RULE.format("get"), answer=DETAIL)
async def show(request: Request, qos_id: QosSpecs) -> dict[str, Any]:
    """Show QoS specs."""
    return detail(request, qos_id)


@resource.put("/{qos_id}", policy=RULE.format("update"), use="create", body=SET, answer=ECHO)
async def update(request: Request, tx: AsyncSession, qos_id: QosSpecs, body: dict[str, Any]) -> dict[str, Any]:
    """Set keys of QoS specs."""
    await qos.put(request.context, tx, qos_id, body["qos_specs"])
    return body


@resource.delete("/{qos_id}", policy=RULE.format("delete"), status=202, listing=Filters(("force",)))
async def delete(request: Request, tx: AsyncSession, qos_id: QosSpecs) -> Reply:
    """Delete QoS specs; with `force` even those that types have."""
    await qos.delete(request.context, tx, qos_id, force=fields.flag(request, "force"))
    return Reply()


@resource.put("/{qos_id}/delete_keys", policy=RULE.format("delete"), use="create", body=UNSET_KEYS, status=202)
async def delete_keys(request: Request, tx: AsyncSession, qos_id: QosSpecs, body: dict[str, Any]) -> Reply:
    """Take keys from QoS specs."""
    await qos.drop_keys(request.context, tx, qos_id, body["keys"])
    return Reply()


@resource.get("/{qos_id}/associations", policy=RULE.format("get_all"), answer=ASSOCIATIONS)
async def associations(tx: AsyncSession, qos_id: QosSpecs) -> dict[str, Any]:
    """List the volume types that have these QoS specs."""
    return {"qos_associations": [{"association_type": "volume_type", "name": row.name, "id": row.id}
                                 for row in await qos.types_of(tx, qos_id)]}


@resource.get("/{qos_id}/associate", policy=RULE.format("update"), query=TYPE, status=202, write=True, many=False)
async def associate(request: Request, tx: AsyncSession, qos_id: QosSpecs) -> Reply:
    """Give QoS specs to a volume type."""
    await qos.associate(request.context, tx, qos_id, await named_type(request, tx))
    return Reply()


@resource.get("/{qos_id}/disassociate", policy=RULE.format("update"), query=TYPE, status=202, write=True, many=False)
async def disassociate(request: Request, tx: AsyncSession, qos_id: QosSpecs) -> Reply:
    """Take QoS specs from a volume type."""
    await qos.disassociate(request.context, tx, qos_id, await named_type(request, tx))
    return Reply()


@resource.get("/{qos_id}/disassociate_all", policy=RULE.format("update"), status=202, write=True, many=False)
async def disassociate_all(request: Request, tx: AsyncSession, qos_id: QosSpecs) -> Reply:
    """Take QoS specs from all volume types."""
    await qos.disassociate_all(request.context, tx, qos_id)
    return Reply()
