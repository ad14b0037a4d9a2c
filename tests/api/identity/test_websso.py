"""Web logins for dashboards: to the provider and back with a browser's steps, and what is refused on the way."""

import html
import re
import time
from dataclasses import dataclass, replace
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import pytest

from cloudd.identity.federation.oidc_websso import Journey, cookie_of
from cloudd.identity.tokens.tokens import Tokens
from tests.api.identity.conftest import DASHBOARD, FEDERATION, V3
from tests.api.identity.test_projects import refused

WEBSSO = f"{V3}/auth/OS-FEDERATION/identity_providers/{{}}/protocols/openid/websso"


@dataclass
class Browser:
    """What a browser keeps of one login."""

    federated: object
    cookies: dict

    async def begin(self, path=WEBSSO.format("acme"), method="GET", origin=DASHBOARD):
        """The address at the provider that the cloud sends to."""
        query = {"origin": origin} if origin else {}
        answer = await self.federated.cloud.anonymous.request(method, path, params=query, allow_redirects=False)
        for text in answer.headers.getall("Set-Cookie", ()):
            self.cookies.update({name: part for name, part in SimpleCookie(text).items()})
        return answer

    async def at_provider(self, location, login_as):
        """Log in there; the address that the provider sends back to."""
        async with (aiohttp.ClientSession() as session,
                    session.get(f"{location}&login_as={login_as}", allow_redirects=False) as response):
            assert response.status == 302, await response.text()
            return response.headers["Location"]

    async def back(self, location, cookies=None):
        sent = {name: part.value for name, part in self.cookies.items()} if cookies is None else cookies
        header = {"Cookie": "; ".join(f"{name}={value}" for name, value in sent.items())} if sent else {}
        return await self.federated.cloud.anonymous.get(location.removeprefix(self.federated.cloud.url), headers=header)

    async def login(self, person, **begin):
        answer = await self.begin(**begin)
        assert answer.status == 303, answer.content
        return await self.at_provider(answer.headers["Location"], person.sub)


@pytest.fixture
def browser(federated):
    return Browser(federated, {})


def handed_over(answer):
    """The address and the token of the form that posts itself."""
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/html"), answer.content
    page = answer.content.decode()
    return (html.unescape(re.search('action="([^"]*)"', page)[1]), html.unescape(re.search('name="token" value="([^"]*)"', page)[1]))


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_browser_is_sent_to_the_provider_and_comes_back_with_a_token(browser, federated, method):
    person = federated.person()
    answer = await browser.begin(method=method)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}
    assert answer.status == 303 and answer.headers["Location"].startswith(f"{federated.idp.url}/authorize?")
    assert asked["response_type"] == "code" and asked["client_id"] == "cloudd" and asked["scope"] == "openid profile email"
    assert asked["code_challenge_method"] == "S256" and len(asked["code_challenge"]) == 43 and asked["state"] != asked["nonce"]
    assert asked["redirect_uri"] == f"{federated.cloud.url}{WEBSSO.format('acme')}/callback"
    (cookie,) = browser.cookies.values()
    assert cookie["httponly"] and cookie["samesite"] == "Lax" and cookie["path"].endswith("/acme/protocols/openid/websso/callback")
    assert asked["state"] not in cookie.value and asked["nonce"] not in cookie.value
    answer = await browser.back(await browser.at_provider(answer.headers["Location"], person.sub))
    where, token = handed_over(answer)
    assert where == DASHBOARD and answer.headers["Cache-Control"] == "no-store"
    assert "script-src 'nonce-" in answer.headers["Content-Security-Policy"] and 'Max-Age=0' in answer.headers["Set-Cookie"]
    shown = (await federated.cloud.admin.get(f"{V3}/auth/tokens", headers={"X-Subject-Token": token})).body["token"]
    assert shown["user"]["name"] == person.claims["preferred_username"] and shown["methods"] == ["openid"]
    assert shown["user"]["OS-FEDERATION"]["groups"] == [{"id": federated.group["id"]}] and "project" not in shown


