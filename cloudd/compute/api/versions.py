"""The version documents of compute, answered to everybody."""

from typing import Any

from cloudd.compute.api import API
from cloudd.compute.versions import HISTORY
from cloudd.core.errors import NotFound
from cloudd.core.http import Api, Request
from cloudd.core.http.microversions import show as shown_version
from cloudd.core.http.types import List, Obj, Record, Text

VERSIONS = Api("compute-versions", prefixes=("/compute",), dialect=API.dialect, title="Compute: versions")
KNOWN = {
    "v2.0": {"status": "SUPPORTED", "version": "", "min_version": "", "updated": "2011-01-21T11:33:21Z"},
    "v2.1": {"status": "CURRENT", "version": shown_version(HISTORY.last), "min_version": shown_version(HISTORY.first),
             "updated": "2013-07-23T11:33:21Z"},
}
PATHS = {"v2.0": "/compute/v2/", "v2.1": "/compute/v2.1/"}
REFERENCE = {"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/api-ref/compute/"}


LINK = Obj({"rel": Text(), "type": Text(), "href": Text()}, ("rel", "href"))
VERSION = {"id": Text(), **dict.fromkeys(("status", "version", "min_version", "updated"), Text()), "links": List(LINK)}
ALL = Record({"versions": List(Record(VERSION))})
ONE = Record({"version": Record({**VERSION, "media-types": List(Record({"base": Text(), "type": Text()}))})})


def version(request: Request, name: str) -> dict[str, Any]:
    return {"id": name, **KNOWN[name], "links": [{"rel": "self", "href": request.host_link(PATHS[name])}]}


def document(request: Request, name: str) -> dict[str, Any]:
    """One version in full."""
    shown = version(request, name)
    media = {"base": "application/json", "type": f"application/vnd.openstack.compute+json;version={name[1:].rstrip('.0') or 2}"}
    return {"version": {**shown, "links": [*shown["links"], REFERENCE], "media-types": [media]}}


@VERSIONS.resource("").get("/", auth=False, answer=ALL)
async def index(request: Request) -> dict[str, Any]:
    """List the versions, the oldest first."""
    return {"versions": [version(request, name) for name in KNOWN]}


@API.resource("").get("/", auth=False, answer=ONE)
async def show_own(request: Request) -> dict[str, Any]:
    """Show the version that the address names."""
    return document(request, "v2.0" if request.prefix.startswith("/compute/v2/") or request.prefix == "/compute/v2" else "v2.1")


@API.resource("/versions").get("/{name}", auth=False, answer=ONE)
async def show(request: Request, name: str) -> dict[str, Any]:
    """Show a version by its name."""
    if name not in KNOWN:
        raise NotFound(f"Version {name} could not be found: there are {', '.join(KNOWN)}.")
    return document(request, name)
