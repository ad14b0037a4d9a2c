"""The version documents of block storage, answered to everybody."""

from typing import Any

from cloudd.block.api import API
from cloudd.block.versions import HISTORY
from cloudd.core.http import Api, Reply, Request
from cloudd.core.http.microversions import show
from cloudd.core.http.types import List, Obj, Record, Text

VERSIONS = Api("block-storage-versions", prefixes=("/volume",), dialect=API.dialect, title="Block storage: versions")
UPDATED = "2026-08-21T00:00:00Z"
MEDIA = {"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"}
LINK = Obj({"rel": Text(), "type": Text(), "href": Text()}, ("rel", "href"))
ALL = Record({"versions": List(Record({
    **dict.fromkeys(("id", "status", "version", "min_version", "updated"), Text()), "links": List(LINK),
    "media-types": List(Record({"base": Text(), "type": Text()}))}))})


def document(request: Request) -> dict[str, Any]:
    links = [{"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"},
             {"rel": "self", "href": request.host_link("/volume/v3/")}]
    return {"versions": [{"id": "v3.0", "status": "CURRENT", "version": show(HISTORY.last), "min_version": show(HISTORY.first),
                          "updated": UPDATED, "links": links, "media-types": [MEDIA]}]}


@VERSIONS.resource("").get("/", auth=False, status=300, answer=ALL)
async def index(request: Request) -> Reply:
    """List the versions."""
    return Reply(document(request))


@API.resource("").get("/", auth=False, answer=ALL)
async def show_own(request: Request) -> dict[str, Any]:
    """Show the version that the address names."""
    return document(request)
