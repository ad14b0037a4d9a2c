"""Domains whose users and groups come from a directory: when it is asked, and what follows when it does not answer.

What it told is in our tables (mirror.py) and holds for `[identity] directory_cache` seconds. A login always asks; a token, a list
and the look at a user ask when the last answer is older. Who is gone from the directory, or disabled there, is so here no later.
A directory without an answer is not asked again for a moment, and its users get 503: nobody is let in on an old answer.
"""

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import select

from cloudd.core import log, tasks
from cloudd.core.errors import Forbidden, Unavailable
from cloudd.core.module import DriverError, load_driver
from cloudd.core.parts import Parts
from cloudd.drivers.directory.base import Directory, DirectoryError, Party, Person
from cloudd.identity.keys import CredentialRing
from cloudd.identity.models import Group, Project, User
from cloudd.identity.models.extensions import DomainOption
from cloudd.identity.passwords import Hasher
from cloudd.identity.people import domain_options, mirror

LOG = log.get("cloudd.identity")
LOCAL = "sql"
DEADLINE = 60.0
"""Seconds for the longest question, all users of a domain."""

PATIENCE = 2.0
"""Seconds that a list over all domains waits for directories."""

REST = 10.0
"""Seconds that a directory without an answer is left alone, or as long as answers hold when that is shorter."""

REMEMBERED = 50_000
T = TypeVar("T")


@dataclass
class Source:
    """The directory of one domain, as it is configured, and how it did lately."""

    driver: str
    options: dict[str, object]
    directory: Directory | None = None
    down_until: float = 0.0
    asked: OrderedDict[str, float] = field(default_factory=OrderedDict)
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    listing: asyncio.Lock = field(default_factory=asyncio.Lock)
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def fresh(self, what: str, lasts: float) -> bool:
        return time.monotonic() - self.asked.get(what, -lasts - 1) < lasts

    def heard(self, what: str) -> None:
        self.asked[what] = time.monotonic()
        self.asked.move_to_end(what)
        if len(self.asked) > REMEMBERED:
            self.asked.popitem(last=False)


