"""Logging in: each method proves who somebody is, the scope says where he wants to work. Every refusal is the same 401."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.clock import now
from cloudd.core.errors import BadRequest, Forbidden, NotFound, Unauthorized
from cloudd.identity.models import ApplicationCredential, Project, Trust, User, domain_named
from cloudd.identity.passwords import Hasher
from cloudd.identity.payload import Payload, new_audit_id
from cloudd.identity.subjects import Subject
from cloudd.identity.tokens import Tokens

REFUSED = "The request you have made requires authentication."


@dataclass
class Proof:
    """What a method has proved: the user, and what the token inherits from how it was proved."""

    user_id: str
    methods: tuple[str, ...]
    chain: str | None = None
    expires_at: datetime | None = None
    application_credential: ApplicationCredential | None = None
    parent: Subject | None = None


@dataclass(frozen=True)
class Login:
    """One attempt: the body, and what it may ask. Methods open short transactions: hashing takes its time."""

    tokens: Tokens
    identity: Mapping[str, Any]
    hasher: Hasher

    def read(self):
        return self.tokens.parts.database.read()


Method = Callable[[Login, Mapping[str, Any]], Awaitable[Proof]]


async def log_in(tokens: Tokens, body: Mapping[str, Any], hasher: Hasher) -> tuple[str, Subject]:
    """A new token for the `auth` member of a request. Raises Unauthorized, BadRequest for a malformed body."""
    identity, wanted = body["identity"], body.get("scope")
    proof = await _prove(Login(tokens, identity, hasher))
    payload = Payload(proof.user_id, proof.methods, now(), proof.expires_at or now() + tokens.lifetime,
                      tuple(filter(None, (new_audit_id(), proof.chain))))
    async with tokens.parts.database.read() as tx:
        payload = await _scoped(tx, payload, proof, wanted)
        subject = await tokens.look_up(tx, payload)
        if subject is None and wanted is None and payload.scope and not payload.application_credential_id:
            payload = replace(payload, scope=None, scope_id=None)    # a default project that is closed to him counts as none
            subject = await tokens.look_up(tx, payload)
    if subject is None:
        raise Unauthorized(REFUSED)
    if payload.trust_id:
        await _use_trust(tokens, payload.trust_id)
    return tokens.write(payload), subject


async def _prove(login: Login) -> Proof:
    methods = list(dict.fromkeys(login.identity["methods"]))
    proofs = []
    for name in methods:
        if name not in METHODS:
            raise Unauthorized(f"Attempted to authenticate with an unsupported method: {name}.")
        if name not in login.identity:
            raise BadRequest(f"Expecting to find {name} in identity. The server could not comply with the request since it is "
                             "either malformed or otherwise incorrect. The client is assumed to be in error.")
        proofs.append(await METHODS[name](login, login.identity[name]))
    if not proofs or len({proof.user_id for proof in proofs}) != 1:
        raise Unauthorized(REFUSED)
    first = proofs[0]
    names = tuple(dict.fromkeys(name for proof in proofs for name in proof.methods))
    parent = next((proof for proof in proofs if proof.parent), first)
    return replace(parent, methods=names, application_credential=next(
        (proof.application_credential for proof in proofs if proof.application_credential), None))


async def by_password(login: Login, given: Mapping[str, Any]) -> Proof:
    wanted = given.get("user")
    if not isinstance(wanted, Mapping):
        raise _expecting("user", "password")
    if "password" not in wanted:
        raise _expecting("password", "user")
    async with login.read() as tx:
        user = await _user(tx, wanted)
        domain = await tx.get(Project, user.domain_id) if user else None
    fits = await login.hasher.fits(str(wanted["password"]), user.password_hash if user else None)
    if not fits or user is None or not user.enabled or domain is None or not domain.enabled:
        raise Unauthorized(REFUSED)
    if user.password_expires_at and user.password_expires_at <= now() and not user.options.get("ignore_password_expiry"):
        raise Unauthorized(f"The password is expired and needs to be changed for user: {user.id}.")
    return Proof(user.id, ("password",))


async def by_token(login: Login, given: Mapping[str, Any]) -> Proof:
    if not isinstance(given, Mapping) or not isinstance(given.get("id"), str):
        raise _expecting("id", "token")
    try:
        old = await login.tokens.check(given["id"])
    except NotFound as exc:
        raise Unauthorized(REFUSED) from exc
    if old.is_delegated:
        raise Forbidden("Rescoping a token that was got through a trust or an application credential is not allowed: log in with "
                        "the password.")
    names = tuple(dict.fromkeys((*old.payload.methods, "token")))
    return Proof(old.user_id, names, chain=old.payload.audit_ids[-1], expires_at=old.payload.expires_at, parent=old)


async def by_application_credential(login: Login, given: Mapping[str, Any]) -> Proof:
    if not isinstance(given, Mapping) or not isinstance(given.get("secret"), str):
        raise _expecting("secret", "application_credential")
    async with login.read() as tx:
        row = await _application_credential(tx, given)
    fits = await login.hasher.fits(given["secret"], row.secret_hash if row else None)
    if row is None or not fits or (row.expires_at and row.expires_at <= now()):
        raise Unauthorized(REFUSED)
    expires = min(row.expires_at, now() + login.tokens.lifetime) if row.expires_at else None
    return Proof(row.user_id, ("application_credential",), expires_at=expires, application_credential=row)


METHODS: dict[str, Method] = {"password": by_password, "token": by_token, "application_credential": by_application_credential}


async def _application_credential(tx: AsyncSession, given: Mapping[str, Any]) -> ApplicationCredential | None:
    if isinstance(given.get("id"), str):
        return await tx.get(ApplicationCredential, given["id"])
    if not isinstance(given.get("name"), str) or not isinstance(given.get("user"), Mapping):
        raise _expecting("id, or name and user", "application_credential")
    user = await _user(tx, given["user"])
    query = select(ApplicationCredential).where(ApplicationCredential.name == given["name"],
                                                ApplicationCredential.user_id == (user.id if user else ""))
    return (await tx.execute(query)).scalar_one_or_none()


async def _user(tx: AsyncSession, wanted: Mapping[str, Any]) -> User | None:
    """The user whom an id, or a name and a domain, mean."""
    if isinstance(wanted.get("id"), str):
        return await tx.get(User, wanted["id"])
    if not isinstance(wanted.get("name"), str):
        raise _expecting("id or name", "user")
    if not isinstance(wanted.get("domain"), Mapping):
        raise _expecting("domain", "user")
    domain = await _domain(tx, wanted["domain"])
    query = select(User).where(User.name == wanted["name"], User.domain_id == (domain.id if domain else ""))
    return (await tx.execute(query)).scalar_one_or_none()


async def _domain(tx: AsyncSession, wanted: Mapping[str, Any]) -> Project | None:
    if isinstance(wanted.get("id"), str):
        found = await tx.get(Project, wanted["id"])
        return found if found and found.is_domain else None
    if not isinstance(wanted.get("name"), str):
        raise _expecting("id or name", "domain")
    return await domain_named(tx, wanted["name"])


async def _scoped(tx: AsyncSession, payload: Payload, proof: Proof, wanted: Any) -> Payload:
    """The payload with the scope that was asked for, or the one that goes without saying. Raises Unauthorized."""
    if proof.application_credential is not None:
        if wanted is not None:
            raise Unauthorized("Application credentials cannot request a scope.")
        row = proof.application_credential
        return replace(payload, scope="project", scope_id=row.project_id, application_credential_id=row.id)
    if wanted is None:
        user = await tx.get(User, payload.user_id)
        default = user.default_project_id if user else None
        return replace(payload, scope="project", scope_id=default) if default else payload
    if wanted == "unscoped" or "unscoped" in wanted:
        return payload
    if len(wanted) != 1:
        raise BadRequest(f"Scope to one of project, domain, system or trust; asked were: {', '.join(sorted(wanted)) or 'none'}.")
    kind, asked = next(iter(wanted.items()))
    if kind not in SCOPES or not isinstance(asked, Mapping):
        raise BadRequest(f"Invalid scope '{kind}': use project, domain, system or OS-TRUST:trust, each an object.")
    return await SCOPES[kind](tx, payload, asked)


async def _to_project(tx: AsyncSession, payload: Payload, asked: Mapping[str, Any]) -> Payload:
    if isinstance(asked.get("id"), str):
        return replace(payload, scope="project", scope_id=asked["id"])
    if not isinstance(asked.get("name"), str):
        raise _expecting("id or name", "project")
    if not isinstance(asked.get("domain"), Mapping):
        raise _expecting("domain", "project")
    domain = await _domain(tx, asked["domain"])
    query = select(Project.id).where(Project.name == asked["name"], Project.domain_id == (domain.id if domain else ""))
    return replace(payload, scope="project", scope_id=(await tx.execute(query)).scalar() or "")


async def _to_domain(tx: AsyncSession, payload: Payload, asked: Mapping[str, Any]) -> Payload:
    domain = await _domain(tx, asked)
    return replace(payload, scope="domain", scope_id=domain.id if domain else "")


async def _to_system(tx: AsyncSession, payload: Payload, asked: Mapping[str, Any]) -> Payload:
    if asked.get("all") is not True:
        raise BadRequest("Invalid system scope: it must be {\"all\": true}.")
    return replace(payload, scope="system")


async def _to_trust(tx: AsyncSession, payload: Payload, asked: Mapping[str, Any]) -> Payload:
    trust = await tx.get(Trust, asked.get("id") or "")
    if trust is None or trust.deleted_at:
        raise Unauthorized(REFUSED)
    if trust.trustee_user_id != payload.user_id:
        raise Forbidden("User is not a trustee of this trust.")
    if trust.remaining_uses == 0:
        raise Forbidden("The trust has no uses left.")
    expires = min(payload.expires_at, trust.expires_at) if trust.expires_at else payload.expires_at
    user = trust.trustor_user_id if trust.impersonation else payload.user_id
    return replace(payload, scope="project", scope_id=trust.project_id, trust_id=trust.id, user_id=user, expires_at=expires)


SCOPES = {"project": _to_project, "domain": _to_domain, "system": _to_system, "OS-TRUST:trust": _to_trust}


async def _use_trust(tokens: Tokens, trust_id: str) -> None:
    async with tokens.parts.database.write() as tx:
        trust = await tx.get(Trust, trust_id)
        if trust is not None and trust.remaining_uses is not None:
            if trust.remaining_uses < 1:
                raise Forbidden("The trust has no uses left.")
            trust.remaining_uses -= 1


def _expecting(member: str, where: str) -> BadRequest:
    return BadRequest(f"Expecting to find {member} in {where}. The server could not comply with the request since it is either "
                      "malformed or otherwise incorrect. The client is assumed to be in error.")


