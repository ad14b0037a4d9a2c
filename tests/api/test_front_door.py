"""The one port: TLS with our own CA, addresses in links behind a proxy and on classic ports."""

import asyncio
import ssl

import aiohttp
import yaml
import yarl
from sqlalchemy import select

from cloudd.core import database, tls
from cloudd.core.http import server
from cloudd.core.tables import EventRow
from cloudd.daemon import Daemon
from tests.api.conftest import free_port, make_settings, run_cloud


async def test_links_follow_the_callers_host(cloud):
    answer = await cloud.anonymous.get("/identity/v3", headers={"Host": "cloud.example:8080"})
    assert answer.body["version"]["links"][0]["href"].startswith("http://cloud.example:8080/identity/v3")


async def test_forwarded_headers_of_strangers_are_not_believed(cloud):
    answer = await cloud.anonymous.get("/identity/v3", headers={"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"})
    assert "evil.example" not in answer.content.decode()


async def test_a_trusted_proxy_tells_the_host_and_scheme(tmp_path):
    settings = make_settings(tmp_path, "[server]\ntrusted_proxies = 127.0.0.1\n")
    async for cloud in run_cloud(settings):
        headers = {"X-Forwarded-Host": "cloud.example", "X-Forwarded-Proto": "https"}
        answer = await cloud.anonymous.get("/identity/v3", headers=headers)
        assert answer.body["version"]["links"][0]["href"].startswith("https://cloud.example/identity/v3")


async def test_classic_ports_serve_the_paths_that_they_always_had(tmp_path, monkeypatch):
    ports = {free_port(): prefix for prefix in server.CLASSIC_PORTS.values()}
    monkeypatch.setattr(server, "CLASSIC_PORTS", ports)
    async for cloud in run_cloud(make_settings(tmp_path, "[server]\nclassic_ports = on\n")):
        of = {prefix: f"http://127.0.0.1:{port}" for port, prefix in ports.items()}
        for prefix, path, status in (("/identity", "/v3", 200), ("/compute", "/v2.1/flavors", 200), ("/image", "/v2/images", 200),
                                     ("/image", "/", 300), ("/networking", "/v2.0/networks", 200), ("/compute", "/v9", 404),
                                     ("/key-manager", "/v1/secrets", 200)):
            async with cloud.session.get(of[prefix] + path, headers=cloud.admin.headers) as answer:
                assert answer.status == status, (prefix, path, await answer.text())
        async with cloud.session.get(of["/compute"] + "/compute/v2.1/flavors", headers=cloud.admin.headers) as answer:
            assert answer.status == 200


async def test_tls_with_the_files_named_and_renewed_while_it_runs(tmp_path):
    paths = tls.ensure(tmp_path / "made", ["127.0.0.1"])
    settings = make_settings(tmp_path, f"[server]\ntls_cert = {paths.certificate}\ntls_key = {paths.key}\n")
    await asyncio.to_thread(database.upgrade, settings.database.url)
    url = f"https://127.0.0.1:{settings.server.addresses()[0][1]}/identity/v3"

    async def trusted():
        async with aiohttp.ClientSession() as session:
            async with session.get(url, ssl=ssl.create_default_context(cafile=str(paths.ca))) as answer:
                return (await answer.json())["version"]["links"][0]["href"]
    async with Daemon(settings).running() as daemon:
        assert (await trusted()).startswith("https://")
        clouds = yaml.safe_load((tmp_path / "state" / "clouds.yaml").read_text())["clouds"]
        assert clouds["demo"]["auth"]["auth_url"].startswith("https://")
        paths.certificate.unlink()
        tls.ensure(tmp_path / "made", ["127.0.0.1"])
        daemon.renew_certificate()
        assert (await trusted()).startswith("https://")


async def test_a_trusted_proxy_tells_whose_request_it_is(tmp_path, caplog):
    settings = make_settings(tmp_path, "[server]\ntrusted_proxies = 127.0.0.0/8\n")
    async for cloud in run_cloud(settings):
        with caplog.at_level("INFO", "cloudd.access"):
            answer = await cloud.demo.get("/identity/v3/users", headers={"X-Forwarded-For": "127.0.0.1, 198.51.100.1"})
        assert answer.status == 403
        assert caplog.records[-1].facts["remote"] == "198.51.100.1"
        async with cloud.parts.database.read() as tx:
            told = await tx.scalars(select(EventRow).where(EventRow.name == "request.refused"))
            assert [row.address for row in told] == ["198.51.100.1"]


async def test_a_line_break_in_a_path_is_answered_by_the_service_and_logged_on_one_line(cloud, caplog):
    for path, form in (("/identity/v3/users/x%0aINFO%20forged", b'"error"'), ("/nowhere%0d%0aINFO%20forged", b'"error"'),
                       ("/compute/v2.1/servers/x%0a", b"itemNotFound")):
        caplog.clear()
        with caplog.at_level("INFO", "cloudd"):
            async with cloud.session.get(yarl.URL(cloud.url + path, encoded=True), headers=cloud.admin.headers) as answer:
                assert answer.status == 404 and form in await answer.read() and answer.headers["X-Openstack-Request-Id"]
        [line] = [record.getMessage() for record in caplog.records if record.name == "cloudd.access"]
        assert line == f"GET {path} 404"


async def test_what_aiohttp_refuses_by_itself_is_answered_and_logged_like_all_else(cloud, caplog):
    with caplog.at_level("INFO", "cloudd"):
        answer = await cloud.anonymous.get("/identity/v3", headers={"Expect": "a miracle"})
    assert answer.status == 417 and answer.body["error"]["code"] == 417 and answer.headers["X-Openstack-Request-Id"]
    assert [record.getMessage() for record in caplog.records] == ["GET /identity/v3 417"]


async def test_metrics_are_for_named_addresses_or_a_token(tmp_path):
    options = "[server]\nmetrics_from = 192.0.2.0/24\ntrusted_proxies = 127.0.0.1\nmetrics_token = sesame\n"
    async for cloud in run_cloud(make_settings(tmp_path, options)):
        for headers, status in (({}, 403), ({"X-Forwarded-For": "192.0.2.7"}, 200), ({"X-Forwarded-For": "192.0.2.7, 198.51.100.1"}, 403),
                                ({"Authorization": "Bearer sesame"}, 200), ({"Authorization": "Bearer open"}, 403),
                                ({"Authorization": "Bearer \u00e9"}, 403)):
            answer = await cloud.anonymous.get("/metrics", headers=headers)
            assert answer.status == status, headers
            assert (b"cloudd_http_requests_total" in answer.content) == (status == 200)


async def test_metrics_are_not_told_through_a_proxy_that_nobody_named(cloud):
    assert (await cloud.anonymous.get("/metrics")).status == 200
    assert (await cloud.anonymous.get("/metrics", headers={"X-Forwarded-For": "198.51.100.1"})).status == 403
