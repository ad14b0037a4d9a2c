"""What this cloud believes of an OpenID provider, and what it asks how often."""

import asyncio
import ssl
import time
from dataclasses import dataclass, field, replace

import pytest
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from cloudd.core import tls
from cloudd.core.errors import Unauthorized
from cloudd.identity.federation import oidc_tokens
from cloudd.identity.federation.oidc_provider import KEPT, REFRESH, OidcProvider, ProviderDown
from cloudd.identity.federation.oidc_settings import Provider


@dataclass
class Site:
    """A provider that says whatever a test wants, and its clock."""

    url: str = ""
    now: float = 5000.0
    metadata: dict = field(default_factory=dict)
    keys: list = field(default_factory=list)
    asked: list = field(default_factory=list)
    answer: web.Response | None = None

    def provider(self, **options):
        made = Provider(issuer=self.url, client_id="cloudd", **options)
        return OidcProvider("acme", made, clock=lambda: self.now)

    async def serve(self, request):
        self.asked.append(request.path)
        if self.answer is not None:
            return web.Response(status=self.answer.status, body=self.answer.body, headers=self.answer.headers)
        if request.path == "/keys":
            return web.json_response({"keys": [key if isinstance(key, dict) else key.as_dict(private=False) for key in self.keys]})
        return web.json_response({"issuer": self.url, "jwks_uri": f"{self.url}/keys", **self.metadata})

    def sign(self, key, algorithm="RS256", **header):
        claims = {"iss": self.url, "sub": "a", "aud": "cloudd", "exp": int(time.time()) + 60}
        return jwt.encode({"alg": algorithm, **header}, claims, key, algorithms=[algorithm])


async def started(site, context=None):
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", site.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    site.url = f"{'https' if context else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    return runner


@pytest.fixture
async def site():
    made = Site()
    runner = await started(made)
    yield made
    await runner.cleanup()


async def test_many_ask_at_once_and_the_provider_is_asked_once(site):
    provider = site.provider()
    found = await asyncio.gather(*(provider.metadata() for _ in range(20)))
    assert all(one is found[0] for one in found) and len(site.asked) == 1
    site.now += KEPT - 1
    await provider.metadata()
    assert len(site.asked) == 1
    site.now += 2
    await provider.metadata()
    assert len(site.asked) == 2


async def test_those_who_waited_share_the_failure_and_the_next_one_asks_again(site):
    provider = site.provider()
    site.answer = web.Response(status=502)
    found = await asyncio.gather(*(provider.metadata() for _ in range(20)), return_exceptions=True)
    assert all(isinstance(one, ProviderDown) and "answered 502" in one.message for one in found) and len(site.asked) == 1
    site.answer, site.now = None, site.now + 1
    assert (await provider.metadata())["issuer"] == site.url


@pytest.mark.parametrize("answer, says", [
    (web.Response(body=b"[]"), "no JSON object"), (web.Response(body=b"<html>"), "no JSON object"),
    (web.Response(body=b""), "no JSON object"),
    (web.Response(body=b"{}"), "is of the issuer None"), (web.Response(status=404), "answered 404"),
    (web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}), "answered 302"),
    (web.Response(body=b'{"issuer": "' + b"x" * (2 << 20) + b'"}'), "more than")], ids=str)
async def test_discovery_documents_that_are_none(site, answer, says):
    site.answer = answer
    with pytest.raises(ProviderDown, match=says):
        await site.provider().metadata()


async def test_addresses_that_lead_inside_are_not_followed(site):
    key = RSAKey.generate_key(2048)
    for uri in ("http://127.0.0.1:1/keys", "http://169.254.169.254/keys", "file:///etc/passwd", 5):
        site.metadata = {"jwks_uri": uri}
        with pytest.raises(ProviderDown):
            await oidc_tokens.verified(site.provider(), site.sign(key))
    site.metadata = {"jwks_uri": site.url.replace("127.0.0.1", "localhost") + "/keys"}
    site.keys = [key]
    with pytest.raises(ProviderDown, match="inside this cloud"):
        await oidc_tokens.verified(site.provider(), site.sign(key))
    assert (await oidc_tokens.verified(site.provider(hosts=("localhost",)), site.sign(key)))["sub"] == "a"


async def test_keys_of_all_kinds_and_those_of_no_use(site):
    rsa, curve, edwards = (RSAKey.generate_key(2048, {"kid": "r"}), ECKey.generate_key("P-256", {"kid": "e"}),
                           OKPKey.generate_key("Ed25519", {"kid": "o"}))
    secret = {"kty": "oct", "k": "c2VjcmV0", "kid": "s", "alg": "HS256"}
    closed = RSAKey.generate_key(2048, {"kid": "c"})
    site.keys = [{"kty": "?"}, {}, secret, {**closed.as_dict(private=False), "use": "enc"}, curve, edwards, rsa]
    provider = site.provider()
    for key, algorithm, kid in ((rsa, "RS256", "r"), (rsa, "PS256", "r"), (curve, "ES256", "e"), (edwards, "EdDSA", "o")):
        assert (await oidc_tokens.verified(provider, site.sign(key, algorithm, kid=kid)))["sub"] == "a"
        assert (await oidc_tokens.verified(provider, site.sign(key, algorithm)))["sub"] == "a"           # a token that names no key
    for token in (site.sign(closed, kid="c"), site.sign(rsa, "RS512", kid="r"), site.sign(rsa, kid="e")):
        with pytest.raises(Unauthorized):
            await oidc_tokens.verified(provider, token)


@pytest.mark.parametrize("kid", [{}, {"kid": "same"}], ids=str)
async def test_a_key_that_was_changed_under_the_same_name_is_found(site, kid):
    old, new = RSAKey.generate_key(2048, kid), RSAKey.generate_key(2048, kid)
    provider, site.keys = site.provider(), [old]
    await oidc_tokens.verified(provider, site.sign(old, **kid))
    site.keys = [new]
    for _ in range(3):
        with pytest.raises(Unauthorized, match="Signature"):
            await oidc_tokens.verified(provider, site.sign(new, **kid))
    assert site.asked.count("/keys") == 1
    site.now += REFRESH + 1
    assert (await oidc_tokens.verified(provider, site.sign(new, **kid)))["sub"] == "a" and site.asked.count("/keys") == 2


async def test_a_providers_own_certificates(tmp_path):
    paths = tls.ensure(tmp_path, ["127.0.0.1"])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(paths.certificate, paths.key)
    site = Site()
    runner = await started(site, context)
    try:
        with pytest.raises(ProviderDown, match="could not be fetched"):
            await site.provider().metadata()
        trusting = site.provider(ca_file=str(paths.ca))
        assert (await trusting.metadata())["issuer"] == site.url
        site.metadata = {"token_endpoint": site.url.replace("https", "http") + "/token"}
        with pytest.raises(ProviderDown, match="as safe as the issuer"):
            await site.provider(ca_file=str(paths.ca)).metadata()
    finally:
        await runner.cleanup()


def test_what_the_guarded_client_may_reach():
    made = Provider(issuer="https://[::1]:8443/realms/x", client_id="x")
    assert made.allowed == ("::1:8443",)
    assert replace(made, issuer="https://Login.Example/x", hosts=("a:1",)).allowed == ("login.example", "a:1")
