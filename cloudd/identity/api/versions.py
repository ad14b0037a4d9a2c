"""Version documents, without a token: GET / and /identity (300), /identity/v3 and /v3."""

from typing import Any

from cloudd.core.http import Api, Reply, Request
from cloudd.core.http import types as t
from cloudd.identity.api import API, KEYSTONE, json_home

ROOT = Api("identity-versions", prefixes=("/identity", ""), dialect=KEYSTONE, title="Identity: version documents")
TYPE = {"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}
VERSION = t.Record({"id": t.Text(), "status": t.Text(), "updated": t.Text(),
                    "media-types": t.List(t.Record({"base": t.Text(), "type": t.Text()})),
                    "links": t.List(t.Record({"rel": t.Text(), "href": t.Text()}))})
VERSIONS = t.Record({"versions": t.Record({"values": t.List(VERSION)})})
HOME = t.Record({"resources": t.Map(t.Map())})


def document(href: str) -> dict[str, Any]:
    return {"id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z", "media-types": [TYPE],
            "links": [{"rel": "self", "href": href}]}


@ROOT.resource().get("", status=300, auth=False, live=True, answer=VERSIONS)
async def versions(request: Request) -> Reply:
    """The versions of the identity API: one, below where it was asked for."""
    href = request.link("/v3/")
    return Reply({"versions": {"values": [document(href)]}}, headers={"Location": href})


@API.resource().get("", auth=False, live=True, answer=t.Either(t.Record({"version": VERSION}), HOME))
async def version(request: Request) -> Reply:
    """Version 3 of the identity API; as JSON home, what lies below it."""
    if "application/json-home" in request.raw.headers.get("Accept", ""):
        return Reply(json_home.document(API.operations), headers={"Content-Type": "application/json-home",
                                                                       "Vary": "Accept"})
    return Reply({"version": document(request.link("/"))}, headers={"Vary": "Accept"})
