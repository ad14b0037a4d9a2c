"""Connections that are slow, broken or too many: an answer in the service's own form, one line in the log, and room for others."""

import asyncio
import json
import resource
import socket
from contextlib import asynccontextmanager

import pytest

from cloudd.core.http import doors
from tests.api.conftest import make_settings, run_cloud

SERVICES = {
    "/identity/v3/users": lambda body, status: body["error"]["code"] == status,
    "/compute/v2.1/servers": lambda body, status: next(iter(body.values()))["code"] == status,
    "/compute/v2.1/os-keypairs": lambda body, status: next(iter(body.values()))["code"] == status,
    "/networking/v2.0/ports": lambda body, status: body["NeutronError"]["message"],
    "/image/v2/images": lambda body, status: True,            # its form follows Accept
    "/nowhere": lambda body, status: body["error"]["code"] == status,
}
MALFORMED = {
    "header": b"GET {} HTTP/1.1\r\nHost: x\r\nX Y: z\r\n\r\n",
    "no host": b"GET {} HTTP/1.1\r\n\r\n",
    "version": b"GET {} HTTP/9.x\r\nHost: x\r\n\r\n",
    "length": b"POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    "two lengths": b"POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    "smuggling": b"POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    "NUL": b"GET {} HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
}


@asynccontextmanager
async def connected(cloud):
    host, port = cloud.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()


async def answer(reader):
    """Status, headers by lower-case name, body of the next answer."""
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).decode()
    status, _, rest = head.partition("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in rest.splitlines() if line)
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return int(status.split()[1]), headers, body


async def say(cloud, data):
    async with connected(cloud) as (reader, writer):
        writer.write(data)
        return await answer(reader)


def house(cloud):
    return cloud.daemon.front._runner.server


async def until(condition):
    while not condition():
        await asyncio.sleep(0)


def later(cloud, seconds):
    house(cloud).check(asyncio.get_running_loop().time() + seconds)


def lines(caplog):
    return [record for record in caplog.records if record.name.startswith(("cloudd", "aiohttp"))]


@pytest.fixture
def told(caplog):
    with caplog.at_level("INFO"):
        yield caplog


def check(answered, told, path, status, reason=True):
    found, headers, body = answered
    assert found == status, body
    assert headers["x-openstack-request-id"].startswith("req-") and headers["server"] == "cloudd"
    if headers["content-type"].startswith("application/json"):
        assert SERVICES[path](json.loads(body), status)
    [line] = lines(told)
    assert f"{path} {status}" in line.getMessage() and line.exc_info is None
    assert line.facts["request_id"] == headers["x-openstack-request-id"]
    assert bool(line.facts["reason"]) == reason


@pytest.mark.parametrize("path", SERVICES)
@pytest.mark.parametrize("kind", MALFORMED)
async def test_a_malformed_request_is_400_in_the_services_form_and_one_line(cloud, told, path, kind):
    check(await say(cloud, MALFORMED[kind].replace(b"{}", path.encode())), told, path, 400)


@pytest.mark.parametrize("path", SERVICES)
async def test_a_request_line_over_the_limit_is_414(cloud, told, path):
    check(await say(cloud, f"GET {path}?q={'x' * 70_000} HTTP/1.1\r\nHost: x\r\n\r\n".encode()), told, path, 414)


@pytest.mark.parametrize("path", SERVICES)
@pytest.mark.parametrize("headers", ["X: " + "x" * 70_000, "\r\n".join(f"X-{number}: x" for number in range(500)),
                                     "\r\n".join(f"X-{number}: {'x' * 60_000}" for number in range(4))], ids=["long", "many", "all"])
async def test_headers_over_the_limit_are_431(cloud, told, path, headers):
    check(await say(cloud, f"GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n".encode()), told, path, 431)


async def test_a_list_of_many_ids_in_the_address_is_read(cloud):
    ids = ",".join(f"00000000-0000-4000-8000-{number:012x}" for number in range(1500))
    for path in (f"/image/v2/images?id=in:{ids}", f"/networking/v2.0/ports?id={ids}"):
        assert len(path) > 50_000
        found = await cloud.demo.get(path)
        assert found.status == 200, found.content


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x02\x00\x01", b"nonsense\r\n\r\n", b"\xff" * 100, b"FOO / HTTP/1.1\r\n\r\n"])
async def test_what_is_not_http_is_one_line(cloud, told, data):
    status, headers, _ = await say(cloud, data)
    assert status == 400 and headers["content-type"].startswith("application/json")
    assert len(lines(told)) == 1 and lines(told)[0].exc_info is None


@pytest.mark.parametrize("path", SERVICES)
async def test_a_half_sent_head_is_408_after_its_time(cloud, told, path):
    async with connected(cloud) as (reader, writer):
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Auth".encode())
        await until(lambda: any(one.begun for one in house(cloud).connections))
        later(cloud, 19)
        writer.write(b"-Token")                               # more of it does not make the time longer
        later(cloud, 21)
        check(await answer(reader), told, path, 408)
        assert await reader.read() == b""


async def test_a_half_sent_body_is_408_after_its_time(cloud, told):
    head = "POST /compute/v2.1/os-keypairs HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {}\r\nContent-Type: application/json\r\n" \
           "Content-Length: 1000\r\n\r\n{{".format(cloud.demo.headers["X-Auth-Token"])
    async with connected(cloud) as (reader, writer):
        writer.write(head.encode())
        await until(lambda: any(not one.body.is_eof() for one in house(cloud).connections))
        later(cloud, 59)
        later(cloud, 61)
        check(await answer(reader), told, "/compute/v2.1/os-keypairs", 408, reason=False)
        assert await reader.read() == b""


async def test_a_broken_chunk_in_a_body_is_400_and_one_line(cloud, told):
    status, headers, body = await say(cloud, "POST /compute/v2.1/os-keypairs HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {}\r\n"
                                      "Transfer-Encoding: chunked\r\n\r\nzz\r\n".format(cloud.demo.headers["X-Auth-Token"]).encode())
    assert status == 400 and "badRequest" in json.loads(body) and headers["x-openstack-request-id"]
    assert len(lines(told)) == 1 and lines(told)[0].exc_info is None


async def test_an_upload_that_stalls_ends_and_one_that_goes_on_does_not(cloud):
    image = (await cloud.demo.post("/image/v2/images", {"name": "x", "disk_format": "raw", "container_format": "bare"})).body["id"]
    head = f"PUT /image/v2/images/{image}/file HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {cloud.demo.headers['X-Auth-Token']}\r\n" \
           "Content-Type: application/octet-stream\r\nContent-Length: 1000\r\n\r\n"
    async with connected(cloud) as (reader, writer):
        writer.write(head.encode() + b"x" * 10)
        await until(lambda: any(not one.body.is_eof() for one in house(cloud).connections))
        for _ in range(3):
            heard = max(one.heard for one in house(cloud).connections)
            later(cloud, 40)
            writer.write(b"x" * 10)
            await until(lambda: max(one.heard for one in house(cloud).connections) > heard)  # noqa: B023
        later(cloud, 61)
        assert (await answer(reader))[0] == 408
    assert (await cloud.demo.get(f"/image/v2/images/{image}")).body["status"] == "queued"


async def test_an_idle_connection_ends_by_itself(tmp_path):
    async for cloud in run_cloud(make_settings(tmp_path, "[server]\nidle_timeout = 1\n")):
        async with connected(cloud) as (reader, writer):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await answer(reader))[0] == 200
            assert await asyncio.wait_for(reader.read(), 10) == b""
        async with connected(cloud) as (reader, _):
            assert await asyncio.wait_for(reader.read(), 10) == b""


