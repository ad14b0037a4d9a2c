"""The ways to prove who one is: password, token, application credential, one-time passcode, OAuth 1.0a."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import events
from cloudd.core.clock import now
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Forbidden, Unauthorized
from cloudd.core.outage import for_the_record
from cloudd.identity import oauth1
from cloudd.identity.audit import LoginFailed
from cloudd.identity.keys import CredentialRing
from cloudd.identity.models import ApplicationCredential, Credential, Project, User, domain_named
from cloudd.identity.models.extensions import LoginRecord, OAuthToken
from cloudd.identity.passwords import Hasher
from cloudd.identity.payload import Origin
from cloudd.identity.people import compliance
from cloudd.identity.people.attempts import Attempts, stranger
from cloudd.identity.people.directories import Directories
from cloudd.identity.people.subjects import Subject
from cloudd.identity.tokens import totp
from cloudd.identity.tokens.tokens import Tokens

REFUSED = "The request you have made requires authentication."


@dataclass
class Proof:
    """What a method has proved: the user, and what the token inherits from how it was proved."""

    user_id: str
    methods: tuple[str, ...]
    chain: str | None = None
    expires_at: datetime | None = None
    application_credential: ApplicationCredential | None = None
    oauth_token: OAuthToken | None = None
    parent: Subject | None = None
    origin: Origin | None = None


@dataclass(frozen=True)
class Login:
    """One attempt: the body, who asks from where, and what it may ask. Methods open short transactions: hashing takes its time."""

    tokens: Tokens
    identity: Mapping[str, Any]
    hasher: Hasher
    context: Context
    signed: oauth1.Signed | None = None
    told: list[str] = field(default_factory=list)
    """Methods whose failure was told."""

    def read(self):
        return self.tokens.parts.database.read()

    @property
    def rules(self) -> Any:
        return self.tokens.parts.settings.security_compliance

    @property
    def directories(self) -> Directories:
        return self.tokens.parts.service(Directories)

    async def domain_id(self, wanted: Mapping[str, Any]) -> str:
        """The domain that a user is looked for in; empty when it is not said, or not there."""
        if not isinstance(wanted.get("domain"), Mapping):
            return ""
        async with self.read() as tx:
            domain = await domain_of(tx, wanted["domain"])
        return domain.id if domain else ""

    async def fits(self, user: User | None, wanted: Mapping[str, Any], password: str) -> bool:
        """Whether the password is the user's; for one who is not there it takes as long to say no."""
        return await self.directories.fits(user, user.domain_id if user else await self.domain_id(wanted), password)

    async def who(self, user: User | None, wanted: Mapping[str, Any]) -> str:
        """Whom the failures count for: the user, or the name that nobody has."""
        if user is not None:
            return user.id
        if isinstance(wanted.get("id"), str):
            return stranger({"id": wanted["id"]})
        return stranger({"name": wanted.get("name"), "domain": await self.domain_id(wanted)})

    def may_try(self, who: str | None) -> None:
        """Raise TooManyRequests for an address, or somebody at it, with too many failures."""
        self.tokens.parts.service(Attempts).check(self.context.remote_address, who)

    async def failed(self, method: str, user: User | None, reason: str, who: str | None = None) -> Unauthorized:
        """Count and tell a failure; what to raise."""
        self.tokens.parts.service(Attempts).failed(self.context.remote_address, who or (user.id if user else None))
        self.told.append(method)
        with for_the_record("a failed login", user=user.id if user else None, address=self.context.remote_address, why=reason):
            async with self.tokens.parts.database.write() as tx:
                if user is not None and reason == "wrong secret":
                    await compliance.record_failure(tx, self.rules, user.id, now())
                await events.emit(tx, self.context, LoginFailed(user.id if user else "", method, reason))
        return Unauthorized(REFUSED)


Method = Callable[[Login, Mapping[str, Any]], Awaitable[Proof]]


