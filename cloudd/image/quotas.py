"""Quotas of images: limits registered with identity for the service `image`, counted as Glance counts. Without them, none."""

from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd import identity
from cloudd.core.context import Context
from cloudd.core.errors import OverQuota
from cloudd.image import states
from cloudd.image.imports import IMPORTING
from cloudd.image.models import Image, ImageLocation, ImageProperty

SIZE, STAGE, COUNT, UPLOADING = "image_size_total", "image_stage_total", "image_count_total", "image_count_uploading"
MIB = 1 << 20                          # sizes are limited, and shown, in MiB
STAGED = (states.UPLOADING, states.IMPORTING)


async def limits(tx: AsyncSession, project_id: str, region: str) -> dict[str, int]:
    """What is limited for a project, and to how much; -1 is no limit."""
    found = await identity.service_limits(tx, project_id, "image", region)
    return {name: found[name] for name in (SIZE, STAGE, COUNT, UPLOADING) if name in found}


def _copying() -> Select[Any]:
    """The images that are being copied to further stores."""
    return select(ImageProperty.image_id).where(ImageProperty.name == IMPORTING, ImageProperty.value != "")


async def used(tx: AsyncSession, project_id: str, name: str) -> int:
    """How much of one resource a project has. Every copy of an image counts."""
    mine = Image.project_id == project_id
    busy = (states.SAVING, *STAGED)
    query = {
        SIZE: lambda: select(func.sum(Image.size)).join(ImageLocation, ImageLocation.image_id == Image.id).where(mine),
        STAGE: lambda: select(func.sum(Image.size)).where(mine, Image.status.in_(STAGED) | Image.id.in_(_copying())),
        COUNT: lambda: select(func.count(Image.id)).where(mine),
        UPLOADING: lambda: select(func.count(Image.id)).where(mine, Image.status.in_(busy) | Image.id.in_(_copying())),
    }[name]()
    value = int((await tx.execute(query)).scalar() or 0)
    return value // MIB if name in (SIZE, STAGE) else value


async def require(tx: AsyncSession, context: Context, region: str, **deltas: int) -> None:
    """Raise OverQuota when any of `deltas` more would pass its limit; a delta of 0 asks whether it is passed already."""
    limited = await limits(tx, context.project_id or "", region)
    for name, delta in deltas.items():
        most = limited.get(name, -1)
        if most < 0:
            continue
        have = await used(tx, context.project_id or "", name)
        if have + delta > most:
            raise OverQuota(f"Project {context.project_id} is over a limit for [Resource {name} is over limit of {most} due to "
                            f"current usage {have} and delta {delta}]", type="LimitExceeded")


def mib(length: int | None) -> int:
    """A body's length for `require`; one that is not told counts when it is there."""
    return (length or 0) // MIB


async def usage(tx: AsyncSession, project_id: str, region: str) -> dict[str, dict[str, int]]:
    """What /info/usage shows."""
    limited = await limits(tx, project_id, region)
    return {name: {"usage": await used(tx, project_id, name), "limit": most} for name, most in limited.items()}
