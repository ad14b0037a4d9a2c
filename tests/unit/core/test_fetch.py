"""The guarded fetcher goes nowhere inside, whatever leads there."""

import pytest
from aiohttp import web

from cloudd.core import fetch


@pytest.fixture
async def server():
    """A web server on loopback, which only an allowed host leads to."""
    async def page(request):
        return web.Response(text="data")

    async def away(request):
        raise web.HTTPFound(request.query.get("to", "/away"))
    app = web.Application()
    app.router.add_get("/page", page)
    app.router.add_get("/away", away)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


@pytest.mark.parametrize("url", [
    "file:///etc/passwd", "ftp://example.org/x", "http://", "nonsense", "http://user:pw@example.org/", "http://127.0.0.1/",
    "http://127.8.8.8/", "http://[::1]/", "http://169.254.169.254/latest/", "http://[fe80::1]/", "http://0.0.0.0/",
    "http://224.0.0.1/", "http://[::ffff:127.0.0.1]/", "http://example.org:port/",
])
def test_refused_before_anything_is_sent(url):
    with pytest.raises(fetch.FetchRefused):
        fetch.check_url(url)


async def get(url, **options):
    async with fetch.get(url, **options) as response:
        return await response.text()


async def test_a_name_that_leads_inside_is_refused(server):
    with pytest.raises(fetch.FetchRefused, match="inside this cloud"):
        await get(f"http://localhost:{server}/page")


async def test_an_allowed_host_is_fetched(server):
    assert await get(f"http://localhost:{server}/page", allowed=[f"localhost:{server}"]) == "data"


async def test_redirects_are_checked_again(server):
    allowed = [f"127.0.0.1:{server}"]
    assert await get(f"http://127.0.0.1:{server}/away?to=/page", allowed=allowed) == "data"
    for to in ("http://169.254.169.254/", f"http://localhost:{server}/page", "file:///etc/passwd"):
        with pytest.raises(fetch.FetchRefused):
            await get(f"http://127.0.0.1:{server}/away?to={to}", allowed=allowed)
    with pytest.raises(fetch.FetchFailed, match="redirects"):
        await get(f"http://127.0.0.1:{server}/away", allowed=allowed)


async def test_a_bad_answer_is_told(server):
    with pytest.raises(fetch.FetchFailed, match="answered 404"):
        await get(f"http://127.0.0.1:{server}/nothing", allowed=[f"127.0.0.1:{server}"])


async def test_a_question_is_guarded_and_its_answer_is_of_any_status(server):
    allowed = [f"127.0.0.1:{server}"]
    assert (await fetch.ask(f"http://127.0.0.1:{server}/page", allowed=allowed)) == fetch.Answer(200, b"data")
    assert (await fetch.ask(f"http://127.0.0.1:{server}/page", form={"a": "b"}, allowed=allowed)).status == 405
    assert (await fetch.ask(f"http://127.0.0.1:{server}/away?to=/page", allowed=allowed)).status == 302
    with pytest.raises(fetch.FetchRefused):
        await fetch.ask(f"http://127.0.0.1:{server}/page")
    with pytest.raises(fetch.FetchRefused, match="inside this cloud"):
        await fetch.ask(f"http://localhost:{server}/page", form={})
    with pytest.raises(fetch.FetchFailed, match="more than 3 bytes"):
        await fetch.ask(f"http://127.0.0.1:{server}/page", allowed=allowed, most=3)
    with pytest.raises(fetch.FetchFailed, match="could not be fetched"):
        await fetch.ask("http://127.0.0.1:15199/", allowed=["127.0.0.1"])
