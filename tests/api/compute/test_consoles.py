"""Consoles: the log, tickets that open once, websockets, pages."""

import asyncio
import re
from urllib.parse import parse_qs, unquote, urlsplit

import aiohttp
import pytest

from cloudd.core import clock
from cloudd.drivers.hypervisor.base import Hypervisor
from tests.api.compute.rooms import C, make_room
from tests.api.compute.schemas import fits
from tests.waiting import until

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
async def room(cloud):
    return await make_room(cloud)


@pytest.fixture(scope="module")
async def server(room):
    """One that has booted: its guest writes nothing more by itself."""
    made = await room.server()

    async def asks() -> bool:
        return "login: " in await log(room, made)
    await until(asks)
    return made


async def ticket(room, server, protocol="vnc", kind="novnc"):
    body = {"remote_console": {"protocol": protocol, "type": kind}}
    answer = await room.user.at("2.6").post(f"{C}/servers/{server}/remote-consoles", body)
    return fits(answer, "servers", "get_remote_consoles", "2.6")["remote_console"]["url"]


def socket_of(url):
    """Where the page of this address opens its websocket."""
    return f"http://{urlsplit(url).netloc}/{parse_qs(urlsplit(url).query)['path'][0]}"


def guest(room):
    return room.cloud.parts.driver(Hypervisor).consoles


async def log(room, server, **more):
    answer = await room.user.post(f"{C}/servers/{server}/action", {"os-getConsoleOutput": more})
    return fits(answer, "servers", "get_console_output")["output"]


async def test_the_log_and_its_tail(room, server):
    guest(room).guest_writes(server, b"one\ntwo\nthr\xffee\n")
    whole = await log(room, server)
    assert whole.endswith("one\ntwo\nthr\ufffdee\n")
    assert await log(room, server, length=2) == "two\nthr\ufffdee\n" == await log(room, server, length="2")
    assert await log(room, server, length=-1) == whole == await log(room, server, length=None)
    assert await log(room, server, length=0) == ""
    for wrong in ({"length": -2}, {"length": "many"}, {"length": 1.5}, {"colour": "red"}):
        assert (await room.user.post(f"{C}/servers/{server}/action", {"os-getConsoleOutput": wrong})).status == 400
    assert (await room.user.post(f"{C}/servers/{NOBODY}/action", {"os-getConsoleOutput": {}})).status == 404
    assert (await room.cloud.demo.post(f"{C}/servers/{server}/action", {"os-getConsoleOutput": {}})).status == 404


async def test_addresses_by_version(room, server):
    old = await room.user.post(f"{C}/servers/{server}/action", {"os-getVNCConsole": {"type": "novnc"}})
    console = fits(old, "servers", "get_vnc_console")["console"]
    assert console["type"] == "novnc"
    assert console["url"].startswith(f"{room.cloud.url}/console/vnc.html?path=console%2Fvnc%3Ftoken")
    serial = await room.user.post(f"{C}/servers/{server}/action", {"os-getSerialConsole": {"type": "serial"}})
    assert serial.body["console"]["url"].startswith("ws://127.0.0.1:")
    assert (await room.user.post(f"{C}/servers/{server}/action", {"os-getSPICEConsole": {"type": "spice-html5"}})).status == 400
    gone = await room.user.at("2.6").post(f"{C}/servers/{server}/action", {"os-getVNCConsole": {"type": "novnc"}})
    assert gone.status == 404
    path = f"{C}/servers/{server}/remote-consoles"
    assert (await room.user.post(path, {"remote_console": {"protocol": "vnc", "type": "novnc"}})).status == 404


@pytest.mark.parametrize(("version", "protocol", "kind"), [
    ("2.6", "spice", "spice-html5"), ("2.6", "rdp", "rdp-html5"), ("2.8", "mks", "webmks"), ("2.99", "spice", "spice-direct"),
    ("2.6", "vnc", "serial"), ("2.6", "vnc", "xvpvnc"), ("2.7", "mks", "webmks"), ("2.98", "spice", "spice-direct"),
    ("2.6", "x", "y")])
async def test_consoles_that_there_are_not(room, server, version, protocol, kind):
    body = {"remote_console": {"protocol": protocol, "type": kind}}
    answer = await room.user.at(version).post(f"{C}/servers/{server}/remote-consoles", body)
    assert answer.status == 400 and "badRequest" in answer.body


async def test_a_server_that_is_off_has_no_console(room):
    server = await room.server()
    await room.act(server, "os-stop")
    body = {"remote_console": {"protocol": "vnc", "type": "novnc"}}
    answer = await room.user.at("2.6").post(f"{C}/servers/{server}/remote-consoles", body)
    assert answer.status == 409 and "SHUTOFF" in answer.body["conflictingRequest"]["message"]


async def test_a_screen_opens_once(room, server):
    url, session = socket_of(await ticket(room, server)), room.cloud.session
    async with session.ws_connect(url, protocols=["binary"]) as ws:
        assert ws.protocol == "binary"
        assert await ws.receive_bytes(timeout=5) == b"RFB 003.008\n"
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await session.ws_connect(url)
    assert refused.value.status == 403


async def test_a_serial_line_speaks_both_ways_and_ends_with_the_guest(room):
    server = await room.server()
    url = await ticket(room, server, "serial", "serial")
    async with room.cloud.session.ws_connect(url) as ws:
        guest(room).guest_writes(server, b"login: ")
        assert await ws.receive_bytes(timeout=5) == b"login: "
        await ws.send_bytes(b"root\n")
        assert await ws.receive_bytes(timeout=5) == b"root\n"               # the simulated line echoes
        await ws.send_str("text\n")
        assert await ws.receive_bytes(timeout=5) == b"text\n"
        await room.act(server, "os-stop")
        last = [message.data async for message in ws]                       # ends when the console does
        assert b"Power down" in b"".join(last)
        assert ws.closed


