"""Logging in: each method proves who somebody is, the scope says where he wants to work. Every refusal is the same 401."""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import events
from cloudd.core.clock import now
from cloudd.core.errors import BadRequest, CloudError, Forbidden, NotFound, Unauthorized
from cloudd.core.outage import for_the_record
from cloudd.core.refusals import Allowance
from cloudd.identity.audit import LoggedIn, LoginFailed
from cloudd.identity.models import Project, Trust
from cloudd.identity.payload import Payload, new_audit_id
from cloudd.identity.people import compliance
from cloudd.identity.people.directories import Directories
from cloudd.identity.people.subjects import Subject
from cloudd.identity.tokens import receipts
from cloudd.identity.tokens.methods import METHODS, REFUSED, Login, Proof, domain_of, expecting
from cloudd.identity.tokens.tokens import Tokens


async def log_in(login: Login, wanted: Any, receipt: str | None = None) -> tuple[str, Subject]:
    """A new token. Raises Unauthorized, BadRequest for a malformed body, receipts.MoreNeeded when that was one proof of several."""
    tokens = login.tokens
    await tokens.heed()
    serial = tokens.revocations.serial                        # what is revoked from here on voids the new token, too
    earlier = receipts.read(tokens.ring, receipt) if receipt else None
    async with telling(login, login.identity["methods"]) as known:
        proof = await _prove(login)
        known["user_id"] = proof.user_id
        if earlier is not None:
            if earlier.user_id != proof.user_id:
                raise Unauthorized(REFUSED, reason="the receipt is another user's")
            proof.methods = tuple(dict.fromkeys((*earlier.methods, *proof.methods)))
        await _enough(tokens, proof)
        text, subject = await _issue(tokens, proof, wanted, serial)
    if proof.parent is None:
        await _tell(login, proof, subject)
    return text, subject


async def let_in(login: Login, proof: Proof) -> tuple[str, Subject]:
    """An unscoped token for somebody whom an identity provider vouches for."""
    serial = login.tokens.revocations.serial
    await _enough(login.tokens, proof)
    text, subject = await _issue(login.tokens, proof, "unscoped", serial)
    await _tell(login, proof, subject)
    return text, subject


@asynccontextmanager
async def telling(login: Login, methods: Sequence[str]) -> AsyncIterator[dict[str, str]]:
    """Who is refused in this block is told of, unless `failed` told it. What is yielded may get the `user_id`, once it is known."""
    known: dict[str, str] = {}
    try:
        yield known
    except (Unauthorized, Forbidden, NotFound) as refusal:
        if not login.told:
            await _tell_refusal(login, "+".join(dict.fromkeys(methods))[:64], known, refusal)
        raise


async def _tell_refusal(login: Login, method: str, known: Mapping[str, str], refusal: CloudError) -> None:
    parts, context = login.tokens.parts, login.context
    untold = parts.service(Allowance).take(f"login from {context.remote_address}", time.monotonic())
    if untold is None:
        return
    user_id = refusal.facts.get("user_id", known.get("user_id", ""))
    outcome = "pending" if isinstance(refusal, receipts.MoreNeeded) else "failure"
    reason = refusal.facts.get("reason", refusal.message)[:200]
    with for_the_record("a refused login", user=user_id, address=context.remote_address, why=reason):
        async with parts.database.write() as tx:
            await events.emit(tx, context, LoginFailed(user_id, method, reason, untold, outcome))


async def _tell(login: Login, proof: Proof, subject: Subject) -> None:
    context = replace(login.context, user_id=proof.user_id, project_id=subject.context.project_id)
    with for_the_record("a login", user=proof.user_id, address=context.remote_address):
        async with login.tokens.parts.database.write() as tx:
            await compliance.record_success(tx, proof.user_id, now())
            await events.emit(tx, context, LoggedIn(proof.user_id, list(proof.methods)))


async def log_in_with(login: Login, user_id: str, methods: tuple[str, ...], wanted: Any) -> tuple[str, Subject]:
    """A token for somebody who proved himself by other means than a method of /auth/tokens, to a service that asks for him."""
    text, subject = await _issue(login.tokens, Proof(user_id, methods), wanted, login.tokens.revocations.serial)
    with for_the_record("a login", user=user_id, address=login.context.remote_address):
        async with login.tokens.parts.database.write() as tx:
            await events.emit(tx, login.context, LoggedIn(user_id, list(methods)), project_id=subject.context.project_id)
    return text, subject