async def test_only_trusted_dashboards_get_tokens(browser):
    await refused(await browser.begin(origin=None), 400, "origin")
    for origin in ("https://evil.example/", DASHBOARD + "x", DASHBOARD.rstrip("/"), DASHBOARD.replace("https", "http"),
                   f"https://evil.example/?{DASHBOARD}", '"><script>alert(1)</script>'):
        await refused(await browser.begin(origin=origin), 401, "not a trusted dashboard")
        await refused(await browser.begin(f"{V3}/auth/OS-FEDERATION/websso/openid", origin=origin), 401)


async def test_the_protocol_alone_finds_its_provider_or_asks_which(browser, federated):
    page = await browser.begin(f"{V3}/auth/OS-FEDERATION/websso/openid")
    links = re.findall('href="([^"]*)"', page.content.decode())
    assert [link.split("/")[6] for link in links] == ["acme", "asked", "down", "mock"]
    assert (await browser.begin(html.unescape(links[0]).partition("?")[0])).status == 303
    await federated.put("identity_providers/acme/protocols/mapped", "protocol", mapping_id="people")
    answer = await browser.begin(f"{V3}/auth/OS-FEDERATION/websso/mapped", "POST")
    assert answer.status == 303 and "protocols%2Fmapped%2Fwebsso%2Fcallback" in answer.headers["Location"]
    back = await browser.at_provider(answer.headers["Location"], federated.person().sub)
    _, token = handed_over(await browser.back(back))
    shown = (await federated.cloud.admin.get(f"{V3}/auth/tokens", headers={"X-Subject-Token": token})).body["token"]
    assert shown["methods"] == ["mapped"] and shown["user"]["OS-FEDERATION"]["protocol"] == {"id": "mapped"}
    await federated.cloud.admin.delete(f"{FEDERATION}/identity_providers/acme/protocols/mapped")
    await refused(await federated.cloud.anonymous.get(f"{V3}/auth/projects", headers={"X-Auth-Token": token}), 401)
    await refused(await browser.begin(f"{V3}/auth/OS-FEDERATION/websso/mapped"), 404, "mapped")


async def test_a_login_ends_once_and_in_the_browser_that_began_it(browser, federated):
    back = await browser.login(federated.person())
    await refused(await browser.back(back, cookies={}), 401, "has not begun")
    other = Browser(federated, {})
    await other.begin()
    await refused(await other.back(back), 401, "has not begun")
    (name, part), = browser.cookies.items()
    await refused(await browser.back(back, cookies={name: part.value[:-4] + "AAAA"}), 401, "cookie")
    await refused(await browser.back(back, cookies={name: next(iter(other.cookies.values())).value}), 401, "state")
    handed_over(await browser.back(back))
    await refused(await browser.back(back), 401, "ended before")


async def test_a_code_of_another_login_is_of_no_use(browser, federated):
    """A stolen code: the thief's own login has another verifier; and a code counts once at the provider."""
    stolen = parse_qs(urlsplit(await browser.login(federated.person())).query)["code"][0]
    thief = Browser(federated, {})
    own = await thief.login(federated.person())
    state = parse_qs(urlsplit(own).query)["state"][0]
    forged = own.partition("?")[0] + "?" + urlencode({"code": stolen, "state": state})
    await refused(await thief.back(forged), 401, "refused the code", "invalid_grant")


async def test_answers_that_are_none(browser, federated):
    callback = f"{WEBSSO.format('acme')}/callback"
    for query in ("", "?code=x", "?state=x", "?code=x&state=x"):
        await refused(await browser.back(callback + query), 401)
    for more, says in ({"error": "access_denied", "error_description": "no <b>way</b>"}, "access_denied: no"), ({}, "no code"), (
            {"code": "x", "iss": "https://evil.example"}, "https://evil.example"), ({"code": "made up"}, "refused the code"):
        location = (await browser.begin()).headers["Location"]
        state = parse_qs(urlsplit(location).query)["state"][0]
        await refused(await browser.back(f"{callback}?{urlencode({**more, 'state': state})}"), 401, says)
    state = parse_qs(urlsplit((await browser.begin()).headers["Location"]).query)["state"][0]
    await refused(await browser.back(f"{WEBSSO.format('asked')}/callback?code=x&state={state}"), 401, "not of the identity provider")