async def test_a_ticket_opens_its_own_console_only(room, server):
    token = parse_qs(urlsplit(await ticket(room, server, "serial", "serial")).query)["token"][0]
    for url in (f"{room.cloud.url}/console/vnc?token={token}", f"{room.cloud.url}/console/serial?token=bad{token}",
                f"{room.cloud.url}/console/serial"):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await room.cloud.session.ws_connect(url)
        assert refused.value.status == 403


@pytest.mark.parametrize(("origin", "opens"), [
    ("https://evil.example", False), ("null", False), ("http://127.0.0.1:1", False), ("http://[", False), ("own", True),
    ("OWN", True), (None, True)])
async def test_only_our_own_pages_may_open_one(room, server, origin, opens):
    url = socket_of(await ticket(room, server))
    own = f"http://{urlsplit(url).netloc}"
    origin = {"own": own, "OWN": own.upper().replace("HTTP", "http")}.get(origin, origin)
    headers = {} if origin is None else {"Origin": origin}
    if opens:
        async with room.cloud.session.ws_connect(url, headers=headers) as ws:
            assert (await ws.receive_bytes(timeout=5)).startswith(b"RFB")
    else:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await room.cloud.session.ws_connect(url, headers=headers)
        async with room.cloud.session.ws_connect(url) as ws:                # the ticket was not used up
            assert (await ws.receive_bytes(timeout=5)).startswith(b"RFB")


async def test_two_who_try_at_once(room, server):
    url = socket_of(await ticket(room, server))
    found = await asyncio.gather(*(room.cloud.session.ws_connect(url) for _ in range(4)), return_exceptions=True)
    opened = [one for one in found if isinstance(one, aiohttp.ClientWebSocketResponse)]
    assert len(opened) == 1
    await opened[0].close()


async def test_a_refusal_has_no_words(room):
    """Tempest's websocket takes whatever follows the head for a frame."""
    host, port = urlsplit(room.cloud.url).netloc.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET /console/vnc?token=bad HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 5)
    assert answer.startswith(b"HTTP/1.1 403") and answer.endswith(b"\r\n\r\n")
    writer.close()


async def test_a_ticket_runs_out(room, server):
    from cloudd.compute import consoles
    url = await ticket(room, server)
    token = parse_qs(urlsplit(unquote(url)).query)["path"][0].partition("=")[2]
    async with room.cloud.parts.database.read() as tx:
        now = clock.now()
        assert (await consoles.find(tx, token, now)).server_id == server
        late = now + (clock.parse("2026-01-02") - clock.parse("2026-01-01"))
        assert await consoles.find(tx, token, late) is None


async def test_administrators_may_ask_what_a_token_opens(room, server):
    url = await ticket(room, server, "serial", "serial")
    token = parse_qs(urlsplit(url).query)["token"][0]
    path = f"{C}/os-console-auth-tokens/{token}"
    admin = room.cloud.admin
    shown = fits(await admin.at("2.31").get(path), "servers", "console_auth_tokens", "2.99")["console"]
    assert shown["instance_uuid"] == server and shown["internal_access_path"] == "/console/serial"
    assert "tls_port" in (await admin.at("2.99").get(path)).body["console"]
    assert (await admin.at("2.30").get(path)).status == 401
    assert (await admin.at("2.31").get(f"{C}/os-console-auth-tokens/nothing")).status == 404
    assert (await room.user.at("2.31").get(path)).status == 403


async def test_a_console_that_cannot_be_reached_says_why(room, server):
    room.cloud.parts.driver(Hypervisor).fail("open_vnc")
    async with room.cloud.session.ws_connect(socket_of(await ticket(room, server))) as ws:
        message = await ws.receive(timeout=5)
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1011) and "told to fail" in message.extra


async def test_pages_and_their_parts(room, server):
    client = room.cloud.anonymous
    for name, words in (("vnc", "noVNC"), ("serial", "xterm")):
        page = await client.get(f"/console/{name}.html?path=x")
        text = page.content.decode()
        assert page.status == 200 and words in text and "</html>" in text
        assert "frame-ancestors" in page.headers["Content-Security-Policy"]
        assert page.headers["Referrer-Policy"] == "no-referrer" and page.headers["Cache-Control"] == "no-store"
        for path in re.findall(r'(?:src|href)="(/console/static/[^"]+)"', text):
            assert (await client.get(path)).status == 200
    for bad in ("/console/static/tickets.py", "/console/static/..%2f..%2fsetup.cfg", "/console/vendor/@novnc/novnc/package.json",
                "/console/vendor/@novnc/novnc/core/../package.json", "/console/vendor/@novnc/novnc/core/%2e%2e/package.json",
                "/console/vendor/..%2f..%2f..%2fetc%2fpasswd"):
        assert (await client.get(bad)).status == 404, bad


async def test_a_websockets_address_in_a_browser_leads_to_its_page(room, server):
    url = (await ticket(room, server, "serial", "serial")).replace("ws://", "http://")
    async with room.cloud.session.get(url, allow_redirects=False) as answer:
        assert answer.status == 302
        assert answer.headers["Location"].startswith("/console/serial.html?path=console%2Fserial%3Ftoken")
