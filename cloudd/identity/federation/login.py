"""Letting in somebody whom an identity provider vouches for: the provider's record, its mapping, and the user behind it."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.errors import Conflict, Forbidden, NotFound, Unauthorized
from cloudd.identity.federation import users as federated_users
from cloudd.identity.federation.mapping import Assertion, Mapped, evaluate, keeps_in_step
from cloudd.identity.models.extensions import IdentityProvider, Mapping, Protocol
from cloudd.identity.payload import METHODS, Origin
from cloudd.identity.tokens.methods import Login, Proof, account

METHOD = "mapped"
"""What a token says of how it was got where the protocol's id is none of the methods."""


async def entrance(tx: AsyncSession, idp_id: str, protocol_id: str) -> tuple[IdentityProvider, Protocol, Mapping]:
    """The records that a login goes through. Raises NotFound, and Forbidden when the identity provider is disabled."""
    provider = await tx.get(IdentityProvider, idp_id)
    if provider is None:
        raise NotFound(f"Could not find Identity Provider: {idp_id}.")
    if not provider.enabled:
        raise Forbidden(f"Identity Provider {idp_id} is disabled.")
    protocol = await tx.get(Protocol, (idp_id, protocol_id))
    mapping = await tx.get(Mapping, protocol.mapping_id) if protocol else None
    if protocol is None or mapping is None:
        raise NotFound(f"Could not find federated protocol {protocol_id} for Identity Provider: {idp_id}.")
    return provider, protocol, mapping


def looked_for(mapping: Mapping) -> set[str]:
    """The types that a mapping's rules look for."""
    return {remote["type"] for rule in mapping.rules for remote in rule["remote"]}


async def prove(login: Login, idp_id: str, protocol_id: str, said: Assertion) -> Proof:
    """The user whom the mapping makes of what the provider said; his row is made or brought up to date.

    Raises Unauthorized when that is nobody or he may not log in, Forbidden, NotFound, Conflict.
    """
    method = protocol_id if protocol_id in METHODS else METHOD
    async with login.read() as tx:
        provider, protocol, mapping = await entrance(tx, idp_id, protocol_id)
    _known_remote(login, provider, protocol, said)
    try:
        mapped = evaluate(mapping.rules, mapping.schema_version, said)
        proof = Proof("", (method,))
        if not mapped.local:
            origin = await _shadow(login, idp_id, protocol_id, mapped, said)
            mapped.user, proof.origin = {"id": origin[0]}, origin[1]
    except (Unauthorized, Conflict, NotFound) as exc:
        await login.failed(method, None, f"mapping: {exc.message}"[:200])
        raise
    user, shut = await account(login, mapped.user)
    if user is None or shut:
        raise await login.failed(method, user, shut or "no such user")
    proof.user_id = user.id
    return proof


def _known_remote(login: Login, provider: IdentityProvider, protocol: Protocol, said: Assertion) -> None:
    """Who vouches must be one whom the identity provider's record names, if it names any."""
    name = protocol.remote_id_attribute or login.tokens.parts.settings.federation.remote_id_attribute
    if not provider.remote_ids:
        return
    given = said.get(name, ())
    if not given:
        raise Unauthorized(f"Could not find Identity Provider identifier in what it said: {name}.")
    if not set(given) <= set(provider.remote_ids):
        raise Forbidden("Incoming identity provider identifier not included among the accepted identifiers: "
                        f"{', '.join(given)} is none of the remote_ids of {provider.id}.")


async def _shadow(login: Login, idp_id: str, protocol_id: str, mapped: Mapped, said: Assertion) -> tuple[str, Origin]:
    """The user's row, his groups and projects, in one transaction."""
    tokens, context = login.tokens, login.context
    async with tokens.parts.database.write() as tx:
        provider, _, mapping = await entrance(tx, idp_id, protocol_id)
        groups = await federated_users.group_ids(tx, mapped.group_ids, mapped.groups, mapping.id)
        remote_user = next(iter(said.get("REMOTE_USER", ())), None)
        user = await federated_users.shadow(tx, context, provider, protocol_id, mapped.user, remote_user)
        ttl = ttl_of(provider, tokens.parts.settings)
        less = await federated_users.put_in_groups(tx, context, user, provider, groups, ttl)
        in_step = keeps_in_step(mapping.schema_version)
        if mapped.projects or in_step:
            less |= await federated_users.give_projects(tx, context, user, provider.domain_id, mapped.projects, in_step)
        if less:                                              # what he no longer has, his earlier tokens must not have either
            await tokens.revocations.add(tx, context, "user", user.id)
        return user.id, Origin(idp_id, protocol_id, tuple(groups))


def ttl_of(provider: IdentityProvider, settings: Any) -> int:
    """Minutes that the memberships of a provider's users are good."""
    ttl = provider.authorization_ttl
    return settings.federation.default_authorization_ttl if ttl is None else ttl
