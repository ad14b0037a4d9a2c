"""The pools that volumes are made in: what each has, what is promised of it already, and which suit what is asked for.

Cinder's filters: zone, capacity (with over-subscription and reserve), extra specs with their operators, scheduler hints. Whoever finds
nothing is told of each pool what it has, what was asked of it, and why it does not do.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block import backends, specs
from cloudd.block.backends import Backends
from cloudd.block.config import CONFIG
from cloudd.block.models import Snapshot, Volume
from cloudd.core.errors import NoCapacity
from cloudd.drivers.volume.base import Capabilities, Statistics, VolumeError

GIB = 1 << 30


@dataclass(frozen=True)
class Pool:
    """One pool as of now. Sizes in GiB; `provisioned` counts what rows promise, made already or not."""

    name: str                        # HOST@BACKEND#POOL
    backend: str
    caps: Capabilities
    zone: str
    total: float
    free: float
    provisioned: float
    allocated: float
    ratio: float
    reserved: int                    # per cent
    down: str = ""                   # why it does not answer
    closed: str = ""                 # why it takes no new volumes, in an operator's words

    @classmethod
    def of(cls, name: str, caps: Capabilities, stats: Statistics, promised: int, **more: Any) -> "Pool":
        return cls(backends.place(name), name, caps, CONFIG.zone, stats.total / GIB, stats.free / GIB,
                   max(promised, stats.provisioned / GIB), stats.allocated / GIB, CONFIG.over_subscription, CONFIG.reserved, **more)

    @property
    def usable(self) -> float:
        return self.total * (1 - self.reserved / 100)

    @property
    def room(self) -> float:
        """How large a thin volume may be here."""
        ratio = self.ratio if self.caps.thin else 1.0
        return min(self.usable * ratio - self.provisioned, self.most) if self.free > self.total - self.usable else 0.0

    @property
    def most(self) -> float:
        return self.caps.most_size / GIB

    def capabilities(self) -> dict[str, Any]:
        """Under Cinder's names, as `get_pools` shows them and extra specs ask for them."""
        return {
            "volume_backend_name": self.backend, "pool_name": self.backend, "storage_protocol": self.caps.kind,
            "vendor_name": "cloudd", "driver_version": "1", "location_info": self.name, "total_capacity_gb": round(self.total, 2),
            "free_capacity_gb": round(self.free, 2), "allocated_capacity_gb": round(self.allocated, 2),
            "provisioned_capacity_gb": round(self.provisioned, 2), "reserved_percentage": self.reserved,
            "max_over_subscription_ratio": str(self.ratio), "thin_provisioning_support": self.caps.thin,
            "thick_provisioning_support": self.caps.thick, "multiattach": self.caps.multiattach, "QoS_support": True,
            "online_extend_support": self.caps.live_extend, "backend_state": "down" if self.down else "up",
            "replication_enabled": False, "availability_zone": self.zone, **dict(self.caps.notes)}


@dataclass(frozen=True)
class Wish:
    """What a volume needs of a pool. `places`: only one of these, where not empty."""

    size: int
    zones: tuple[str, ...] = ()
    specs: Mapping[str, str] = field(default_factory=dict)
    places: tuple[str, ...] = ()
    not_places: tuple[str, ...] = ()


async def promised(tx: AsyncSession) -> dict[str, int]:
    """GiB of all volumes and snapshots by place."""
    volumes = select(Volume.host, func.sum(func.coalesce(Volume.wanted_size, Volume.size))).group_by(Volume.host)
    snapshots = (select(Volume.host, func.sum(Snapshot.volume_size)).join(Volume, Volume.id == Snapshot.volume_id)
                 .group_by(Volume.host))
    found: dict[str, int] = {}
    for query in (volumes, snapshots):
        for host, size in await tx.execute(query):
            found[host] = found.get(host, 0) + int(size or 0)
    return found


@dataclass(frozen=True)
class Found:
    """What a back end says of itself."""

    name: str
    caps: Capabilities
    stats: Statistics
    down: str = ""


async def survey(there: Backends) -> list[Found]:
    """Ask every back end."""
    found = []
    for name, driver in there.by_name.items():
        try:
            found.append(Found(name, driver.caps(), await driver.stats()))
        except VolumeError as exc:
            found.append(Found(name, driver.caps(), Statistics(0, 0, 0, 0), str(exc)))
    return found


def pools(found: Iterable[Found], taken: Mapping[str, int], closed: Mapping[str, str] | None = None) -> list[Pool]:
    """The pools, with what rows promise of them (as `promised` has it), and those that are closed (as `services.closed` has it)."""
    return [Pool.of(one.name, one.caps, one.stats, taken.get(place := backends.place(one.name), 0), down=one.down,
                    closed=(closed or {}).get(place.partition("#")[0], "")) for one in found]


def choose(pools: Iterable[Pool], wish: Wish) -> Pool:
    """The pool with the most room of those that suit. Raises NoCapacity with the reason of each that does not."""
    refusals, suit = [], []
    for pool in pools:
        if reason := _refusal(pool, wish):
            refusals.append(f"{pool.name}: {reason}")
        else:
            suit.append(pool)
    if not suit:
        raise NoCapacity(f"No pool can take a volume of {wish.size} GiB. " + ("; ".join(refusals) or "There is none") + ".",
                         type="NoValidBackend")
    return max(suit, key=lambda pool: pool.room)


def _refusal(pool: Pool, wish: Wish) -> str:
    if pool.down:
        return f"it does not answer ({pool.down})"
    if pool.closed:
        return f"it takes no new volumes ({pool.closed})"
    if wish.zones and pool.zone not in wish.zones:
        return f"it is in the zone {pool.zone}, asked was {' or '.join(wish.zones)}"
    if wish.places and pool.name not in wish.places:
        return f"asked was {' or '.join(wish.places)}"
    if pool.name in wish.not_places:
        return "the scheduler hints exclude it"
    if bad := specs.unmet(pool.capabilities(), wish.specs):
        return bad
    if wish.size > pool.most:
        return f"a volume there has at most {pool.most:.0f} GiB, asked was {wish.size} GiB"
    if wish.size > pool.room:
        return (f"it has room for {max(pool.room, 0):.1f} GiB more ({pool.total:.1f} GiB, {pool.free:.1f} GiB of it free, "
                f"{pool.provisioned:.1f} GiB promised), asked was {wish.size} GiB")
    return ""
