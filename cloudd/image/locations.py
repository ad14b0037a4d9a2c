"""Locations: data that an image gets by saying where it lies.

Users may name web addresses, which go through the guarded client. Only services and administrators may name the address of
one of this cloud's own stores, and only of data that no image has: else everybody could read everybody's (OSSA-2016-006,
OSSA-2022-001). Files of this machine are never taken.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import ids, jobs
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Conflict, Forbidden, NotFound
from cloudd.core.ids import whole
from cloudd.core.parts import Parts
from cloudd.drivers.store.base import StoreError
from cloudd.image import blobs, images, states
from cloudd.image.data import HASH
from cloudd.image.models import Image, ImageLocation, ImageTask
from cloudd.image.stores import Stores

ALGORITHMS = ("sha512", "sha384", "sha256", "sha1", "md5")
CHECKED = ("checksum", "os_hash_algo", "os_hash_value")


@dataclass(frozen=True)
class Place:
    """An address that was looked at: the store that knows it, the key there, the size of the data."""

    store: str
    key: str
    size: int


async def look(parts: Parts, url: str, trusted: bool) -> Place:
    """Ask the store of an address for its data. Raises BadRequest, Forbidden."""
    for store in parts.service(Stores).by_name.values():
        key = store.key_of(url)
        if key is None:
            continue
        if not store.read_only and not trusted:
            raise Forbidden("Only services may add locations in the cloud's own stores.", type="Forbidden")
        if not store.read_only and await _in_use(parts, store.name, key):
            raise Forbidden(f"The data at {url} belongs to an image.", type="Forbidden")
        try:
            return Place(store.name, key, await store.size(key))
        except StoreError as exc:
            raise BadRequest(f"The location {url} does not pass filtering or cannot be read: {exc}") from exc
    raise BadRequest(f"Invalid location {url}: no store of this cloud takes such addresses.", type="BadStoreUri")


async def _in_use(parts: Parts, store: str, key: str) -> bool:
    async with parts.database.read() as tx:
        query = select(ImageLocation.id).where(ImageLocation.store == store, ImageLocation.key == key).limit(1)
        return (await tx.execute(query)).scalar() is not None


def check_hash(given: Mapping[str, Any]) -> None:
    """Raise BadRequest for a hash that its algorithm cannot have made."""
    if missing := {"os_hash_algo", "os_hash_value"} - given.keys():
        raise BadRequest(f"validation_data has no {', '.join(sorted(missing))}: the algorithm and the value are given together.")
    algorithm, value = given["os_hash_algo"], given["os_hash_value"]
    if algorithm not in ALGORITHMS:
        raise BadRequest(f"os_hash_algo {algorithm} is not known here: use {', '.join(ALGORITHMS)}.")
    if not _is_hex(value, hashlib.new(algorithm).digest_size):
        raise BadRequest(f"os_hash_value: ({value}) is not {hashlib.new(algorithm).digest_size} bytes in hexadecimal, as {algorithm} has.")


def _is_hex(text: Any, size: int) -> bool:
    try:
        return len(bytes.fromhex(text)) == size
    except (TypeError, ValueError):
        return False


async def begin(tx: AsyncSession, context: Context, image: Image, place: Place, url: str, given: Mapping[str, Any],
                secure: bool) -> ImageTask:
    """The location API: the image gets its one location, now or when its hash is proved. A task tells how it goes."""
    if image.status != states.QUEUED:
        raise Conflict(f"It's not allowed to add locations if image status is {image.status}.")
    image.locations[:] = [ImageLocation(store=place.store, key=place.key, position=0, facts={})]
    image.size, image.updated_at = place.size, context.now()
    if given and secure:
        await states.IMAGE.enter(tx, image, "import")
    else:
        await activate(tx, context, image, "locate")
        image.os_hash_algo, image.os_hash_value = given.get("os_hash_algo", HASH if secure else None), given.get("os_hash_value")
    moment = context.now()
    task = ImageTask(id=ids.new_uuid(), image_id=image.id, type="location_import", status="pending" if secure else "success",
                     input={"image_id": image.id, "loc_url": url, "validation_data": dict(given)}, result=None, message="",
                     project_id=context.project_id, user_id=context.user_id, request_id=context.request_id,
                     created_at=moment, updated_at=moment, expires_at=None)
    tx.add(task)
    await tx.flush()
    if secure:
        await jobs.ask(tx, context, "image.sum_location", locks=[image.id], image=image.id, task=task.id, given=dict(given))
    return task


async def activate(tx: AsyncSession, context: Context, image: Image, move: str) -> None:
    await states.IMAGE.enter(tx, image, move)
    image.updated_at = context.now()
    await images.tell(tx, context, image, "image.activate")


# -- the older way: PATCH of /locations -----------------------------------------------------------------------------------


async def patch(tx: AsyncSession, context: Context, image: Image, changes: Sequence[tuple[str, str, Any]],
                places: Mapping[str, Place], stores: Stores) -> None:
    """Do what a patch asks: (operation, position, value). Raises BadRequest, Conflict, Forbidden."""
    for operation, position, value in changes:
        allowed = (states.ACTIVE,) if operation == "remove" else (states.ACTIVE, states.QUEUED)
        if image.status not in allowed:
            raise Conflict(f"It's not allowed to {operation} locations if image status is {image.status}.")
        if operation == "remove":
            await _remove(tx, context, image, position)
        elif operation == "add":
            await _add(tx, context, image, position, [value], places)
        else:
            await _replace(tx, context, image, value, places, stores)


async def _add(tx: AsyncSession, context: Context, image: Image, position: str, values: Sequence[Any],
               places: Mapping[str, Place]) -> None:
    where = len(image.locations) if position == "-" else whole(position)
    if where is None:
        raise BadRequest("Invalid position for adding a location.")
    checked = _checked(image, values)
    fresh = [places[value["url"]] for value in values if value["url"] in places]
    there = {(row.store, row.key) for row in image.locations}
    if len({(place.store, place.key) for place in fresh} - there) < len(values):
        raise BadRequest("The location already exists.", type="DuplicateLocation")
    image.locations[where:where] = [ImageLocation(store=place.store, key=place.key, facts=_facts(value))
                                    for place, value in zip(fresh, values, strict=True)]
    for number, row in enumerate(image.locations):
        row.position = number
    if image.status == states.QUEUED:
        image.size = fresh[0].size
        for name, value in checked.items():
            setattr(image, name, value)
        await activate(tx, context, image, "locate")
    await tx.flush()


async def _replace(tx: AsyncSession, context: Context, image: Image, values: Any, places: Mapping[str, Place], stores: Stores) -> None:
    """All locations of an image that has none, or other metadata of those that it has."""
    if not image.locations:
        await _add(tx, context, image, "-", values, places)
        return
    rows = {stores.url(row): row for row in image.locations}
    if [value["url"] for value in values] != list(rows):
        raise BadRequest("Original locations is not empty: only the metadata of locations can be replaced.", type="BadStoreUri")
    _checked(image, values)
    for value in values:
        rows[value["url"]].facts = _facts(value)


async def _remove(tx: AsyncSession, context: Context, image: Image, position: str) -> None:
    if len(image.locations) == 1:
        raise Forbidden("Cannot remove last location in the image.", type="Forbidden")
    number = len(image.locations) - 1 if position == "-" else whole(position)
    if number is None or number >= len(image.locations):
        raise BadRequest("Invalid position for removing a location.")
    gone = await blobs.let_go(tx, image, image.locations[number])
    await jobs.ask(tx, context, "image.remove_copy", locks=[image.id], blobs=[gone])


def _facts(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: fact for name, fact in value.get("metadata", {}).items() if name != "store"}


def _checked(image: Image, values: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Checksum and hash that were given with locations; nothing that is known can be contradicted. Raises Conflict."""
    given: dict[str, str] = {}
    for name, value in (pair for one in values for pair in one.get("validation_data", {}).items()):
        if given.setdefault(name, value) != value:
            raise Conflict(f"Conflicting values for {name}")
    fresh = {name: value for name, value in given.items() if value != getattr(image, name)}
    if known := [name for name in fresh if getattr(image, name)]:
        raise Conflict(f"{known[0]} is already set with a different value")
    if not fresh:
        return {}
    if image.status != states.QUEUED:
        raise Conflict(f"New value(s) for {', '.join(fresh)} may only be provided when image status is 'queued'")
    if "checksum" in fresh and not _is_hex(fresh["checksum"], 16):
        raise Conflict(f"checksum ({fresh['checksum']}) is not 16 bytes in hexadecimal, as md5 has")
    if fresh.get("os_hash_algo") != HASH:
        raise Conflict(f"os_hash_algo must be {HASH}, not {fresh.get('os_hash_algo')}")
    if not _is_hex(fresh.get("os_hash_value"), hashlib.new(HASH).digest_size):
        raise Conflict(f"os_hash_value ({fresh.get('os_hash_value')}) is not the correct size for {HASH}")
    return fresh


def view(stores: Stores, image: Image) -> list[dict[str, Any]]:
    """Locations as Glance shows them."""
    return [{"url": stores.url(row), "metadata": {**row.facts, "store": row.store}} for row in image.locations]


async def still_there(tx: AsyncSession, image_id: str) -> Image:
    image = await tx.get(Image, image_id)
    if image is None:
        raise NotFound(f"Image {image_id} was deleted while its location was added.")
    return image