async def by_password(login: Login, given: Mapping[str, Any]) -> Proof:
    wanted = given.get("user")
    if not isinstance(wanted, Mapping):
        raise expecting("user", "password")
    if "password" not in wanted:
        raise expecting("password", "user")
    login.may_try(None)
    user, shut = await account(login, wanted)
    who = await login.who(user, wanted)
    login.may_try(who)
    fits = await login.fits(user, wanted, str(wanted["password"]))
    if not fits or user is None or shut:
        raise await login.failed("password", user, shut or ("wrong secret" if user else "no such user"), who)
    if compliance.expired(user, now()) and not user.options.get("ignore_password_expiry"):
        raise Unauthorized(f"The password is expired and needs to be changed for user: {user.id}.", user_id=user.id)
    return Proof(user.id, ("password",))


async def account(login: Login, wanted: Mapping[str, Any]) -> tuple[User | None, str]:
    """The user, and why he may not log in now (empty: he may). All of it is told by the same answer."""
    await _look_for(login, wanted)
    async with login.read() as tx:
        user = await _user(tx, wanted)
        if user is None:
            return None, ""
        domain = await tx.get(Project, user.domain_id)
        record = await tx.get(LoginRecord, user.id)
    if not user.enabled or domain is None or not domain.enabled:
        return user, "disabled"
    if compliance.locked(login.rules, user, record, now()):
        return user, "locked"
    return user, "inactive" if compliance.inactive(login.rules, user, record, now()) else ""


async def _look_for(login: Login, wanted: Mapping[str, Any]) -> None:
    """Let a directory say what it knows of a user before the tables are looked at."""
    if not await login.directories.sources():
        return
    if isinstance(wanted.get("id"), str):
        await login.directories.keep_id(wanted["id"], live=True)
    elif isinstance(wanted.get("name"), str) and isinstance(wanted.get("domain"), Mapping):
        await login.directories.look_for(await login.domain_id(wanted), wanted["name"])


async def by_totp(login: Login, given: Mapping[str, Any]) -> Proof:
    wanted = given.get("user") if isinstance(given, Mapping) else None
    if not isinstance(wanted, Mapping) or not isinstance(wanted.get("passcode"), str):
        raise expecting("passcode", "totp")
    user, shut = await account(login, wanted)
    who = await login.who(user, wanted)
    login.may_try(who)
    async with login.read() as tx:
        query = select(Credential).where(Credential.type == "totp", Credential.user_id == (user.id if user else ""))
        rows = list((await tx.execute(query)).scalars())
    ring = login.tokens.parts.service(CredentialRing)
    steps = [(row.id, totp.step_of(ring.decrypt(row.encrypted_blob.encode()).decode(), wanted["passcode"], now().timestamp()))
             for row in rows]
    fits = [(key, step) for key, step in steps if step is not None]
    if user is None or shut or not await _first_use(login, fits):
        raise await login.failed("totp", user, shut or ("wrong secret" if user else "no such user"), who)
    return Proof(user.id, ("totp",))


async def _first_use(login: Login, fits: list[tuple[str, int]]) -> bool:
    """Write down that these passcodes are used: one that was seen on its way is of no use, after a restart neither."""
    if not fits:
        return False
    async with login.tokens.parts.database.write() as tx:
        done = [await tx.execute(update(Credential).where(
            Credential.id == key, or_(Credential.used_step.is_(None), Credential.used_step < step)).values(used_step=step))
            for key, step in fits]
    return any(result.rowcount for result in done)


async def by_oauth1(login: Login, given: Mapping[str, Any]) -> Proof:
    if login.signed is None:
        raise Unauthorized("OAuth 1.0a needs an Authorization header.")
    async with login.read() as tx:
        consumer = await oauth1.consumer_of(tx, login.signed)
        row = await oauth1.token_of(tx, login.signed, consumer, "access", now())
    login.signed.check(consumer.secret, row.secret, login.tokens.signature_ttl, now())
    expires = min(row.expires_at, now() + login.tokens.lifetime) if row.expires_at else None
    return Proof(row.user_id or "", ("oauth1",), expires_at=expires, oauth_token=row)


