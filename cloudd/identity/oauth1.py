"""OAuth 1.0a: a consumer asks for a request token, a user authorizes it, the consumer changes it for an access token."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import ids
from cloudd.core.errors import BadRequest, Forbidden, NotFound, Unauthorized
from cloudd.identity import signatures
from cloudd.identity.models.extensions import Consumer, OAuthToken
from cloudd.identity.people import effective

REQUEST_LIFETIME = timedelta(hours=8)
ACCESS_LIFETIME = timedelta(days=1)


@dataclass(frozen=True)
class Signed:
    """A signed request: its method and address, and the parameters of its Authorization header."""

    method: str
    url: str
    params: dict[str, str]
    query: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, method: str, url: str, header: str, query: Mapping[str, str]) -> "Signed":
        """Raises Unauthorized without an OAuth header."""
        kind, _, rest = header.partition(" ")
        if kind.lower() != "oauth":
            raise Unauthorized("This is asked for with an Authorization header of OAuth 1.0a.")
        found = dict(part.strip().partition("=")[::2] for part in rest.split(",") if "=" in part)
        params = {unquote(name): unquote(value.strip().strip('"')) for name, value in found.items()}
        return cls(method, url, params, tuple(query.items()))

    def __getitem__(self, name: str) -> str:
        try:
            return self.params[f"oauth_{name}"]
        except KeyError:
            raise Unauthorized(f"oauth_{name} is missing in the Authorization header.") from None

    def check(self, consumer_secret: str, token_secret: str, ttl: timedelta, now: datetime) -> None:
        """Raise Unauthorized unless the signature fits and is fresh."""
        how = self["signature_method"]
        if how not in signatures.OAUTH1:
            raise Unauthorized(f"The signature method {how} is not served: use {', '.join(signatures.OAUTH1)}.")
        stamp = self["timestamp"]
        if not (stamp.isascii() and stamp.isdigit()) or abs(now.timestamp() - int(stamp)) > ttl.total_seconds():
            raise Unauthorized("The signature is expired or not yet good.")
        signed = [(name, value) for name, value in self.params.items() if name not in ("oauth_signature", "realm")]
        ours = signatures.oauth1(self.method, self.url, [*signed, *self.query], consumer_secret, token_secret, how)
        if not signatures.same(ours, self["signature"]):
            raise Unauthorized("The OAuth signature does not fit.")


async def consumer_of(tx: AsyncSession, signed: Signed) -> Consumer:
    row = await tx.get(Consumer, signed["consumer_key"])
    if row is None:
        raise Unauthorized("There is no such consumer.")
    return row


async def token_of(tx: AsyncSession, signed: Signed, consumer: Consumer, kind: str, now: datetime) -> OAuthToken:
    """The consumer's own token of this kind, not expired. Raises Unauthorized."""
    row = await tx.get(OAuthToken, signed["token"])
    if row is None or row.kind != kind or row.consumer_id != consumer.id or (row.expires_at and row.expires_at <= now):
        raise Unauthorized(f"There is no such {kind} token of this consumer, or it is expired.")
    return row


async def ask(tx: AsyncSession, consumer: Consumer, project_id: str, now: datetime) -> OAuthToken:
    """A request token."""
    row = OAuthToken(id=ids.new_hex(), kind="request", secret=ids.new_hex(), consumer_id=consumer.id, project_id=project_id,
                     role_ids=[], expires_at=now + REQUEST_LIFETIME)
    tx.add(row)
    await tx.flush()
    return row


async def authorize(tx: AsyncSession, row: OAuthToken, user_id: str, wanted: list[dict[str, Any]]) -> None:
    """The user delegates some of the roles that he has on the project."""
    chain = await effective.lineage(tx, row.project_id)
    held = await effective.roles_on_project(tx, user_id, chain) if chain else []
    chosen = []
    for role in wanted:
        match = [have.id for have in held if have.id == role.get("id") or ("id" not in role and have.name == role.get("name"))]
        if not match:
            raise Unauthorized(f"The authorizing user has no role {role.get('id') or role.get('name')} on project "
                               f"{row.project_id}.")
        chosen += match
    if not chosen:
        raise BadRequest("Name at least one role to delegate.")
    row.user_id, row.role_ids, row.verifier = user_id, chosen, ids.new_secret(8)


async def change(tx: AsyncSession, row: OAuthToken, verifier: str, now: datetime) -> OAuthToken:
    """An access token for an authorized request token, which is used up."""
    if not row.verifier or not row.user_id or not signatures.same(row.verifier, verifier):
        raise Unauthorized("The request token is not authorized, or the verifier does not fit.")
    made = OAuthToken(id=ids.new_hex(), kind="access", secret=ids.new_hex(), consumer_id=row.consumer_id, user_id=row.user_id,
                      project_id=row.project_id, role_ids=row.role_ids, expires_at=now + ACCESS_LIFETIME)
    tx.add(made)
    await tx.delete(row)
    await tx.flush()
    return made


async def access_token(tx: AsyncSession, user_id: str, token_id: str) -> OAuthToken:
    """A user's access token. Raises NotFound."""
    row = await tx.get(OAuthToken, token_id)
    if row is None or row.kind != "access" or row.user_id != user_id:
        raise NotFound(f"Could not find access token: {token_id}.")
    return row


async def access_tokens(tx: AsyncSession, user_id: str) -> list[OAuthToken]:
    query = select(OAuthToken).where(OAuthToken.kind == "access", OAuthToken.user_id == user_id).order_by(OAuthToken.id)
    return list((await tx.execute(query)).scalars())


def refuse_delegated(subject: Any) -> None:
    """Who works through a delegation cannot hand it on (OSSA-2014: OAuth through trust-scoped tokens)."""
    if subject.is_delegated:
        raise Forbidden("A token that was got through a trust, an application credential or OAuth cannot authorize others.")