class Directories:
    """`parts.service(Directories)`."""

    def __init__(self, parts: Parts):
        self.parts, self.lasts = parts, float(parts.settings.identity.directory_cache)
        self._sources: dict[str, Source] = {}
        self._known = False
        parts.database.watch((DomainOption, Project), self._changed)

    def _changed(self) -> None:
        self._known = False

    async def sources(self) -> dict[str, Source]:
        """The domains that have a directory."""
        if not self._known:
            self._known = True
            async with self.parts.database.read() as tx:
                have = await domain_options.read(tx, None, self.parts.service(CredentialRing))
            wanted = {domain: (groups["identity"]["driver"], groups.get(str(groups["identity"]["driver"]), {}))
                      for domain, groups in have.items() if groups.get("identity", {}).get("driver") not in (None, LOCAL)}
            for domain, source in list(self._sources.items()):
                if wanted.get(domain) != (source.driver, source.options):
                    del self._sources[domain]
                    if source.directory:
                        await source.directory.close()
            for domain, (driver, options) in wanted.items():
                self._sources.setdefault(domain, Source(driver, options))
        return self._sources

    async def close(self) -> None:
        for source in self._sources.values():
            if source.directory:
                await source.directory.close()

    async def check_own(self, domain_id: str, what: str) -> None:
        """Raise Forbidden for a new user or group in a domain of a directory."""
        if domain_id in await self.sources():
            raise Forbidden(f"You are not authorized to perform the requested action: the {what}s of domain {domain_id} come from a "
                            "directory that is read-only here.")

    async def fits(self, user: User | None, domain_id: str, password: str) -> bool:
        """Whether a password is the user's: asked of where he comes from, or, when there is no such user, would come from."""
        source = (await self.sources()).get(domain_id)
        if source is None or (user is not None and user.directory_id is None):
            return await self.parts.service(Hasher).fits(password, user.password_hash if user else None)
        key = user.directory_id if user else None
        return await self._ask(domain_id, source, lambda directory: directory.fits(key, password))

    async def look_for(self, domain_id: str, name: str) -> None:
        """A user who wants to log in, or is asked for, by name: the directory is asked whatever it said before. About his groups not
        yet: one who is not there must take as long.
        """
        source = (await self.sources()).get(domain_id)
        if source is None:
            return
        async with self.parts.database.read() as tx:
            query = select(User.id, User.directory_id).where(User.domain_id == domain_id, User.name == name)
            known = (await tx.execute(query)).first()
        known_id, key = known or ("", None)
        if known_id and key is None:
            return                                            # one of our own: he logs in without the directory
        person = await self._ask(domain_id, source, lambda directory: directory.person(name=name))
        if person is not None:
            user_id = mirror.public_id(domain_id, "user", person.key)
            await self._store(domain_id, source, mirror.picture(domain_id, [person], []), user_id=user_id, alone=True)
        elif key is not None:
            await self._keep_user(domain_id, source, known_id, key)

    async def look_for_group(self, domain_id: str, name: str) -> None:
        """A group that is asked for by name."""
        source = (await self.sources()).get(domain_id)
        if source is None:
            return
        party = await self._ask(domain_id, source, lambda directory: directory.party(name=name))
        if party is not None:
            group_id = mirror.public_id(domain_id, "group", party.key)
            await self._store(domain_id, source, mirror.picture(domain_id, [], [party]), group_id=group_id)

    async def keep(self, people: Iterable[tuple[str, str]], live: bool = False) -> bool:
        """Ask anew about users (id, domain's id) of directories whose answers are too old; whether anybody was asked about."""
        sources, asked = await self.sources(), False
        for user_id, domain_id in people:
            source = sources.get(domain_id)
            if source is None or (not live and source.fresh(user_id, self.lasts)):
                continue
            async with source.asking:                         # of several requests of one user only the first asks
                if live or not source.fresh(user_id, self.lasts):
                    await self._keep_row(user_id, source)
            asked = True
        return asked

    async def _keep_row(self, user_id: str, source: Source) -> None:
        async with self.parts.database.read() as tx:
            user = await tx.get(User, user_id)
        if user is not None and user.directory_id is not None:
            await self._keep_user(user.domain_id, source, user.id, user.directory_id)

    async def keep_id(self, user_id: str, live: bool = False) -> None:
        """Ask about a user by id, whoever he is."""
        if await self.sources():
            async with self.parts.database.read() as tx:
                user = await tx.get(User, user_id)
            if user is not None and user.directory_id is not None:
                await self.keep([(user.id, user.domain_id)], live)

    async def keep_group(self, group_id: str, members: bool = False) -> None:
        """Ask about a group by id: whether it is there, its name, and who is in it."""
        async with self.parts.database.read() as tx:
            group = await tx.get(Group, group_id)
        source = (await self.sources()).get(group.domain_id) if group and group.directory_id else None
        if group is None or source is None or (source.fresh(group_id, self.lasts) and not members):
            return
        if members:
            await self.keep_domain(group.domain_id)
            return
        party = await self._ask(group.domain_id, source, lambda directory: directory.party(key=group.directory_id))
        told = mirror.picture(group.domain_id, [], [party] if party else [])
        await self._store(group.domain_id, source, told, group_id=group_id)
        source.heard(group_id)

    async def keep_domain(self, domain_id: str) -> None:
        """All users and groups of a domain, with who is in which."""
        source = (await self.sources()).get(domain_id)
        if source is None or source.fresh("", self.lasts):
            return
        async with source.listing:
            if source.fresh("", self.lasts):
                return
            people, parties = await self._ask(domain_id, source, lambda directory: directory.everything())
            told = await asyncio.to_thread(mirror.picture, domain_id, people, parties)
            await self._store(domain_id, source, told)
            for user_id in told.users:
                source.heard(user_id)
            source.heard("")

    async def keep_all(self) -> None:
        """Every directory, for what lists over all domains; one that takes its time, or does not answer, is left as it was."""
        asked = [tasks.start(f"directory of {domain_id}", self._keep_quietly(domain_id)) for domain_id in await self.sources()]
        if asked:
            await asyncio.wait(asked, timeout=PATIENCE)

    async def _keep_quietly(self, domain_id: str) -> None:
        with contextlib.suppress(Unavailable):                # logged where it happened
            await self.keep_domain(domain_id)

    async def _keep_user(self, domain_id: str, source: Source, user_id: str, key: str) -> None:
        async def ask(directory: Directory) -> tuple[Person | None, list[Party]]:
            person = await directory.person(key=key)
            return person, await directory.parties_of(key) if person else []
        person, parties = await self._ask(domain_id, source, ask)
        told = mirror.of_person(domain_id, person, parties)
        await self._store(domain_id, source, told, user_id=user_id)
        source.heard(user_id)

    async def _store(self, domain_id: str, source: Source, told: mirror.Picture, user_id: str | None = None,
                     group_id: str | None = None, alone: bool = False) -> None:
        async with source.writing:
            await mirror.store(self.parts.database, domain_id, told, user_id, group_id, alone)

    async def _ask(self, domain_id: str, source: Source, question: Callable[[Directory], Awaitable[T]]) -> T:
        """Raises Unavailable, at once when the directory did not answer a moment ago."""
        refused = Unavailable(f"The directory of domain {domain_id} does not answer, so that nothing can be said of its users and "
                              "groups now. Try again later; the log of the cloud has the reason.")
        if time.monotonic() < source.down_until:
            raise refused
        try:
            if source.directory is None:
                source.directory = load_driver("directory", source.driver)(source.options)
            async with asyncio.timeout(DEADLINE):
                return await question(source.directory)
        except (DirectoryError, DriverError, TimeoutError) as exc:
            source.down_until = time.monotonic() + min(REST, self.lasts)
            LOG.error("directory does not answer", domain=domain_id, driver=source.driver, error=str(exc) or "no answer in time")
            raise refused from exc
