"""The watch over the dataplane: what somebody else changes there is seen at once, at the latest at the next look at all of it,
mended, and told in the log; what cannot be mended, or does not stay so, is told in `/healthz`."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from cloudd.core import log
from cloudd.drivers.network.base import Difference, NetworkDriver, NetworkDriverError, Part, Subject

LOG = log.get("cloudd.network")
SECONDS = 30.0                                                # between looks at everything
OFTEN, OFTEN_SECONDS = 3, 60.0                                # mended more often in this time: somebody fights us, wait for the next look
LATE = 4                                                      # looks that may be missed before the watch itself is ill


@dataclass
class Watch:
    """What it knows of a driver's dataplane."""

    driver: NetworkDriver
    looked: float = field(default_factory=time.monotonic)     # when all of it was compared last
    ill: dict[Subject, str] = field(default_factory=dict)     # what could not be mended, and why
    mended: dict[Subject, list[float]] = field(default_factory=dict)
    refused: int = 0                                          # packets that nobody could have answered
    beyond: dict[str, tuple[int, int]] = field(default_factory=dict)      # those of connections beyond a port's limit, to it and by it

    def of_ports(self) -> dict[tuple[str, ...], float]:
        """What was refused, by port and direction."""
        return {(port_id, direction): count for port_id, counts in self.beyond.items()
                for direction, count in zip(("in", "out"), counts, strict=True) if count}

    async def run(self) -> None:
        """Watch for ever."""
        while True:
            touched = await self.touched()
            try:
                await self.look(touched)
            except NetworkDriverError as exc:
                LOG.error("the dataplane cannot be compared with what is wanted", error=str(exc))

    async def touched(self) -> frozenset[Subject] | None:
        """What may have changed; None, for everything, when it is time to look at all."""
        left = self.looked + SECONDS - time.monotonic()
        if left <= 0:
            return None
        try:
            return await asyncio.wait_for(self.driver.touched(), left)
        except TimeoutError:
            return None

    async def look(self, subjects: Iterable[Subject] | None = None) -> None:
        """Compare these subjects, or everything, and mend what differs. Raises NetworkDriverError."""
        found = by_subject(await self.driver.compare(subjects))
        for subject in found:
            await self.treat(subject, found[subject])
        if Subject(Part.HOST) in found and subjects is not None:
            await self.look()                                 # what stood on it may have gone with it
        elif subjects is None:
            self.looked = time.monotonic()
            self.ill = {subject: why for subject, why in self.ill.items() if subject in found}
            self.refused = sum((await self.driver.refused()).values())
            self.beyond = await self.driver.beyond_limit()

    async def treat(self, subject: Subject, differences: list[str]) -> None:
        now = time.monotonic()
        past = [when for when in self.mended.get(subject, ()) if now - when < OFTEN_SECONDS]
        if len(past) >= OFTEN and now - past[-1] < SECONDS:
            self.tell(subject, f"is changed by somebody again and again: {'; '.join(differences)}")
            return
        if not await self.driver.compare([subject]):          # it was mended with what it stands on
            self.ill.pop(subject, None)
            return
        LOG.warning("the dataplane is not as it was made, mending it", part=str(subject.part), subject=subject.id,
                    differences="; ".join(differences))
        await self.mend(subject, [*past, now])

    async def mend(self, subject: Subject, times: list[float]) -> None:
        try:
            await self.driver.mend(subject)
            left = [one.what for one in await self.driver.compare([subject])]
        except NetworkDriverError as exc:
            left = [str(exc)]
        if left:
            self.tell(subject, f"cannot be mended: {'; '.join(left)}")
            return
        self.mended[subject] = times
        self.ill.pop(subject, None)
        LOG.info("the dataplane was mended", part=str(subject.part), subject=subject.id)

    def tell(self, subject: Subject, why: str) -> None:
        """Keep it for `/healthz`, and log it when it is news."""
        if self.ill.get(subject) != why:
            LOG.error("a part of the dataplane is not as it should be", part=str(subject.part), subject=subject.id, why=why)
        self.ill[subject] = why

    def problems(self) -> list[str]:
        found = [f"{subject.part} {subject.id}".strip() + f" {why}" for subject, why in self.ill.items()]
        if (silent := time.monotonic() - self.looked) > LATE * SECONDS:
            found.append(f"the dataplane was not looked at for {silent:.0f} s")
        return found


def by_subject(differences: Iterable[Difference]) -> dict[Subject, list[str]]:
    found: dict[Subject, list[str]] = {}
    for one in differences:
        found.setdefault(one.subject, []).append(one.what)
    return found
