"""Our own CA and certificate: made once, renewed when near its end or short of a name, checked by a real client."""

import asyncio
import ssl
from dataclasses import replace
from datetime import timedelta

import aiohttp
import pytest
from aiohttp import web

from cloudd import settings
from cloudd.core import clock, tls


def with_listen(listen, tmp_path, **options):
    values = settings.Settings()
    return replace(values, server=replace(values.server, listen=listen, state_dir=str(tmp_path), **options))


def test_loopback_is_plain_and_all_else_is_not(tmp_path):
    assert tls.wanted(with_listen("127.0.0.1:5000,[::1]:5000", tmp_path)) is None
    assert tls.wanted(with_listen("192.0.2.1:5000", tmp_path, tls="off")) is None
    paths = tls.wanted(with_listen("192.0.2.1:5000", tmp_path))
    assert paths.ca.exists() and paths.key.stat().st_mode & 0o777 == 0o600
    with pytest.raises(tls.TlsError, match="tls_key"):
        tls.wanted(with_listen("192.0.2.1:5000", tmp_path, tls_cert="x"))


async def test_a_client_that_trusts_the_ca_gets_in(tmp_path):
    paths = await asyncio.to_thread(tls.ensure, tmp_path, ["localhost", "127.0.0.1"])

    async def welcome(request):
        return web.Response(text="in")
    app = web.Application()
    app.router.add_get("/", welcome)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls.ssl_context(paths)).start()
    url = f"https://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        async with aiohttp.ClientSession() as session:
            async with session.get(url, ssl=ssl.create_default_context(cafile=str(paths.ca))) as answer:
                assert await answer.text() == "in"
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await session.get(url)
    finally:
        await runner.cleanup()


def test_it_is_kept_until_it_must_not_be(tmp_path, monkeypatch):
    paths = tls.ensure(tmp_path, ["localhost"])
    first, authority = paths.certificate.read_bytes(), paths.ca.read_bytes()
    tls.ensure(tmp_path, ["localhost"])
    assert paths.certificate.read_bytes() == first
    tls.ensure(tmp_path, ["localhost", "192.0.2.7"])
    second = paths.certificate.read_bytes()
    assert second != first
    later = clock.now() + timedelta(days=tls.SERVER_DAYS - tls.RENEW_DAYS + 1)
    monkeypatch.setattr(clock, "now", lambda: later)
    tls.ensure(tmp_path, ["localhost"])
    assert paths.certificate.read_bytes() != second and paths.ca.read_bytes() == authority


def test_files_that_do_not_fit_are_told(tmp_path):
    one, other = tls.ensure(tmp_path / "a", ["localhost"]), tls.ensure(tmp_path / "b", ["localhost"])
    with pytest.raises(tls.TlsError, match="cannot be used"):
        tls.ssl_context(tls.Paths(one.certificate, other.key, None))
