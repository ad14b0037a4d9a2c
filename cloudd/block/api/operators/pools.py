"""The pools as the scheduler sees them, over HTTP."""

from typing import Any

from cloudd.block import filters, pools, specs
from cloudd.block.api import API, fields
from cloudd.block.backends import Backends
from cloudd.block.types import find
from cloudd.block.versions import LIKE_FILTERS, POOL_FILTERS, POOL_TYPE_FILTER, RESOURCE_FILTERS
from cloudd.core.http import Request
from cloudd.core.http.lists import Filters
from cloudd.core.http.types import List, Map, Obj, Record, Text

POOLS = Record({"pools": List(Obj({"name": Text(), "capabilities": Map()}, ["name"]))})
ASKED = Filters(("detail", *filters.FILTERS["pool"]))


@API.resource("/scheduler-stats").get("/get_pools", policy="scheduler_extension:scheduler_stats:get_pools", live=True, answer=POOLS,
                                      listing=ASKED)
async def index(request: Request) -> dict[str, Any]:
    """List the pools; with `detail`, with what they have and can."""
    detail = fields.flag(request, "detail")
    wanted = asked(request)
    async with request.parts.database.read() as tx:
        taken, name = await pools.promised(tx), wanted.pop("volume_type", None)
        of_type = await find.specs(tx, (await find.find(tx, request.context, name)).id) if name else {}
    found = [pool for pool in pools.pools(await pools.survey(request.service(Backends)), taken)
             if suits(pool, wanted) and not specs.unmet(pool.capabilities(), of_type)]
    return {"pools": [{"name": pool.name, **({"capabilities": facts(request, pool)} if detail else {})} for pool in found]}


def asked(request: Request) -> dict[str, str]:
    """The filters, as far as this version has them. Raises BadRequest."""
    if not request.has(POOL_FILTERS):
        return {}
    given = {name: value for name, value in request.query.items() if name not in ("detail", *API.dialect.paging)}
    if request.has(RESOURCE_FILTERS):
        filters.refuse(request.context, "pool", given, like=request.has(LIKE_FILTERS))
    if not request.has(POOL_TYPE_FILTER):
        given.pop("volume_type", None)
    return given


def suits(pool: pools.Pool, wanted: dict[str, str]) -> bool:
    """Whether a pool has this name, and of each capability that is named this value."""
    have = {"name": pool.name, **pool.capabilities()}
    return all(name in have and str(have[name]).lower() == value.lower() for name, value in wanted.items())


def facts(request: Request, pool: pools.Pool) -> dict[str, Any]:
    return {**pool.capabilities(), "timestamp": request.context.now().replace(tzinfo=None).isoformat(timespec="microseconds")}
