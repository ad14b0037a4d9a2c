"""What lists may be filtered by, over HTTP."""

from typing import Any

from cloudd.block import filters
from cloudd.block.api import API
from cloudd.block.versions import RESOURCE_FILTERS_LIST
from cloudd.core.http import Request
from cloudd.core.http.lists import Filters
from cloudd.core.http.types import List, Record, Text

SHOWN = Record({"resource_filters": List(Record({"resource": Text(), "filters": List(Text())}))})
SEE = "volume:get_all"
"""Upstream asks no policy; whoever may list volumes may know how."""


@API.resource("/resource_filters").get("", policy=SEE, since=RESOURCE_FILTERS_LIST, answer=SHOWN, listing=Filters(("resource",)))
async def index(request: Request) -> dict[str, Any]:
    """List the filters of each list, or of one."""
    wanted = request.query.get("resource")
    return {"resource_filters": [{"resource": name, "filters": list(names)} for name, names in filters.every().items()
                                 if wanted in (None, "", name)]}