async def test_one_address_does_not_take_all_connections(tmp_path, told):
    async for cloud in run_cloud(make_settings(tmp_path, "[server]\nmax_connections_per_address = 6\n")):
        open_ones = []
        for _ in range(6):
            reader, writer = await asyncio.open_connection(*cloud.url.removeprefix("http://").split(":"))
            writer.write(b"GET /healthz HTTP/1.1\r\n")
            open_ones.append((reader, writer))
        await until(lambda: sum(1 for one in house(cloud).connections if one.begun) == 6)  # noqa: B023
        for _ in range(3):
            async with connected(cloud) as (reader, _):
                assert (await answer(reader))[0] == 503
        [line] = [line for line in lines(told) if "too many connections" in line.getMessage()]
        assert line.facts["address"] == "127.0.0.1"
        later(cloud, 21)
        for reader, writer in open_ones:
            assert (await answer(reader))[0] == 408
            writer.close()
        await until(lambda: not house(cloud).connections)  # noqa: B023
        assert (await cloud.anonymous.get("/healthz")).status == 200


async def test_an_idle_connection_makes_room_for_a_new_one_of_its_address(tmp_path):
    async for cloud in run_cloud(make_settings(tmp_path, "[server]\nmax_connections_per_address = 3\n")):
        async with connected(cloud) as (first, _), connected(cloud), connected(cloud), connected(cloud) as (reader, writer):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await answer(reader))[0] == 200
            assert await first.read() == b""


async def test_when_files_run_out_it_says_so_once_and_goes_on_serving(tmp_path, told):
    async for cloud in run_cloud(make_settings(tmp_path)):
        host, port = cloud.url.removeprefix("http://").split(":")
        clients = [socket.create_connection((host, int(port))) for _ in range(30)]
        for client in clients:
            client.sendall(b"GET /identity/v3 HTTP/1.1\r\nHost: x\r\n\r\n")
        with socket.socket() as last:
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (last.fileno() + 4, hard))
            try:
                for client in clients:
                    client.setblocking(False)
                    answered = await asyncio.get_running_loop().sock_recv(client, 100)
                    assert answered.startswith(b"HTTP/1.1 200")
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for client in clients:
            client.close()
        [line] = [line for line in lines(told) if "no room for another connection" in line.getMessage()]
        assert line.facts["reason"] == "Too many open files"


async def test_connections_leave_files_for_the_daemons_own_work(tmp_path, told):
    assert doors.room() < resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    async for cloud in run_cloud(make_settings(tmp_path)):
        house(cloud).most = 4
        async with connected(cloud), connected(cloud), connected(cloud), connected(cloud), connected(cloud) as (reader, writer):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await answer(reader))[0] == 200
        assert [line for line in lines(told) if "no room for another connection" in line.getMessage()]


async def test_no_answer_tells_versions_of_what_runs(cloud):
    for path in ("/healthz", "/identity/v3", "/nowhere", "/compute/v2.1/servers", "/console/vnc"):
        assert (await cloud.anonymous.get(path)).headers["Server"] == "cloudd"
