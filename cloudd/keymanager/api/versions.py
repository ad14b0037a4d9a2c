"""The version documents, answered to everybody: the form of before microversions, and that of after."""

from typing import Any

from cloudd.core.http import Request
from cloudd.core.http import types as t
from cloudd.core.http.microversions import show as shown
from cloudd.keymanager.api import API
from cloudd.keymanager.versions import CONSUMERS, HISTORY

JSON = "application/json"
MEDIA = "application/vnd.openstack.key-manager-v1+json"
REFERENCE = {"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"}
LINKS = t.List(t.Obj({"rel": t.Text(), "type": t.Text(), "href": t.Text()}, ("rel", "href")))
OLD = t.Record({"id": t.Text(), "status": t.Text(), "links": LINKS, "media-types": t.List(t.Record({"base": t.Text(), "type": t.Text()}))})
NEW = t.Record({"id": t.Text(), "status": t.Text(), "min_version": t.Text(), "max_version": t.Text(), "links": LINKS})
ALL = t.Record({"versions": t.Either(t.Record({"values": t.List(OLD)}), t.List(NEW))})
ONE = t.Record({"version": t.Either(OLD, NEW)})


def _document(request: Request) -> dict[str, Any]:
    links = [{"rel": "self", "href": request.link("/v1/")}, REFERENCE]
    if request.has(CONSUMERS):
        return {"id": "v1", "status": "CURRENT", "min_version": shown(HISTORY.first), "max_version": shown(HISTORY.last), "links": links}
    return {"id": "v1", "status": "stable", "links": links, "media-types": [{"base": JSON, "type": MEDIA}]}


@API.resource("").get("/", auth=False, status=300, answer=ALL)
async def index(request: Request) -> dict[str, Any]:
    """List the versions."""
    one = _document(request)
    return {"versions": [one] if request.has(CONSUMERS) else {"values": [one]}}


@API.resource("/v1").get("/", auth=False, answer=ONE)
async def show(request: Request) -> dict[str, Any]:
    """Show the version."""
    return {"version": _document(request)}
