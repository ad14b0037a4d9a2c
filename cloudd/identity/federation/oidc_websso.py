"""A web login on its way to the provider and back: the authorization code flow with PKCE.

What has to be known when the browser comes back travels with it in a sealed cookie, so that only the browser that began a login
can end it: state against forged answers, nonce against another login's ID token, the verifier against a stolen code.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import asdict, dataclass
from urllib.parse import urlencode

import orjson

from cloudd.core.errors import Unauthorized
from cloudd.identity.federation.oidc_provider import OidcProvider
from cloudd.identity.keys import KeyRing, Unreadable

LIFETIME = 600
MARK = b"W"
"""The first byte of what is sealed: it is neither a token nor a receipt, though the same keys keep all."""


@dataclass(frozen=True)
class Journey:
    """One web login that has begun."""

    idp_id: str
    protocol_id: str
    origin: str
    redirect_uri: str
    state: str
    nonce: str
    verifier: str
    expires: float

    @classmethod
    def begin(cls, idp_id: str, protocol_id: str, origin: str, redirect_uri: str, now: float) -> "Journey":
        return cls(idp_id, protocol_id, origin, redirect_uri, secrets.token_urlsafe(24), secrets.token_urlsafe(24),
                   secrets.token_urlsafe(48), now + LIFETIME)

    @property
    def cookie(self) -> str:
        return cookie_of(self.state)

    def seal(self, ring: KeyRing) -> str:
        return ring.encrypt(MARK + orjson.dumps(asdict(self))).decode()

    async def address(self, provider: OidcProvider) -> str:
        """Where the browser goes to log in. Raises ProviderDown."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).decode().rstrip("=")
        endpoint = await provider.endpoint("authorization_endpoint")
        return f"{endpoint}{'&' if '?' in endpoint else '?'}" + urlencode({
            "response_type": "code", "client_id": provider.options.client_id, "redirect_uri": self.redirect_uri,
            "scope": provider.options.scopes, "state": self.state, "nonce": self.nonce, "code_challenge": challenge,
            "code_challenge_method": "S256"})


def cookie_of(state: str) -> str:
    """The cookie's name: each login has its own, so that two tabs do not meet."""
    return "cloudd-websso-" + hashlib.sha256(state.encode()).hexdigest()[:16]


class Ended:
    """States of logins that have come back, until they would have expired: each comes back once."""

    def __init__(self) -> None:
        self._states: dict[str, float] = {}

    def once(self, journey: Journey, now: float) -> None:
        """Raises Unauthorized the second time."""
        self._states = {state: expires for state, expires in self._states.items() if expires > now}
        if journey.state in self._states:
            raise Unauthorized("This login was ended before. Log in again.")
        self._states[journey.state] = journey.expires


def resume(ring: KeyRing, sealed: str | None, state: str, idp_id: str, protocol_id: str, now: float) -> Journey:
    """The login that the browser began, by its cookie. Raises Unauthorized when this is not its answer."""
    if not sealed:
        raise Unauthorized("This browser has not begun this login, or more than ten minutes ago. Log in again.")
    try:
        data = ring.decrypt(sealed.encode())
        if not data.startswith(MARK):
            raise ValueError("not a web login")
        journey = Journey(**orjson.loads(data[1:]))
    except (Unreadable, ValueError, TypeError) as exc:
        raise Unauthorized("The cookie of this login is not valid. Log in again.") from exc
    if not hmac.compare_digest(journey.state.encode(), state.encode()):
        raise Unauthorized("The state is not the one that this login began with. Log in again.")
    if (journey.idp_id, journey.protocol_id) != (idp_id, protocol_id):
        raise Unauthorized("The answer is not of the identity provider that this login began at. Log in again.")
    if journey.expires <= now:
        raise Unauthorized("The login took too long. Log in again.")
    return journey
