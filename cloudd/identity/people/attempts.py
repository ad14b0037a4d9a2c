"""Failed logins of the last minute: of one user from one address, and of an address whoever was tried.

Nobody elsewhere can use up what a user has left at his own address. In memory: a restart forgives. By a clock that only goes forward.
"""

import hashlib
import ipaddress
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from cloudd.core.errors import TooManyRequests

WINDOW = 60.0
REMEMBERED = 10_000
PREFIX = 64
"""Of an IPv6 address: its owner has all that begin alike."""


@dataclass
class Attempts:
    """`parts.service(Attempts)`. At most `of_user` failures of a user from an address, `of_address` of an address; 0: no limit."""

    of_user: int
    of_address: int
    clock: Callable[[], float] = time.monotonic
    _moments: dict[tuple[str, str], deque[float]] = field(default_factory=dict)

    def forget(self) -> None:
        self._moments.clear()

    def check(self, address: str | None, who: str | None) -> None:
        """Raise TooManyRequests when the address, or `who` from there, has failed too often."""
        now = self.clock()
        for key, most in self._counted(address, who):
            moments = self._moments.get(key)
            while moments and moments[0] <= now - WINDOW:
                moments.popleft()
            if moments and len(moments) >= most:
                wait = int(moments[0] + WINDOW - now) + 1
                error = TooManyRequests(f"Too many failed logins: try again in {wait} seconds.")
                error.headers["Retry-After"] = str(wait)
                raise error

    def failed(self, address: str | None, who: str | None) -> None:
        """Count a failure."""
        now = self.clock()
        for key, most in self._counted(address, who):
            self._moments.setdefault(key, deque(maxlen=most)).append(now)
        if len(self._moments) > REMEMBERED:
            old = [key for key, moments in self._moments.items() if not moments or moments[-1] <= now - WINDOW]
            for key in old or list(self._moments)[:REMEMBERED // 2]:
                del self._moments[key]

    def _counted(self, address: str | None, who: str | None) -> list[tuple[tuple[str, str], int]]:
        place = _place(address)
        wanted = [((place, ""), self.of_address), *([((place, who), self.of_user)] if who else [])]
        return [(key, most) for key, most in wanted if most]


def _place(address: str | None) -> str:
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return address or ""
    if parsed.version == 4:
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.ip_network((int(parsed), PREFIX), strict=False))


def stranger(named: Mapping[str, Any]) -> str:
    """Whom a login counts for that names nobody we know: it is stopped as soon as one that does, and so tells nothing."""
    return hashlib.sha256(orjson.dumps(named, option=orjson.OPT_SORT_KEYS)).hexdigest()
