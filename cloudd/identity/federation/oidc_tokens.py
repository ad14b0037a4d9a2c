"""Tokens of OpenID providers: whose they are, for whom they are, and what they say, as mapping rules name it."""

import hmac
import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from cloudd.core.errors import Unauthorized
from cloudd.identity.federation.oidc_provider import OidcProvider

TYPES = (None, "jwt", "at+jwt", "application/at+jwt")
"""What a JWT may call itself; a logout token, say, is no proof of a login."""
PREFIXES = ("OIDC-", "OIDC_CLAIM_")
HEADER = "HTTP_OIDC_"
JWT_FORM = re.compile(r"[\w-]+\.[\w-]+\.[\w-]*")

Claims = dict[str, Any]


class TokenRefused(Unauthorized):
    """The token proves nothing here."""


async def of_access_token(provider: OidcProvider, token: str, wanted: Iterable[str]) -> Claims:
    """The claims of an access token, or of an ID token that is used as one. `wanted`: the types that the mapping looks for; the
    provider's userinfo is asked for what the token does not say. Raises TokenRefused, Unauthorized, ProviderDown."""
    how = provider.options.access_token
    if how == "auto":
        how = "jwt" if JWT_FORM.fullmatch(token) else "introspection"
    if how == "userinfo":
        claims = await provider.userinfo(token)
        if claims is None:
            raise TokenRefused(f"The identity provider {provider.id} does not know the access token.")
        return {**claims, "iss": provider.options.issuer}
    claims = await verified(provider, token) if how == "jwt" else await _introspected(provider, token)
    _for_us(provider, claims)
    return await completed(provider, claims, token, wanted)


async def of_id_token(provider: OidcProvider, tokens: Mapping[str, Any], nonce: str, wanted: Iterable[str]) -> Claims:
    """The claims of what a web login ended with. Raises as of_access_token."""
    text = tokens.get("id_token")
    if not isinstance(text, str):
        raise TokenRefused(f"The identity provider {provider.id} sent no ID token: is the client allowed the scope openid?")
    claims, client = await verified(provider, text), provider.options.client_id
    audience = _listed(claims.get("aud"))
    if client not in audience or claims.get("azp", client) != client or (len(audience) > 1 and "azp" not in claims):
        raise TokenRefused(f"The ID token is not for this cloud ({client}), but for {', '.join(audience) or 'nobody'}.")
    if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
        raise TokenRefused("The ID token is not of this login: its nonce is another one.")
    access = tokens.get("access_token")
    return await completed(provider, claims, access, wanted) if isinstance(access, str) else claims


async def verified(provider: OidcProvider, token: str) -> Claims:
    """The claims of a JWT that the provider signed and that is good now. Raises TokenRefused."""
    import jwt

    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError as exc:
        raise TokenRefused(f"The token is no JWT: {exc}.") from exc
    algorithm, kid = header.get("alg"), header.get("kid")
    if algorithm not in provider.options.algorithms:
        raise TokenRefused(f"The token is signed with {algorithm}; taken are {', '.join(provider.options.algorithms)}.")
    if (str(header["typ"]).lower() if header.get("typ") else None) not in TYPES:
        raise TokenRefused(f"A token of type {header['typ']} is no proof of a login.")
    claims, failure = await _decoded(provider, token, algorithm, kid if isinstance(kid, str) else None)
    if claims is None:
        why = failure or f"the provider has no key {kid!r}"
        raise TokenRefused(f"The token of the identity provider {provider.id} is not valid: {why}.") from failure
    if "events" in claims:
        raise TokenRefused("A logout token is no proof of a login.")
    return claims


async def _decoded(provider: OidcProvider, token: str, algorithm: str, kid: str | None) -> tuple[Claims | None, Exception | None]:
    """The claims, or why there are none. A signature that fits no key may be of one that is newer than those that we keep."""
    import jwt

    options: Any = {"require": ["exp", "iss", "sub"], "verify_aud": False}
    failure: Exception | None = None
    for fresh in (False, True):
        for key in await provider.keys(kid, fresh):
            try:
                return jwt.decode(token, key.key, algorithms=[algorithm], issuer=provider.options.issuer,
                                  leeway=provider.options.leeway, options=options), None
            except (jwt.InvalidSignatureError, jwt.InvalidKeyError, TypeError) as exc:      # TypeError: a key of another kind
                failure = exc
            except (jwt.PyJWTError, ValueError, OverflowError) as exc:
                return None, exc                              # of this provider, but not good
    return None, failure


async def _introspected(provider: OidcProvider, token: str) -> Claims:
    claims = await provider.introspect(token)
    issuer = provider.options.issuer
    if claims.get("iss", issuer) != issuer:
        raise TokenRefused(f"The access token is of the issuer {claims['iss']!r}, not of {issuer!r}.")
    return {**claims, "iss": issuer}


def _for_us(provider: OidcProvider, claims: Claims) -> None:
    """A token for somebody else lets nobody in here. One that names no audience must have been made for our own client."""
    wanted = provider.options.wanted_audiences
    audience = _listed(claims["aud"]) if claims.get("aud") else _listed(claims.get("azp") or claims.get("client_id"))
    if not set(audience) & set(wanted):
        raise TokenRefused(f"The access token is for {', '.join(audience) or 'nobody in particular'}; it must be for "
                           f"{' or '.join(wanted)} (audiences in the provider's section).")


async def completed(provider: OidcProvider, claims: Claims, access_token: str, wanted: Iterable[str]) -> Claims:
    """With what only the provider's userinfo tells, if the mapping looks for more than the token says."""
    if all(name in said(claims) for name in wanted):
        return claims
    more = await provider.userinfo(access_token)
    if more is None:
        return claims
    if "sub" in claims and more.get("sub") != claims["sub"]:
        raise TokenRefused(f"The identity provider {provider.id} tells of another user than the token's.")
    return {**more, **claims}


def _listed(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)] if value else []


def said(claims: Claims) -> dict[str, list[str]]:
    """The claims under the names that mod_auth_openidc gives them, which mappings look for: `OIDC-email`, `HTTP_OIDC_EMAIL`.

    A list is several values; a text is one, whatever is in it (with a NUL character it is none: no database keeps that).
    REMOTE_USER is SUB@ISSUER.
    """
    found: dict[str, list[str]] = {}
    plain_first = sorted(claims, key=lambda name: (not re.fullmatch("[a-z0-9_]+", name), name))
    for name in plain_first:
        values = [text for text in _texts(claims[name]) if "\0" not in text]
        if not values:
            continue
        for prefix in PREFIXES:
            found[prefix + name] = values
        found.setdefault(HEADER + re.sub("[^A-Z0-9]", "_", name.upper()), values)
    if "OIDC-sub" in found:
        found["REMOTE_USER"] = [f"{claims['sub']}@{str(claims.get('iss', '')).partition('://')[2]}"]
    return found


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, list):
        for item in value:
            yield from [_text(item)] if item is not None else []
    elif value is not None and value != "":
        yield _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return value if isinstance(value, str) else orjson.dumps(value).decode()