@pytest.mark.parametrize("wrong, says", [
    ({"nonce": "another"}, "nonce"), ({"nonce": None}, "nonce"), ({"aud": "other"}, "for other"),
    ({"aud": ["cloudd", "other"]}, "for cloudd"),
    ({"azp": "other"}, "not for this cloud"), ({"exp": 1}, "expired"), ({"iss": "https://evil.example"}, "issuer"),
    ({"sub": "somebody"}, "another user")])
async def test_id_tokens_that_prove_nothing(browser, federated, wrong, says):
    back = await browser.login(federated.person())
    federated.idp.wrong = wrong
    await refused(await browser.back(back), 401, says)


async def test_a_login_that_took_too_long(browser, federated):
    journey = Journey.begin("acme", "openid", DASHBOARD, "http://x/", time.time() - 3600)
    ring = federated.cloud.parts.service(Tokens).ring
    location = f"{WEBSSO.format('acme')}/callback?code=x&state={journey.state}"
    await refused(await browser.back(location, {cookie_of(journey.state): journey.seal(ring)}), 401, "too long")
    late = replace(journey, expires=time.time() + 60)
    await refused(await browser.back(location, {cookie_of(journey.state): late.seal(ring)}), 401, "refused the code")
    token = federated.cloud.admin.headers["X-Auth-Token"]                              # sealed with the same keys, and no login
    await refused(await browser.back(location, {cookie_of(journey.state): token}), 401, "cookie")


async def test_a_provider_that_was_disabled_meanwhile(browser, federated):
    back = await browser.login(federated.person())
    await federated.change("identity_providers/acme", "identity_provider", enabled=False)
    await refused(await browser.back(back), 403, "disabled")
    await refused(await browser.begin(), 403, "disabled")
    await federated.change("identity_providers/acme", "identity_provider", enabled=True)


async def test_a_provider_that_is_down(browser, federated):
    await refused(await browser.begin(WEBSSO.format("down")), 503, "down")
    await refused(await browser.begin(WEBSSO.format("unknown")), 401, "providers_file")
    back = await browser.login(federated.person())
    federated.idp.broken = True
    await refused(await browser.back(back), 503, "answered 500")


async def test_a_provider_from_pypi_with_its_own_login_page(browser, federated):
    """oidc-provider-mock: another implementation, with opaque access tokens and a form that a person fills."""
    await federated.rules([{"remote": [{"type": "OIDC-sub"}, {"type": "HTTP_OIDC_EMAIL"}],
                            "local": [{"user": {"name": "{0}", "email": "{1}"}}, {"group": {"id": federated.group["id"]}}]}])
    location = (await browser.begin(WEBSSO.format("mock"))).headers["Location"]
    async with aiohttp.ClientSession() as session:
        async with session.get(location) as page:
            assert page.status == 200 and "<form" in await page.text()
        async with session.post(location, data={"sub": "mia@example.org"}, allow_redirects=False) as answer:
            back = answer.headers["Location"]
    _, token = handed_over(await browser.back(back))
    shown = (await federated.cloud.admin.get(f"{V3}/auth/tokens", headers={"X-Subject-Token": token})).body["token"]
    assert shown["user"]["name"] == "mia@example.org" and shown["user"]["OS-FEDERATION"]["identity_provider"] == {"id": "mock"}
    user = (await federated.cloud.admin.get(f"{V3}/users/{shown['user']['id']}")).body["user"]
    assert user["email"] == "mia@example.org"                                          # from its userinfo
