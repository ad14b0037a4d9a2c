"""The location API (2.17): services say where the data of a queued image lies, and ask where it lies."""

from typing import Any

from cloudd.core.http import Field, Request, Shape
from cloudd.core.http import types as t
from cloudd.image import images, locations
from cloudd.image.api import API, LOCATION, target
from cloudd.image.models import Image
from cloudd.image.stores import Stores

NEW = Shape(None, Field("url", t.Text(1, 2048), required=True),
            Field("validation_data", t.Obj({"os_hash_algo": t.Text(1, 64), "os_hash_value": t.Text(1, 128)})),
            extra=True)
LOCATIONS = API.resource("/images/{image}/locations", target=target)


@LOCATIONS.get(policy="fetch_image_location", answer=t.List(LOCATION))
async def index(request: Request, image: Image) -> list[dict[str, Any]]:
    """List where an image's data lies."""
    return locations.view(request.service(Stores), image)


@LOCATIONS.post(policy="add_image_location", body=NEW, status=202, live=True)
async def add(request: Request, image: Image, body: dict[str, Any]) -> None:
    """Say where the data of a queued image lies."""
    given = body.get("validation_data") or {}
    if given:
        locations.check_hash(given)
    place = await locations.look(request.parts, body["url"], request.allows("service_api"))
    async with request.parts.database.write() as tx:
        image = await images.find(tx, request.context, image.id)
        await locations.begin(tx, request.context, image, place, body["url"], given, request.settings.image.do_secure_hash)
