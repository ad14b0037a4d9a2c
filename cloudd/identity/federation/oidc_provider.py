"""An OpenID provider as this cloud sees it: what it says of itself, its keys, and what it is asked.

What it says of itself and its keys are kept; keys are fetched again when a token names one that is not among them, but not more
often than every half a minute. Whatever goes wrong on the way is ProviderDown: the caller is told, and may try again.
"""

import asyncio
import base64
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import orjson

from cloudd.core import fetch, log
from cloudd.core.errors import BadRequest, Unauthorized, Unavailable
from cloudd.identity.federation.oidc_settings import Provider

if TYPE_CHECKING:
    import jwt  # loaded when somebody logs in with a token of a provider

LOG = log.get("cloudd.identity.oidc")
KEPT = 3600.0
REFRESH = 30.0
DISCOVERY = "/.well-known/openid-configuration"
Clock = Callable[[], float]


class ProviderDown(Unavailable):
    """The provider does not answer, or not as it should."""


class Kept:
    """A document of the provider, fetched by one at a time when it is wanted and older than it may be."""

    def __init__(self, fetched: Callable[[], Awaitable[Any]], clock: Clock):
        self._fetch, self._clock = fetched, clock
        self._lock = asyncio.Lock()
        self._value: Any = None
        self._at: float | None = None
        self._failure: tuple[float, ProviderDown] | None = None

    async def get(self, oldest: float = KEPT) -> Any:
        """The document, not older than so many seconds. Raises ProviderDown."""
        asked = self._clock()
        if self._fresh(asked, oldest):
            return self._value
        async with self._lock:
            if self._fresh(asked, oldest):
                return self._value
            if self._failure and self._failure[0] >= asked:
                raise self._failure[1]                        # whoever was before us in the queue has just found out
            try:
                self._value = await self._fetch()
            except ProviderDown as exc:
                self._failure = (self._clock(), exc)
                raise
            self._at = self._clock()
            return self._value

    def _fresh(self, asked: float, oldest: float) -> bool:
        return self._at is not None and self._at > asked - oldest