async def by_token(login: Login, given: Mapping[str, Any]) -> Proof:
    if not isinstance(given, Mapping) or not isinstance(given.get("id"), str):
        raise expecting("id", "token")
    old = await login.tokens.check(given["id"])               # a bad token is 404, as in Keystone
    if old.is_delegated:
        raise Forbidden("Rescoping a token that was got through a trust, an application credential or OAuth is not allowed: log "
                        "in with the password.")
    names = tuple(dict.fromkeys((*old.payload.methods, "token")))
    return Proof(old.user_id, names, chain=old.payload.audit_ids[-1], expires_at=old.payload.expires_at, parent=old,
                 origin=old.payload.origin)


async def by_application_credential(login: Login, given: Mapping[str, Any]) -> Proof:
    if not isinstance(given, Mapping) or not isinstance(given.get("secret"), str):
        raise expecting("secret", "application_credential")
    async with login.read() as tx:
        row = await _application_credential(tx, given)
        user = await tx.get(User, row.user_id) if row else None
    who = user.id if user else stranger({name: given.get(name) for name in ("id", "name", "user")})
    login.may_try(who)
    fits = await login.hasher.fits(given["secret"], row.secret_hash if row else None)
    if row is None or not fits or (row.expires_at and row.expires_at <= now()):
        reason = "expired" if fits and row else "wrong secret of a credential"
        raise await login.failed("application_credential", user, reason, who)
    expires = min(row.expires_at, now() + login.tokens.lifetime) if row.expires_at else None
    return Proof(row.user_id, ("application_credential",), expires_at=expires, application_credential=row)


async def by_federation(login: Login, given: Mapping[str, Any]) -> Proof:
    """The former way to scope a federated user's token. Who has none yet logs in at his identity provider's own address."""
    if not isinstance(given, Mapping) or not isinstance(given.get("id"), str):
        raise Unauthorized("A federated login begins at /OS-FEDERATION/identity_providers/IDP/protocols/PROTOCOL/auth.")
    return await by_token(login, given)


METHODS: dict[str, Method] = {"password": by_password, "token": by_token, "application_credential": by_application_credential,
                              "totp": by_totp, "oauth1": by_oauth1, "openid": by_federation, "mapped": by_federation}


async def _application_credential(tx: AsyncSession, given: Mapping[str, Any]) -> ApplicationCredential | None:
    if isinstance(given.get("id"), str):
        return await tx.get(ApplicationCredential, given["id"])
    if not isinstance(given.get("name"), str) or not isinstance(given.get("user"), Mapping):
        raise expecting("id, or name and user", "application_credential")
    user = await _user(tx, given["user"])
    query = select(ApplicationCredential).where(ApplicationCredential.name == given["name"],
                                                ApplicationCredential.user_id == (user.id if user else ""))
    return (await tx.execute(query)).scalar_one_or_none()


async def _user(tx: AsyncSession, wanted: Mapping[str, Any]) -> User | None:
    """The user whom an id, or a name and a domain, mean."""
    if isinstance(wanted.get("id"), str):
        return await tx.get(User, wanted["id"])
    if not isinstance(wanted.get("name"), str):
        raise expecting("id or name", "user")
    if not isinstance(wanted.get("domain"), Mapping):
        raise expecting("domain", "user")
    domain = await domain_of(tx, wanted["domain"])
    query = select(User).where(User.name == wanted["name"], User.domain_id == (domain.id if domain else ""))
    return (await tx.execute(query)).scalar_one_or_none()


async def domain_of(tx: AsyncSession, wanted: Mapping[str, Any]) -> Project | None:
    if isinstance(wanted.get("id"), str):
        found = await tx.get(Project, wanted["id"])
        return found if found and found.is_domain else None
    if not isinstance(wanted.get("name"), str):
        raise expecting("id or name", "domain")
    return await domain_named(tx, wanted["name"])


def expecting(member: str, where: str) -> BadRequest:
    return BadRequest(f"Expecting to find {member} in {where}. The server could not comply with the request since it is either "
                      "malformed or otherwise incorrect. The client is assumed to be in error.")
