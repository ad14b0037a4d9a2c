"""Tokens: made, checked, revoked. A token that was checked once is checked again without the database."""

from collections import OrderedDict
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

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
from cloudd.identity.payload import BadPayload, Payload, unpack
from cloudd.identity.people import effective
from cloudd.identity.people.attempts import Attempts
from cloudd.identity.people.directories import Directories
from cloudd.identity.people.subjects import Person, Place, Subject
from cloudd.identity.revocations import Revocations
from cloudd.identity.tokens import access_rules
from cloudd.identity.tokens import protocols as federation

CACHED = 20_000
WATCHED = (User, Project, Group, Membership, Role, ImpliedRole, Assignment, Trust, ApplicationCredential, Revocation,
           Consumer, OAuthToken, IdentityProvider, Protocol)
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
        self._cache: OrderedDict[str, Subject] = OrderedDict()
        self._era = 0
        parts.database.watch(WATCHED, self.forget)

    def forget(self) -> None:
        """Somebody or something changed that a token depends on: look everything up again."""
        self._era += 1
        self._cache.clear()

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
        await self.revocations.read(self.parts.database)
        self.parts.database.changed_outside()

    async def _checked(self, text: str, allow_expired: bool) -> Subject:
        moment = now()
        subject = self._cache.get(text)
        if subject is not None and subject.payload.expires_at > moment and (subject.until is None or subject.until > moment):
            return subject
        payload = self.read(text)
        grace = self.expired_window if allow_expired else timedelta()
        if payload.expires_at + grace <= moment or self.revocations.void(payload):
            raise NotFound(NOT_FOUND, type="TokenNotFound")
        era = self._era
        async with self.parts.database.read() as tx:
            subject = await self.look_up(tx, payload)
        if subject is None:
            raise NotFound(NOT_FOUND, type="TokenNotFound")
        if era == self._era:
            self._keep(text, subject)
        return subject

    def read(self, text: str) -> Payload:
        """Decrypt. Raises NotFound."""
        try:
            return unpack(self.ring.decrypt(text.encode()))
        except (Unreadable, BadPayload, ValueError) as exc:
            raise NotFound(NOT_FOUND, type="TokenNotFound") from exc

    def write(self, payload: Payload) -> str:
        return self.ring.encrypt(payload.pack()).decode()

    def _keep(self, text: str, subject: Subject) -> None:
        self._cache[text] = subject
        if len(self._cache) > CACHED:
            self._cache.popitem(last=False)

    async def look_up(self, tx: AsyncSession, payload: Payload) -> Subject | None:
        """Everything behind a payload, or None when it no longer entitles to anything."""
        user = await _person(tx, payload.user_id)
        if user is None or (payload.origin and not await federation.is_open(tx, payload.origin)):
            return None
        if payload.scope is None:
            return Subject(payload, user).with_context()
        subject = await _scoped(tx, payload, user)
        if subject is None:
            return None
        holder = subject.trust["trustor_user"]["id"] if subject.trust else payload.user_id
        return replace(subject, until=await effective.ends(tx, holder))
def _bearer(raw: web.Request) -> str | None:
    """An OAuth 2.0 access token, which is one of ours."""
    kind, _, text = raw.headers.get("Authorization", "").partition(" ")
    return text.strip() if kind.lower() == "bearer" else None


def _subject(payload: Payload, user: Person, place: Place | None, roles: list[Role], **more) -> Subject | None:
    if not roles or (place is None and payload.scope != "system"):
        return None
    named = tuple((role.id, role.name) for role in roles)
    on_domain = payload.scope == "domain"
    return Subject(payload, user, project=None if on_domain else place, domain=place if on_domain else None, roles=named,
                   **more).with_context()


async def _person(tx: AsyncSession, user_id: str) -> Person | None:
    """The user, if he and his domain are enabled."""
    user = await tx.get(User, user_id)
    domain = await tx.get(Project, user.domain_id) if user and user.enabled else None
    if user is None or domain is None or not domain.enabled:
        return None
    return Person(user.id, user.name, Place(domain.id, domain.name), user.password_expires_at, user.directory_id is not None)


async def _scoped(tx: AsyncSession, payload: Payload, user: Person) -> Subject | None:
    if payload.trust_id:
        return await _through_trust(tx, payload, user)
    place, roles = await _scope(tx, payload, payload.user_id)
    if payload.application_credential_id:
        return await _through_credential(tx, payload, user, place, roles)
    if payload.oauth_token_id:
        return await _through_oauth(tx, payload, user, place, roles)
    return _subject(payload, user, place, roles)


async def _scope(tx: AsyncSession, payload: Payload, holder: str) -> tuple[Place | None, list[Role]]:
    """Where the token is good and the roles that `holder` has there; (None, []) when that is disabled or gone."""
    groups = payload.origin.group_ids if payload.origin else ()
    if payload.scope == "system":
        return None, await effective.roles_on_system(tx, holder, groups)
    chain = await effective.lineage(tx, payload.scope_id or "")
    if not chain or not all(place.enabled for place in (chain[0], chain[-1])):
        return None, []
    here, domain = chain[0], chain[-1]
    if payload.scope == "domain":
        return Place(here.id, here.name), await effective.roles_on_domain(tx, holder, here.id, groups)
    above = Place(domain.id, domain.name)
    return Place(here.id, here.name, above, here.is_domain), await effective.roles_on_project(tx, holder, chain, groups)


async def _through_trust(tx: AsyncSession, payload: Payload, user: Person) -> Subject | None:
    """The delegated roles, as far as the trustor still has them; in his name when the trust says impersonation."""
    trust = await tx.get(Trust, payload.trust_id)
    trustor = await _person(tx, trust.trustor_user_id) if trust else None
    if trust is None or trust.deleted_at or trustor is None or (trust.expires_at and trust.expires_at <= now()):
        return None
    trustee = await _person(tx, trust.trustee_user_id)
    if trustee is None:
        return None
    place, roles = await _scope(tx, payload, trust.trustor_user_id)
    granted = {role.id for role in await effective.expanded(tx, trust.role_ids)}
    if not set(trust.role_ids) <= {role.id for role in roles}:
        return None
    view = {"id": trust.id, "impersonation": trust.impersonation, "trustor_user": {"id": trust.trustor_user_id},
            "trustee_user": {"id": trust.trustee_user_id}}
    return _subject(payload, trustor if trust.impersonation else user, place,
                    [role for role in roles if role.id in granted], trust=view, others=(trustor, trustee))


async def _through_credential(tx: AsyncSession, payload: Payload, user: Person, place: Place | None,
                              roles: list[Role]) -> Subject | None:
    row = await tx.get(ApplicationCredential, payload.application_credential_id)
    if row is None or (row.expires_at and row.expires_at <= now()):
        return None
    granted = {role.id for role in await effective.expanded(tx, row.role_ids)}
    view = {"id": row.id, "name": row.name, "restricted": not row.unrestricted}
    if row.access_rules is not None:
        view["access_rules"] = row.access_rules
    return _subject(payload, user, place, [role for role in roles if role.id in granted], application_credential=view)


async def _through_oauth(tx: AsyncSession, payload: Payload, user: Person, place: Place | None,
                         roles: list[Role]) -> Subject | None:
    row = await tx.get(OAuthToken, payload.oauth_token_id)
    if row is None or (row.expires_at and row.expires_at <= now()):
        return None
    granted = {role.id for role in await effective.expanded(tx, row.role_ids)}
    view = {"access_token_id": row.id, "consumer_id": row.consumer_id}
    return _subject(payload, user, place, [role for role in roles if role.id in granted], oauth=view)
