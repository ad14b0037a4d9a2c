"""Tokens: made, checked, revoked. A token that was checked once is checked again without the database."""

from collections import OrderedDict
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiohttp import web

from cloudd.core.clock import now
from cloudd.core.context import Context
from cloudd.core.errors import Forbidden, NotFound, Unauthorized
from cloudd.core.parts import Parts
from cloudd.identity.keys import KeyRing, Unreadable
from cloudd.identity.mark import Mark
from cloudd.identity.models import (
    ApplicationCredential,
    Assignment,
    Group,
    ImpliedRole,
    Membership,
    Project,
    Revocation,
    Role,
    Trust,
    User,
)
from cloudd.identity.models.extensions import Consumer, IdentityProvider, OAuthToken, Protocol
from cloudd.identity.models.federation import ExpiringMembership
from cloudd.identity.payload import BadPayload, Payload, unpack
from cloudd.identity.people.attempts import Attempts
from cloudd.identity.people.directories import Directories
from cloudd.identity.people.subjects import Person, Subject
from cloudd.identity.revocations import Revocations
from cloudd.identity.tokens import access_rules, entitlement

CACHED = 20_000
ROWS = (User, Project, Group, Role, Trust, ApplicationCredential, Consumer, OAuthToken, IdentityProvider, Protocol)
"""What tokens name: a new one is in no token yet."""

RELATIONS = (Membership, ExpiringMembership, ImpliedRole, Assignment, Revocation)
"""What a new one of gives somebody more, or takes it from him."""

NOT_FOUND = "Failed to validate token."


class Tokens:
    """The token service of one daemon; `parts.service(Tokens)`."""

    def __init__(self, parts: Parts):
        self.parts = parts
        self.lifetime = timedelta(seconds=parts.settings.identity.token_lifetime)
        self.expired_window = timedelta(seconds=parts.settings.identity.allow_expired_window)
        self.signature_ttl = timedelta(seconds=parts.settings.identity.signature_ttl)
        self.ring = KeyRing.of(parts.settings)
        self.revocations = Revocations(self.lifetime)
        self.mark = Mark(Path(parts.settings.server.state_dir))
        self._checked_before: OrderedDict[str, Subject] = OrderedDict()
        self._entitled: OrderedDict[tuple[Any, ...], Subject] = OrderedDict()
        self._people: OrderedDict[str, Person] = OrderedDict()
        self._era = 0
        parts.database.watch(ROWS, self.forget, inserts=False)
        parts.database.watch(RELATIONS, self.forget)

    def forget(self) -> None:
        """Somebody or something changed that a token depends on: look everything up again."""
        self._era += 1
        for cache in (self._checked_before, self._entitled, self._people):
            cache.clear()

    async def authenticate(self, raw: web.Request, anonymous: Context, service: str) -> Context:
        """The caller of a request, by its `X-Auth-Token` or bearer token. Raises Unauthorized."""
        text = raw.headers.get("X-Auth-Token") or _bearer(raw)
        subject = None
        if text:
            try:
                subject = await self.check(text)
            except NotFound:
                subject = None
        if subject is None:
            raise Unauthorized("The request you have made requires authentication.")
        caller = replace(subject.context, request_id=anonymous.request_id, global_request_id=anonymous.global_request_id,
                         remote_address=anonymous.remote_address, now=anonymous.now, token=subject)
        self.restrict(raw, caller, service)
        return caller

    def restrict(self, raw: web.Request, caller: Context, service: str) -> None:
        """Raise Unauthorized or Forbidden for a request that the caller's token does not cover."""
        subject: Subject | None = caller.token
        if subject is None:                                   # the daemon itself
            return
        rules = (subject.application_credential or {}).get("access_rules")
        if rules is not None and not access_rules.covers(rules, service, raw.method, raw.path):
            raise Unauthorized(f"The access rules of the application credential do not cover {raw.method} {raw.path} of {service}.",
                               caller=caller)
        if service == "identity" and "ec2credential" in subject.payload.methods:    # as in Keystone: it is for the other services
            raise Forbidden("A token that was got by an EC2 signature cannot be used for identity.", caller=caller)

    async def check(self, text: str, allow_expired: bool = False) -> Subject:
        """What a token stands for. Raises NotFound when it is not (or no longer) good, Unavailable when its user's directory does
        not say whether he is still there."""
        await self.heed()
        subject = await self._checked(text, allow_expired)
        if (outside := subject.outside) and await self.parts.service(Directories).keep(outside):
            subject = await self._checked(text, allow_expired)
        return subject

    async def heed(self) -> None:
        """When a command on the host has changed accounts, believe nothing that was looked up before."""
        if not self.mark.moved():
            return
        self.parts.service(Attempts).forget()
        self.parts.database.changed_outside()
        await self.revocations.read(self.parts.database)
        self.forget()

    async def _checked(self, text: str, allow_expired: bool) -> Subject:
        moment = now()
        subject = self._checked_before.get(text)
        if subject is not None and subject.payload.expires_at > moment and (subject.until is None or subject.until > moment):
            return subject
        payload = self.read(text)
        grace = self.expired_window if allow_expired else timedelta()
        if payload.expires_at + grace <= moment or self.revocations.void(payload):
            raise NotFound(NOT_FOUND, type="TokenNotFound")
        era = self._era
        subject = await self.look_up(payload)
        if subject is None:
            raise NotFound(NOT_FOUND, type="TokenNotFound")
        self.keep(text, subject, era)
        return subject

    @property
    def era(self) -> int:
        """Another one after each change: what was looked up in an earlier one is not kept."""
        return self._era

    def keep(self, text: str, subject: Subject, era: int) -> None:
        """A token that was found good since `era` began, for the next requests with it."""
        if era == self._era and not self.revocations.void(subject.payload):
            _put(self._checked_before, text, subject)

    def read(self, text: str) -> Payload:
        """Decrypt. Raises NotFound."""
        try:
            return unpack(self.ring.decrypt(text.encode()))
        except (Unreadable, BadPayload, ValueError) as exc:
            raise NotFound(NOT_FOUND, type="TokenNotFound") from exc

    def write(self, payload: Payload) -> str:
        return self.ring.encrypt(payload.pack()).decode()

    async def look_up(self, payload: Payload) -> Subject | None:
        """Everything behind a payload, or None when it no longer entitles to anything. Read again only after it may have changed."""
        key = (payload.user_id, payload.scope, payload.scope_id, payload.trust_id, payload.application_credential_id,
               payload.oauth_token_id, payload.origin)
        known = self._entitled.get(key)
        if known is not None and (known.until is None or known.until > now()):
            return replace(known, payload=payload)
        era = self._era
        async with self.parts.database.read() as tx:
            subject = await entitlement.subject(tx, payload)
        if subject is not None and era == self._era:
            _put(self._entitled, key, subject)
        return subject

    async def person(self, user_id: str) -> Person | None:
        """A user, if he and his domain are enabled."""
        found = self._people.get(user_id)
        if found is None:
            era = self._era
            async with self.parts.database.read() as tx:
                found = await entitlement.person(tx, user_id)
            if found is not None and era == self._era:
                _put(self._people, user_id, found)
        return found


def _put(cache: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    cache[key] = value
    if len(cache) > CACHED:
        cache.popitem(last=False)


def _bearer(raw: web.Request) -> str | None:
    """An OAuth 2.0 access token, which is one of ours."""
    kind, _, text = raw.headers.get("Authorization", "").partition(" ")
    return text.strip() if kind.lower() == "bearer" else None
