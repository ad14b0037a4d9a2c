"""The console pages in a real browser, against the simulated screen and serial line."""

from pathlib import Path

import pytest

from cloudd.drivers.hypervisor.base import Hypervisor
from tests.api.compute.browser import BINARY, browser
from tests.api.compute.rooms import C, make_room

PARTS = Path(__file__).resolve().parents[3] / "node_modules"
pytestmark = [pytest.mark.skipif(BINARY is None, reason="chromium is not installed"),
              pytest.mark.skipif(not PARTS.exists(), reason="make consoles was not run")]
PIXEL = """(() => {{ const canvas = document.querySelector('canvas');
    return [...canvas.getContext('2d').getImageData({x}, {y}, 1, 1).data].slice(0, 3).join(); }})()"""


@pytest.fixture(scope="module")
async def room(cloud):
    return await make_room(cloud)


@pytest.fixture(scope="module")
async def server(room):
    return await room.server()


async def ticket(room, server, protocol, kind):
    body = {"remote_console": {"protocol": protocol, "type": kind}}
    answer = await room.user.at("2.6").post(f"{C}/servers/{server}/remote-consoles", body)
    return answer.body["remote_console"]["url"]


async def test_the_screen(room, server, tmp_path):
    async with browser(tmp_path / "profile") as page:
        await page.open(await ticket(room, server, "vnc", "novnc"))
        await page.until("document.body.className === 'open'")
        await page.until(f"{PIXEL.format(x=100, y=100)} === '255,255,0'")
        assert (await page.evaluate("document.getElementById('name').textContent")).startswith("instance-")
        await page.screenshot(tmp_path / "screen.png")
        await page.evaluate("document.getElementById('keys').click()")       # three keys, three marks
        await page.until(f"{PIXEL.format(x=20, y=396)} === '255,128,0'")
        await page.evaluate("document.getElementById('paste').click(); document.getElementById('text').value = 'Ab'")
        await page.evaluate("document.querySelector('button[value=type]').click()")
        await page.until(f"{PIXEL.format(x=44, y=396)} === '255,128,0'")     # shift, A, b
        await page.evaluate("document.getElementById('scale').click()")
        assert await page.evaluate("document.getElementById('scale').getAttribute('aria-pressed')") == "false"
        assert not page.complaints
    shown = await ticket(room, server, "vnc", "novnc")
    async with room.cloud.session.get(shown) as answer:
        assert answer.status == 200


async def test_a_ticket_that_was_used_is_told_so(room, server, tmp_path):
    url = await ticket(room, server, "vnc", "novnc")
    async with browser(tmp_path / "profile") as page:
        await page.open(url)
        await page.until("document.body.className === 'open'")
        await page.open(url)
        await page.until("document.body.className === 'ended'")
        assert "Ask for a new console" in await page.evaluate("document.getElementById('state').textContent")


async def test_the_serial_line(room, server, tmp_path):
    consoles = room.cloud.parts.driver(Hypervisor).consoles
    async with browser(tmp_path / "profile") as page:
        await page.open((await ticket(room, server, "serial", "serial")).replace("ws://", "http://"))
        await page.until("document.body.className === 'open'")
        consoles.guest_writes(server, b"\r\nhello from the guest\r\nlogin: ")
        await page.until("document.querySelector('.xterm-rows').innerText.includes('hello from the guest')")
        await page.command("Input.insertText", text="echo me")
        await page.until("document.querySelector('.xterm-rows').innerText.includes('login: echo me')")
        await page.screenshot(tmp_path / "serial.png")
        assert not page.complaints
