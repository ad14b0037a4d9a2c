"""Users and groups of an LDAP directory (OpenLDAP, 389, Active Directory), read with ldap3 in threads of the domain's own: a
directory that hangs keeps nobody else waiting.
"""

import asyncio
import random
import re
import secrets
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import ldap3
from ldap3.core import results
from ldap3.core.exceptions import LDAPCommunicationError, LDAPException, LDAPNoSuchObjectResult, LDAPOperationResult
from ldap3.utils.conv import escape_bytes, escape_filter_chars
from ldap3.utils.dn import parse_dn

from cloudd.core import log
from cloudd.core.work.threads import Elastic
from cloudd.drivers.directory.base import Directory, DirectoryError, Party, Person
from cloudd.drivers.directory.ldap_options import Kind, Options

LOG = log.get("cloudd.directory")
T = TypeVar("T")
Each = TypeVar("Each", Person, Party)
THREADS = 4
PAGED = "1.2.840.113556.1.4.319"
IN_CHAIN = ":1.2.840.113556.1.4.1941:"
"""Active Directory's matching rule that follows groups in groups."""

GUID = "objectguid"
REFUSALS = {results.RESULT_INVALID_CREDENTIALS, results.RESULT_NO_SUCH_OBJECT, results.RESULT_INVALID_DN_SYNTAX,
            results.RESULT_INAPPROPRIATE_AUTHENTICATION, results.RESULT_UNWILLING_TO_PERFORM, results.RESULT_CONSTRAINT_VIOLATION,
            results.RESULT_INSUFFICIENT_ACCESS_RIGHTS}
"""Answers to a bind that mean: not with this password. Anything else is a fault of the directory."""

ESCAPED = re.compile(rb"\\([0-9a-fA-F]{2})|\\(.)")
Entry = tuple[str, dict[str, list[bytes]]]


