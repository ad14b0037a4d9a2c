"""The stores: which there are, and taking an image's copy out of one."""

from typing import Any

from cloudd.core import jobs
from cloudd.core.errors import Conflict, Forbidden, NotFound
from cloudd.core.http import Request
from cloudd.core.http import types as t
from cloudd.drivers.store.base import Store
from cloudd.image import blobs, states
from cloudd.image.api import API, target
from cloudd.image.models import Image
from cloudd.image.stores import Stores

MEMBERS = {"id": t.Text(), "description": t.Text(), "weight": t.Int(), "default": t.Enum("true"), "read-only": t.Enum("true")}
STORES = t.Record({"stores": t.List(t.Record(MEMBERS, ("default", "read-only")))})
DETAILED = t.Record({"stores": t.List(t.Record({**MEMBERS, "type": t.Text(), "properties": t.Map()}, ("default", "read-only")))})


def view(request: Request, store: Store) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": store.name, "description": store.description}
    if store is request.driver(Store):
        shown["default"] = "true"
    if store.read_only:
        shown["read-only"] = "true"
    return shown


def weighed(request: Request, store: Store) -> dict[str, Any]:
    return {**view(request, store), "weight": request.service(Stores).weight(store.name)}


@API.resource("/info/stores").get(policy="get_images", answer=STORES)
async def stores(request: Request) -> dict[str, Any]:
    """List the stores."""
    return {"stores": [weighed(request, store) for store in request.service(Stores).by_name.values()]}


@API.resource("/info/stores/detail").get(policy="stores_info_detail", answer=DETAILED)
async def stores_detail(request: Request) -> dict[str, Any]:
    """List the stores with what only operators are told."""
    return {"stores": [{**weighed(request, store), "type": store.kind, "properties": store.properties()}
                       for store in request.service(Stores).by_name.values()]}


@API.resource("/stores/{store_id}/{image}", target=target).delete(policy="delete_image_location")
async def delete(request: Request, tx: Any, store_id: str, image: Image) -> None:
    """Take an image's copy out of one store; the others keep theirs."""
    request.service(Stores).named(store_id)
    if image.status != states.ACTIVE:
        raise Conflict(f"Image {image.id} is {image.status}: a copy is taken out of a store while it is active.", type="Conflict")
    there = [location for location in image.locations if location.store == store_id]
    if len(there) == len(image.locations):
        raise Forbidden("Cannot delete image data from the only store containing it. Consider deleting the image instead.",
                        type="Forbidden") if there else NotFound(f"Image {image.id} has no data.")
    if not there:
        raise NotFound(f"Image {image.id} is not stored in {store_id}; it is in: {', '.join(image.stores)}.")
    if image.protected:
        raise Forbidden(f"Image {image.id} is protected: its copies stay.", type="Forbidden")
    gone = [await blobs.let_go(tx, image, location) for location in there]
    image.updated_at = request.context.now()
    await jobs.ask(tx, request.context, "image.remove_copy", locks=[image.id], blobs=gone)