async def _issue(tokens: Tokens, proof: Proof, wanted: Any, serial: int) -> tuple[str, Subject]:
    moment, era = now(), tokens.era
    payload = Payload(proof.user_id, proof.methods, moment, proof.expires_at or moment + tokens.lifetime,
                      tuple(filter(None, (new_audit_id(), proof.chain))), origin=proof.origin, serial=serial)
    await tokens.parts.service(Directories).keep_id(proof.user_id, live="password" in proof.methods and proof.parent is None)
    payload = await _scoped(tokens, payload, proof, wanted)
    subject = await tokens.look_up(payload)
    if subject is None and wanted is None and payload.scope and not payload.delegation:
        payload = replace(payload, scope=None, scope_id=None)        # a default project that is closed to him counts as none
        subject = await tokens.look_up(payload)
    if subject is None:
        raise Unauthorized(REFUSED, reason=f"no way to the scope {payload.scope or 'unscoped'} {payload.scope_id or ''}".strip())
    if payload.trust_id:
        await _use_trust(tokens, payload.trust_id)
    text = tokens.write(payload)
    tokens.keep(text, subject, era)
    return text, subject


async def _enough(tokens: Tokens, proof: Proof) -> None:
    """Raise MoreNeeded, with a receipt, when the user's rules ask for further methods."""
    user = await tokens.person(proof.user_id)
    rules = receipts.rules_of(user.options if user else {}, frozenset(METHODS))
    if user is None or not rules or any(rule <= set(proof.methods) for rule in rules):
        return
    moment = now()
    receipt = receipts.Receipt(proof.user_id, proof.methods, moment, moment + receipts.LIFETIME)
    raise receipts.MoreNeeded(receipt, receipts.write(tokens.ring, receipt), rules, user)


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
    names = tuple(dict.fromkeys(name for proof in proofs for name in proof.methods))
    parent = next((proof for proof in proofs if proof.parent), proofs[0])
    return replace(parent, methods=names, **{kind: next((getattr(proof, kind) for proof in proofs if getattr(proof, kind)), None)
                                             for kind in ("application_credential", "oauth_token")})


async def _scoped(tokens: Tokens, payload: Payload, proof: Proof, wanted: Any) -> Payload:
    """The payload with the scope that was asked for, or the one that goes without saying. Raises Unauthorized."""
    if proof.application_credential is not None:
        if wanted is not None:
            raise Unauthorized("Application credentials cannot request a scope.")
        row = proof.application_credential
        return replace(payload, scope="project", scope_id=row.project_id, application_credential_id=row.id)
    if proof.oauth_token is not None:
        row = proof.oauth_token
        return replace(payload, scope="project", scope_id=row.project_id, oauth_token_id=row.id)
    if wanted is None:
        user = await tokens.person(payload.user_id)
        default = user.default_project_id if user else None
        return replace(payload, scope="project", scope_id=default) if default else payload
    if wanted == "unscoped" or "unscoped" in wanted:
        return payload
    if len(wanted) != 1:
        raise BadRequest(f"Scope to one of project, domain, system or trust; asked were: {', '.join(sorted(wanted)) or 'none'}.")
    kind, asked = next(iter(wanted.items()))
    if kind not in SCOPES or not isinstance(asked, Mapping):
        raise BadRequest(f"Invalid scope '{kind}': use project, domain, system or OS-TRUST:trust, each an object.")
    if kind == "project" and isinstance(asked.get("id"), str):
        return replace(payload, scope="project", scope_id=asked["id"])
    async with tokens.parts.database.read() as tx:
        return await SCOPES[kind](tx, payload, asked)


async def _to_project(tx: AsyncSession, payload: Payload, asked: Mapping[str, Any]) -> Payload:
    if not isinstance(asked.get("name"), str):
        raise expecting("id or name", "project")
    if not isinstance(asked.get("domain"), Mapping):
        raise expecting("domain", "project")
    domain = await domain_of(tx, asked["domain"])
    query = select(Project.id).where(Project.name == asked["name"], Project.domain_id == (domain.id if domain else ""))
    return replace(payload, scope="project", scope_id=(await tx.execute(query)).scalar() or "")


async def _to_domain(tx: AsyncSession, payload: Payload, asked: Mapping[str, Any]) -> Payload:
    domain = await domain_of(tx, asked)
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
    return replace(payload, scope="project", scope_id=trust.project_id, trust_id=trust.id, user_id=user, expires_at=expires,
                   origin=None)


SCOPES = {"project": _to_project, "domain": _to_domain, "system": _to_system, "OS-TRUST:trust": _to_trust}


async def _use_trust(tokens: Tokens, trust_id: str) -> None:
    async with tokens.parts.database.write() as tx:
        trust = await tx.get(Trust, trust_id)
        if trust is not None and trust.remaining_uses is not None:
            if trust.remaining_uses < 1:
                raise Forbidden("The trust has no uses left.")
            trust.remaining_uses -= 1