class LdapDirectory(Directory):
    """The driver `ldap`."""

    def __init__(self, options: Mapping[str, Any]):
        super().__init__(options)
        self.o = Options(options)
        if self.o.user and not self.o.password:
            raise DirectoryError("ldap.user is set without ldap.password: a directory takes that for an anonymous bind")
        self._where = ", ".join(self.o.urls)
        self._threads = Elastic("ldap", THREADS, ceiling=4 * THREADS)
        self._idle: deque[tuple[float, ldap3.Connection]] = deque()

    async def everything(self) -> tuple[list[Person], list[Party]]:
        return await self._run(self._everything)

    async def person(self, *, key: str | None = None, name: str | None = None) -> Person | None:
        return await self._run(lambda connection: self._person(connection, self._find(connection, self.o.users, key, name)))

    async def party(self, *, key: str | None = None, name: str | None = None) -> Party | None:
        def ask(connection: ldap3.Connection) -> Party | None:
            entry = self._find(connection, self.o.groups, key, name)
            return self._party(entry) if entry else None
        return await self._run(ask)

    async def parties_of(self, key: str) -> list[Party]:
        return await self._run(lambda connection: self._parties_of(connection, key))

    async def fits(self, key: str | None, password: str) -> bool:
        if not password:
            return False                                      # a bind without one is anonymous, and succeeds
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._fits, key, password)

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        while self._idle:
            _drop(self._idle.pop()[1])

    async def _run(self, question: Callable[[ldap3.Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._ask, question)

    def _ask(self, question: Callable[[ldap3.Connection], T]) -> T:
        """Ask over an idle connection; one that died meanwhile, over a new one."""
        while True:
            idle = self._take()
            connection = idle or self._open(self.o.user, self.o.password)
            try:
                answer = question(connection)
            except LDAPException as exc:
                _drop(connection)
                if idle is not None and isinstance(exc, LDAPCommunicationError):
                    continue
                raise DirectoryError(f"{self._where}: {exc}") from exc
            if len(self._idle) < min(self.o.pool_size, THREADS):
                self._idle.append((time.monotonic(), connection))
            else:
                _drop(connection)
            return answer

    def _take(self) -> ldap3.Connection | None:
        while self._idle:
            try:
                since, connection = self._idle.pop()
            except IndexError:                                # another thread was quicker
                return None
            if time.monotonic() - since < self.o.pool_lifetime:
                return connection
            _drop(connection)
        return None

    def _open(self, user: str, password: str) -> ldap3.Connection:
        """A bound connection to the first server that answers. Raises DirectoryError, LDAPOperationResult for a refused bind."""
        urls, told = list(self.o.urls), "no server"
        if self.o.shuffle:
            random.shuffle(urls)
        for url in urls:
            connection = ldap3.Connection(
                self.o.server(url), user or None, password or None, authentication=ldap3.SIMPLE if user else ldap3.ANONYMOUS, version=3,
                raise_exceptions=True, check_names=False, receive_timeout=self.o.timeout, auto_referrals=self.o.referrals,
                read_only=True)
            try:
                connection.open()
                if self.o.use_tls:
                    connection.start_tls()
                connection.bind()
                return connection
            except LDAPOperationResult as exc:
                _drop(connection)
                if user != self.o.user:
                    raise
                raise DirectoryError(f"{url} refuses the bind of ldap.user: {exc}") from exc
            except (LDAPException, OSError) as exc:
                _drop(connection)
                told = f"{url}: {exc}"
        raise DirectoryError(told)

    def _fits(self, key: str | None, password: str) -> bool:
        entry = self._ask(lambda connection: self._find(connection, self.o.users, key or secrets.token_hex(), None))
        dn = entry[0] if entry else f"{self.o.users.key}={secrets.token_hex()},{self.o.users.tree}"
        try:
            _drop(self._open(dn, password))
        except LDAPOperationResult as exc:
            if exc.result in REFUSALS:
                return False
            raise DirectoryError(f"{self._where}: {exc}") from exc
        return entry is not None

    def _find(self, connection: ldap3.Connection, kind: Kind, key: str | None, name: str | None) -> Entry | None:
        """The only entry with this key or exactly this name: the directory itself compares without regard to case."""
        attribute, wanted = (kind.key, key) if key is not None else (kind.name, name)
        clause = f"({attribute}={_escaped(attribute, wanted or '')})"
        found = [entry for entry in self._search(connection, kind, clause) if _first(entry, attribute) == wanted]
        if len(found) > 1:
            LOG.warning("several entries of the directory go by one name; none of them is taken", attribute=attribute, value=wanted)
        return found[0] if len(found) == 1 else None

    def _search(self, connection: ldap3.Connection, kind: Kind, clause: str = "") -> list[Entry]:
        others = [self.o.enabled.attribute, self.o.default_project] if kind is self.o.users else [self.o.member]
        wanted = f"(&(objectClass={escape_filter_chars(kind.object_class)}){kind.filter}{clause})"
        found, cookie = [], b""
        try:
            while True:
                paged = {"paged_size": self.o.page_size, "paged_cookie": cookie or None} if self.o.page_size > 0 else {}
                connection.search(kind.tree, wanted, self.o.scope, attributes=kind.attributes(*others),
                                  dereference_aliases=self.o.aliases, **paged)
                found += list(_entries(connection))
                if connection.result["result"] != results.RESULT_SUCCESS:         # ldap3 raises nothing for a limit
                    more = "; set ldap.page_size" if connection.result["result"] == results.RESULT_SIZE_LIMIT_EXCEEDED else ""
                    raise DirectoryError(f"{self._where}: {connection.result['description']} below {kind.tree}{more}")
                cookie = connection.result.get("controls", {}).get(PAGED, {}).get("value", {}).get("cookie") if paged else b""
                if not cookie:
                    return [entry for entry in found if all(0 < len(_first(entry, each) or "") < 256 for each in (kind.key, kind.name))]
        except LDAPNoSuchObjectResult as exc:
            raise DirectoryError(f"{self._where}: there is no {kind.tree}") from exc

    def _everything(self, connection: ldap3.Connection) -> tuple[list[Person], list[Party]]:
        entries = self._search(connection, self.o.users)
        allowed = self._allowed(connection)
        people = _once(entries, [self._read(entry, allowed) for entry in entries], "users")
        groups = self._search(connection, self.o.groups)
        by_dn = {safe_name(entry[0]): _first(entry, self.o.users.key) or "" for entry in entries}
        inside = {safe_name(dn): _all(values, self.o.member) for dn, values in groups}
        known = {person.key for person in people}
        parties = [self._party(entry, frozenset(self._members(safe_name(entry[0]), inside, by_dn)) & known) for entry in groups]
        return people, _once(groups, parties, "groups")

    def _members(self, group: str, inside: Mapping[str, list[str]], by_dn: Mapping[str, str]) -> Iterable[str]:
        if self.o.members_are_ids:
            return inside[group]
        todo, seen, found = [group], {group}, set()
        while todo:
            for name in map(safe_name, inside[todo.pop()]):
                if name in by_dn:
                    found.add(by_dn[name])
                elif self.o.nesting and name in inside and name not in seen:
                    seen.add(name)
                    todo.append(name)
        return found

    def _parties_of(self, connection: ldap3.Connection, key: str) -> list[Party]:
        person = self._find(connection, self.o.users, key, None)
        if person is None:
            return []
        value = key if self.o.members_are_ids else person[0]
        rule = IN_CHAIN if self.o.nesting and not self.o.members_are_ids else ""
        entries = self._search(connection, self.o.groups, f"({self.o.member}{rule}={escape_filter_chars(value)})")
        return _once(entries, [self._party(entry) for entry in entries], "groups")

    def _allowed(self, connection: ldap3.Connection) -> set[str] | None:
        """The users of the group that stands for being enabled, where the directory tells it that way."""
        rules = self.o.enabled
        if not rules.group_dn:
            return None
        try:
            connection.search(rules.group_dn, "(objectClass=*)", ldap3.BASE, attributes=[rules.member])
        except LDAPNoSuchObjectResult:
            return set()
        return {safe_name(value) for _, values in _entries(connection) for value in _all(values, rules.member)}

    def _person(self, connection: ldap3.Connection, entry: Entry | None) -> Person | None:
        return self._read(entry, self._allowed(connection)) if entry else None

    def _read(self, entry: Entry, allowed: set[str] | None) -> Person:
        kind, rules = self.o.users, self.o.enabled
        enabled = safe_name(entry[0]) in allowed if allowed is not None else \
            rules.read(_first(entry, rules.attribute)) if rules.attribute else True
        extra = {ours: value for theirs, ours in (*kind.more, (kind.description, "description"))
                 if theirs and (value := _first(entry, theirs))}
        return Person(_first(entry, kind.key) or "", _first(entry, kind.name) or "", enabled,
                      _first(entry, self.o.default_project) if self.o.default_project else None, extra)

    def _party(self, entry: Entry, members: frozenset[str] = frozenset()) -> Party:
        kind = self.o.groups
        extra = {ours: value for theirs, ours in kind.more if (value := _first(entry, theirs))}
        description = _first(entry, kind.description) or "" if kind.description else ""
        return Party(_first(entry, kind.key) or "", _first(entry, kind.name) or "", description, members, extra)


def safe_name(dn: str) -> str:
    """A DN in one form, so that two spellings of it are equal."""
    try:
        parts = parse_dn(dn, escape=False, strip=True)
    except LDAPException:
        return dn.lower()
    return "".join(f"{name}={_plain(value)!r}{separator}" for name, value, separator in parts).lower()


def _plain(value: str) -> str:
    """An attribute's value in a DN without its escapes: `\\2c` and `\\,` are a comma."""
    data = ESCAPED.sub(lambda found: bytes.fromhex(found[1].decode()) if found[1] else found[2], value.encode())
    return data.decode(errors="replace")


def _once(entries: list[Entry], found: list[Each], what: str) -> list[Each]:
    """Without those whose key or name is another's as well: nobody could say who is meant."""
    keys, names = Counter(each.key for each in found), Counter(each.name for each in found)
    twice = [dn for (dn, _), each in zip(entries, found, strict=True) if keys[each.key] > 1 or names[each.name] > 1]
    if twice:
        LOG.warning(f"{what} of the directory share a name or an id and are left out", entries=twice[:10])
    return [each for each in found if keys[each.key] == 1 and names[each.name] == 1]


def _entries(connection: ldap3.Connection) -> Iterable[Entry]:
    for answer in connection.response or ():
        if answer.get("type") == "searchResEntry":
            yield answer["dn"], {name.lower(): values for name, values in answer["raw_attributes"].items()}


def _all(values: Mapping[str, list[bytes]], attribute: str) -> list[str]:
    found = values.get(attribute) or []
    if attribute == GUID:
        return [str(uuid.UUID(bytes_le=value)) for value in found]
    return [value.decode(errors="replace") for value in found]


def _first(entry: Entry, attribute: str) -> str | None:
    found = _all(entry[1], attribute)
    return found[0] if found else None


def _escaped(attribute: str, value: str) -> str:
    if attribute == GUID:
        try:
            return escape_bytes(uuid.UUID(value).bytes_le)
        except ValueError:
            return "\\00"                                     # nobody's
    return escape_filter_chars(value)


def _drop(connection: ldap3.Connection) -> None:
    try:
        connection.unbind()
    except (LDAPException, OSError):
        pass