class OidcProvider:
    """One provider. Its methods raise ProviderDown, and Unauthorized where it refuses what it was shown."""

    def __init__(self, idp_id: str, options: Provider, clock: Clock = time.monotonic):
        self.id, self.options = idp_id, options
        self._tls: ssl.SSLContext | None = options.tls()
        self._metadata = Kept(self._discover, clock)
        self._keys = Kept(self._fetch_keys, clock)

    async def metadata(self) -> Mapping[str, Any]:
        """What the provider says of itself (OpenID Connect Discovery)."""
        return await self._metadata.get()

    async def keys(self, kid: str | None, fresh: bool = False) -> "list[jwt.PyJWK]":
        """The keys that a signature may be of: the one that it names, or all. `fresh`: those that are kept did not fit."""
        found = _named(await self._keys.get(REFRESH if fresh else KEPT), kid)
        return found or _named(await self._keys.get(REFRESH), kid)

    async def introspect(self, token: str) -> dict[str, Any]:
        """What the provider says of an access token (RFC 7662). Raises Unauthorized when the token is not good."""
        claims = await self._question(await self.endpoint("introspection_endpoint"), form={"token": token},
                                      headers=self._basic(), what="introspection")
        if claims.get("active") is not True:
            raise Unauthorized(f"The identity provider {self.id} says that the access token is not active.")
        return {name: value for name, value in claims.items() if name != "active"}

    async def userinfo(self, token: str) -> dict[str, Any] | None:
        """What the provider tells of the user to the holder of a token; None when it tells nothing for this token."""
        endpoint = (await self.metadata()).get("userinfo_endpoint")
        if not endpoint:
            return None
        answer = await self._ask(endpoint, headers={"Authorization": f"Bearer {token}", "Accept": "application/json"})
        return _object(answer.body) if answer.status == 200 else None

    async def exchange(self, code: str, verifier: str, redirect_uri: str) -> dict[str, Any]:
        """The tokens that an authorization code stands for. Raises Unauthorized when the provider does not take the code."""
        metadata = await self.metadata()
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier}
        headers: dict[str, str] = {}
        methods = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if self.options.client_secret and "client_secret_basic" in methods:
            headers = self._basic()
        else:
            form["client_id"] = self.options.client_id
            if self.options.client_secret:
                form["client_secret"] = self.options.client_secret
        return await self._question(await self.endpoint("token_endpoint"), form=form, headers=headers, what="the code")

    async def endpoint(self, name: str) -> str:
        """One of the provider's addresses. Raises Unauthorized when it has none of that kind."""
        found = (await self.metadata()).get(name)
        if not found:
            raise Unauthorized(f"The identity provider {self.id} has no {name}.")
        return found

    def _basic(self) -> dict[str, str]:
        pair = f"{quote(self.options.client_id, safe='')}:{quote(self.options.client_secret, safe='')}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}", "Accept": "application/json"}

    async def _discover(self) -> dict[str, Any]:
        url = self.options.issuer.rstrip("/") + DISCOVERY
        metadata = await self._document(url)
        if metadata.get("issuer") != self.options.issuer:
            raise self._down(f"{url} is of the issuer {metadata.get('issuer')!r}, not of {self.options.issuer!r}")
        for name, value in metadata.items():
            if (name.endswith("_endpoint") or name == "jwks_uri") and not self._as_safe(value):
                raise self._down(f"{name} {value!r} is no address as safe as the issuer's")
        return metadata

    def _as_safe(self, url: Any) -> bool:
        """No address of a provider with TLS is without."""
        return isinstance(url, str) and urlsplit(url).scheme in {"https", urlsplit(self.options.issuer).scheme}

    async def _fetch_keys(self) -> "list[jwt.PyJWK]":
        import jwt

        url = (await self.metadata()).get("jwks_uri")
        if not url:
            raise self._down("it names no jwks_uri")
        keys = []
        for item in (await self._document(url)).get("keys", ()):
            try:
                if item.get("use", "sig") == "sig" and item.get("kty") != "oct":
                    keys.append(jwt.PyJWK(item))
            except (jwt.PyJWTError, AttributeError, TypeError, ValueError) as exc:
                LOG.debug("a key of an identity provider is of no use", provider=self.id, error=str(exc))
        return keys

    async def _document(self, url: str) -> dict[str, Any]:
        answer = await self._ask(url, headers={"Accept": "application/json"})
        if answer.status != 200:
            raise self._down(f"{url} answered {answer.status}")
        found = _object(answer.body)
        if found is None:
            raise self._down(f"{url} answered no JSON object")
        return found

    async def _question(self, url: str, *, form: Mapping[str, str], headers: Mapping[str, str], what: str) -> dict[str, Any]:
        """What the provider answers to a form; its 4xx is a refusal."""
        answer = await self._ask(url, form=form, headers=headers)
        found = _object(answer.body)
        if 400 <= answer.status < 500:
            reason = str((found or {}).get("error", answer.status))[:200]
            LOG.warning("an identity provider refused", provider=self.id, what=what, reason=reason)
            raise Unauthorized(f"The identity provider {self.id} refused {what}: {reason}.")
        if answer.status != 200 or found is None:
            raise self._down(f"{url} answered {answer.status}")
        return found

    async def _ask(self, url: str, **options: Any) -> fetch.Answer:
        try:
            return await fetch.ask(url, allowed=self.options.allowed, timeout=self.options.timeout, tls=self._tls, **options)
        except BadRequest as exc:                             # FetchRefused and FetchFailed
            raise self._down(exc.message.rstrip(".")) from exc

    def _down(self, why: str) -> ProviderDown:
        LOG.warning("an identity provider does not answer as it should", provider=self.id, why=why)
        return ProviderDown(f"The identity provider {self.id} cannot be asked at the moment: {why}.")


class OidcProviders(dict[str, OidcProvider]):
    """The providers of the settings, by the id of their identity provider; `parts.service(OidcProviders)`."""


def _named(keys: "list[jwt.PyJWK]", kid: str | None) -> "list[jwt.PyJWK]":
    return [key for key in keys if kid is None or key.key_id == kid]


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None
