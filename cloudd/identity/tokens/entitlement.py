"""What a token entitles to: the user, the place and the roles behind it, read in few queries of plain columns."""

from dataclasses import replace
from typing import Any

from sqlalchemy import Row, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from cloudd.core.clock import now
from cloudd.identity.models import ApplicationCredential, Project, Role, Trust, User
from cloudd.identity.models.extensions import IdentityProvider, OAuthToken, Protocol
from cloudd.identity.payload import Origin, Payload
from cloudd.identity.people import effective
from cloudd.identity.people.subjects import Person, Place, Subject

DOMAIN = aliased(Project)
PERSON = (select(User.id, User.name, User.password_expires_at, User.directory_id, User.options, User.default_project_id,
                 DOMAIN.id.label("domain_id"), DOMAIN.name.label("domain_name"))
          .join(DOMAIN, DOMAIN.id == User.domain_id).where(User.id == bindparam("user_id"), User.enabled, DOMAIN.enabled))
_ABOVE = select(Project.id, Project.parent_id).where(Project.id == bindparam("project_id")).cte("above", recursive=True)
_ABOVE = _ABOVE.union(select(Project.id, Project.parent_id).join(_ABOVE, Project.id == _ABOVE.c.parent_id))
LINEAGE = select(Project.id, Project.parent_id, Project.name, Project.enabled, Project.is_domain).join(
    _ABOVE, Project.id == _ABOVE.c.id)


async def person(tx: AsyncSession, user_id: str) -> Person | None:
    """The user, if he and his domain are enabled."""
    row = (await tx.execute(PERSON, {"user_id": user_id})).first()
    if row is None:
        return None
    return Person(row.id, row.name, Place(row.domain_id, row.domain_name), row.password_expires_at, row.directory_id is not None,
                  row.default_project_id, row.options)


async def subject(tx: AsyncSession, payload: Payload) -> Subject | None:
    """Everything behind a payload, or None when it no longer entitles to anything."""
    user = await person(tx, payload.user_id)
    if user is None or (payload.origin and not await _is_open(tx, payload.origin)):
        return None
    if payload.scope is None:
        return Subject(payload, user).with_context()
    found = await _scoped(tx, payload, user)
    if found is None:
        return None
    holder = found.trust["trustor_user"]["id"] if found.trust else payload.user_id
    ends = [moment for moment in (found.until, await effective.ends(tx, holder)) if moment is not None]
    return replace(found, until=min(ends, default=None))


async def _is_open(tx: AsyncSession, origin: Origin) -> bool:
    """Whether the identity provider and protocol that somebody came by are still there and enabled."""
    provider = await tx.get(IdentityProvider, origin.idp_id)
    return provider is not None and provider.enabled and await tx.get(Protocol, (origin.idp_id, origin.protocol_id)) is not None


async def _lineage(tx: AsyncSession, project_id: str) -> list[Row[Any]]:
    """As `effective.lineage`, of plain rows."""
    by_id = {row.id: row for row in await tx.execute(LINEAGE, {"project_id": project_id})}
    chain, next_id = [], project_id
    while next_id in by_id:
        chain.append(by_id.pop(next_id))
        next_id = chain[-1].parent_id
    return chain


def _subject(payload: Payload, user: Person, place: Place | None, roles: list[Role], **more) -> Subject | None:
    if not roles or (place is None and payload.scope != "system"):
        return None
    named = tuple((role.id, role.name) for role in roles)
    on_domain = payload.scope == "domain"
    return Subject(payload, user, project=None if on_domain else place, domain=place if on_domain else None, roles=named,
                   **more).with_context()


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
    chain = await _lineage(tx, payload.scope_id or "")
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
    trustor = await person(tx, trust.trustor_user_id) if trust else None
    if trust is None or trust.deleted_at or trustor is None or (trust.expires_at and trust.expires_at <= now()):
        return None
    trustee = await person(tx, trust.trustee_user_id)
    if trustee is None:
        return None
    place, roles = await _scope(tx, payload, trust.trustor_user_id)
    granted = {role.id for role in await effective.expanded(tx, trust.role_ids)}
    if not set(trust.role_ids) <= {role.id for role in roles}:
        return None
    view = {"id": trust.id, "impersonation": trust.impersonation, "trustor_user": {"id": trust.trustor_user_id},
            "trustee_user": {"id": trust.trustee_user_id}}
    return _subject(payload, trustor if trust.impersonation else user, place,
                    [role for role in roles if role.id in granted], trust=view, others=(trustor, trustee), until=trust.expires_at)


async def _through_credential(tx: AsyncSession, payload: Payload, user: Person, place: Place | None,
                              roles: list[Role]) -> Subject | None:
    row = await tx.get(ApplicationCredential, payload.application_credential_id)
    if row is None or (row.expires_at and row.expires_at <= now()):
        return None
    granted = {role.id for role in await effective.expanded(tx, row.role_ids)}
    view = {"id": row.id, "name": row.name, "restricted": not row.unrestricted}
    if row.access_rules is not None:
        view["access_rules"] = row.access_rules
    return _subject(payload, user, place, [role for role in roles if role.id in granted], application_credential=view,
                    until=row.expires_at)


async def _through_oauth(tx: AsyncSession, payload: Payload, user: Person, place: Place | None,
                         roles: list[Role]) -> Subject | None:
    row = await tx.get(OAuthToken, payload.oauth_token_id)
    if row is None or (row.expires_at and row.expires_at <= now()):
        return None
    granted = {role.id for role in await effective.expanded(tx, row.role_ids)}
    view = {"access_token_id": row.id, "consumer_id": row.consumer_id}
    return _subject(payload, user, place, [role for role in roles if role.id in granted], oauth=view, until=row.expires_at)
