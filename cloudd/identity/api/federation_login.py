"""Logging in through an OpenID provider: with an access token (the command line), or with a browser (websso, for dashboards)."""

import html
import secrets
from typing import Any
from urllib.parse import quote, urlsplit

from aiohttp import web
from sqlalchemy import select

from cloudd.core.errors import BadRequest, NotFound, Unauthorized
from cloudd.core.http import Reply, Request
from cloudd.core.http import types as t
from cloudd.core.http.shapes import queried
from cloudd.identity.api import API
from cloudd.identity.api.tokens import TOKEN, view
from cloudd.identity.federation import login as federated_login
from cloudd.identity.federation import oidc_tokens
from cloudd.identity.federation.oidc_provider import OidcProvider, OidcProviders
from cloudd.identity.federation.oidc_tokens import Claims, said
from cloudd.identity.federation.oidc_websso import LIFETIME, Ended, Journey, cookie_of, resume
from cloudd.identity.models.extensions import IdentityProvider, Protocol
from cloudd.identity.passwords import Hasher
from cloudd.identity.people.subjects import Subject
from cloudd.identity.tokens.authentication import let_in, telling
from cloudd.identity.tokens.methods import Login
from cloudd.identity.tokens.tokens import Tokens

PROVIDER = "/identity_providers/{idp_id}/protocols/{protocol_id}"
BACK = "/auth/OS-FEDERATION/identity_providers/{}/protocols/{}/websso"
PRIVATE = {"Cache-Control": "no-store", "Pragma": "no-cache", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY"}
HTML = "text/html"
HAND_OVER = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Logging in</title></head>
<body><form id="sso" method="post" action="{origin}"><input type="hidden" name="token" value="{token}">
<noscript><p>You are logged in.</p><input type="submit" value="Go on to the dashboard"></noscript></form>
<script nonce="{nonce}">document.getElementById("sso").submit();</script></body></html>
"""
CHOOSE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Log in</title></head>
<body><h1>Log in with</h1><ul>{links}</ul></body></html>
"""

ORIGIN = queried("origin")
login_with_token = API.resource(f"/OS-FEDERATION{PROVIDER}/auth")
websso = API.resource("/auth/OS-FEDERATION")


def _provider(request: Request, idp_id: str) -> OidcProvider:
    """Raises Unauthorized for an identity provider that cloudd.conf does not say how to reach."""
    found = request.service(OidcProviders).get(idp_id)
    if found is None:
        raise Unauthorized(f"How to reach the identity provider {idp_id} is not said in this cloud's configuration: [federation] "
                           "providers_file has no section of that name.")
    return found


def _login(request: Request) -> Login:
    login = Login(request.service(Tokens), {}, request.service(Hasher), request.context)
    login.may_try(None)
    return login


async def _wanted(request: Request, idp_id: str, protocol_id: str) -> set[str]:
    """What the mapping looks for, if the login is open at all. Raises NotFound, Forbidden."""
    async with request.parts.database.read() as tx:
        return federated_login.looked_for((await federated_login.entrance(tx, idp_id, protocol_id))[2])


async def _enter(login: Login, idp_id: str, protocol_id: str, claims: Claims) -> tuple[str, Subject]:
    async with telling(login, [protocol_id]):
        return await let_in(login, await federated_login.prove(login, idp_id, protocol_id, said(claims)))


async def by_access_token(request: Request, idp_id: str, protocol_id: str) -> Reply:
    """An unscoped token for the access token of an OpenID provider, sent as `Authorization: Bearer`."""
    login = _login(request)
    wanted = await _wanted(request, idp_id, protocol_id)
    provider = _provider(request, idp_id)
    kind, _, token = request.raw.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token.strip():
        raise Unauthorized("Send the identity provider's access token, as Authorization: Bearer TOKEN.")
    try:
        claims = await oidc_tokens.of_access_token(provider, token.strip(), wanted)
    except Unauthorized as exc:
        await login.failed(protocol_id, None, exc.message[:200])
        raise
    text, subject = await _enter(login, idp_id, protocol_id, claims)
    return Reply(await view(request, subject), headers={"X-Subject-Token": text, "Vary": "X-Auth-Token"})


login_with_token.get("", status=201, auth=False, live=True, answer=TOKEN)(by_access_token)
login_with_token.post("", status=201, auth=False, live=True, answer=TOKEN)(by_access_token)


def trusted_origin(request: Request) -> str:
    """Where the token goes in the end. Raises BadRequest without one, Unauthorized for one that is not trusted."""
    origin = request.query.get("origin")
    if not origin:
        raise BadRequest("Request must have an origin query parameter.")
    if origin not in {_lower_host(item) for item in request.settings.federation.trusted_dashboards}:
        raise Unauthorized(f"{origin} is not a trusted dashboard host: [federation] trusted_dashboards does not name it.")
    return origin


def _lower_host(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.lower()).geturl()


async def begin(request: Request, idp_id: str, protocol_id: str) -> web.Response:
    """Send the browser to the provider to log in."""
    origin = trusted_origin(request)
    await _wanted(request, idp_id, protocol_id)
    return await _send(request, _provider(request, idp_id), protocol_id, origin)


async def _send(request: Request, provider: OidcProvider, protocol_id: str, origin: str) -> web.Response:
    back = f"{API.prefixes[0]}{BACK.format(quote(provider.id, safe=''), quote(protocol_id, safe=''))}/callback"
    redirect_uri = request.host_link(back)
    journey = Journey.begin(provider.id, protocol_id, origin, redirect_uri, request.context.now().timestamp())
    response = web.Response(status=303, headers={**PRIVATE, "Location": await journey.address(provider)})
    response.set_cookie(journey.cookie, journey.seal(request.service(Tokens).ring), path=back, max_age=LIFETIME, httponly=True,
                        samesite="Lax", secure=redirect_uri.startswith("https:"))
    return response


async def begin_somewhere(request: Request, protocol_id: str) -> web.Response:
    """Send the browser to the one provider that serves the protocol, or ask which of them it is to be."""
    origin = trusted_origin(request)
    query = select(IdentityProvider.id).join(Protocol, Protocol.idp_id == IdentityProvider.id)
    query = query.where(IdentityProvider.enabled, Protocol.id == protocol_id).order_by(IdentityProvider.id)
    known = request.service(OidcProviders)
    async with request.parts.database.read() as tx:
        found = [idp_id for idp_id in (await tx.execute(query)).scalars() if idp_id in known]
    if not found:
        raise NotFound(f"Could not find an identity provider whose users come by the protocol {protocol_id}.")
    if len(found) == 1:
        return await _send(request, known[found[0]], protocol_id, origin)
    address = API.prefixes[0] + BACK
    links = "".join(f'<li><a href="{html.escape(address.format(quote(idp_id), quote(protocol_id)))}?origin='
                    f'{html.escape(quote(origin, safe=""))}">{html.escape(idp_id)}</a></li>' for idp_id in found)
    return web.Response(text=CHOOSE.format(links=links), content_type=HTML, headers=PRIVATE)


for method in (websso.get, websso.post):
    method("/websso/{protocol_id}", auth=False, live=True, answer=t.Text(), media=HTML, query=ORIGIN)(begin_somewhere)
    method(f"{PROVIDER}/websso", status=303, auth=False, live=True, answer=t.NOTHING, query=ORIGIN)(begin)


@websso.get(f"{PROVIDER}/websso/callback", auth=False, live=True, answer=t.Text(), media=HTML,
            query=queried("code", "state", "iss", "error", "error_description"))
async def end(request, idp_id, protocol_id):
    """The browser is back from the provider: a token for the dashboard that sent it, in a form that posts itself."""
    login, asked = _login(request), request.query
    now, cookie = request.context.now().timestamp(), cookie_of(asked.get("state", ""))
    ring = request.service(Tokens).ring
    try:
        journey = resume(ring, request.raw.cookies.get(cookie), asked.get("state", ""), idp_id, protocol_id, now)
        request.service(Ended).once(journey, now)
        claims = await _claims(request, journey)
    except Unauthorized as exc:
        await login.failed(protocol_id, None, exc.message[:200])
        raise
    text, _ = await _enter(login, idp_id, protocol_id, claims)
    response = _hand_over(journey.origin, text)
    response.del_cookie(cookie, path=request.raw.path)
    return response


async def _claims(request: Request, journey: Journey) -> dict[str, Any]:
    """What the provider says, for the code that the browser brought."""
    provider, asked = _provider(request, journey.idp_id), request.query
    if asked.get("iss", provider.options.issuer) != provider.options.issuer:
        raise Unauthorized(f"The answer is of {asked['iss']}, not of {provider.options.issuer}.")
    if "error" in asked or not asked.get("code"):
        words = ": ".join(filter(None, (asked.get("error"), asked.get("error_description"))))[:300]
        raise Unauthorized(f"The identity provider {provider.id} did not let you in: {words or 'it sent no code'}.")
    wanted = await _wanted(request, journey.idp_id, journey.protocol_id)
    tokens = await provider.exchange(asked["code"], journey.verifier, journey.redirect_uri)
    return await oidc_tokens.of_id_token(provider, tokens, journey.nonce, wanted)


def _hand_over(origin: str, token: str) -> web.Response:
    nonce = secrets.token_urlsafe(16)
    text = HAND_OVER.format(origin=html.escape(origin), token=html.escape(token), nonce=nonce)
    policy = f"default-src 'none'; script-src 'nonce-{nonce}'; frame-ancestors 'none'; base-uri 'none'"
    return web.Response(text=text, content_type=HTML, headers={**PRIVATE, "Content-Security-Policy": policy})
