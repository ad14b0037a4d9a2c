"""A web login in a real browser: the cookie, the redirects, and the page that posts the token by itself."""

import asyncio
from urllib.parse import quote, urlsplit

import pytest
from aiohttp import web

from tests.api.compute.browser import BINARY, browser
from tests.api.identity.conftest import V3
from tests.api.identity.test_websso import WEBSSO

pytestmark = pytest.mark.skipif(BINARY is None, reason="chromium is not installed")


@pytest.fixture
async def dashboard(federated):
    """A dashboard that takes tokens, as Horizon does: its address, and the tokens."""
    taken = asyncio.Queue()

    async def take(request):
        taken.put_nowait((await request.post())["token"])
        return web.Response(text="<title>dashboard</title>", content_type="text/html")
    parts = urlsplit(federated.own_dashboard)
    app = web.Application()
    app.router.add_post(parts.path, take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, parts.hostname, parts.port).start()
    yield federated.own_dashboard, taken
    await runner.cleanup()


async def test_a_browser_ends_at_the_dashboard_with_a_token(federated, dashboard, tmp_path):
    person = federated.person()
    federated.idp.people = {person.sub: person}                # whoever opens the provider's page is this one
    address, taken = dashboard
    async with browser(tmp_path / "profile") as page:
        await page.open(f"{federated.cloud.url}{WEBSSO.format('acme')}?origin={quote(address, safe='')}")
        token = await asyncio.wait_for(taken.get(), 30)
    shown = await federated.cloud.admin.get(f"{V3}/auth/tokens", headers={"X-Subject-Token": token})
    assert shown.body["token"]["user"]["name"] == person.claims["preferred_username"]
