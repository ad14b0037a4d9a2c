"""No spelling of an address of this machine, and nothing that leads there, makes the guarded client connect to it."""

import asyncio
import ipaddress
import socket

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyroute2 import IPRoute

from cloudd.core import fetch
from cloudd.core.fetch import outside

DIGITS = [str.maketrans("0123456789", digits) for digits in (
    "⓪①②③④⑤⑥⑦⑧⑨", "０１２３４５６７８９", "⁰¹²³⁴⁵⁶⁷⁸⁹", "₀₁₂₃₄₅₆₇₈₉", "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗", "𝟘𝟙𝟚𝟛𝟜𝟝𝟞𝟟𝟠𝟡", "𝟢𝟣𝟤𝟥𝟦𝟧𝟨𝟩𝟪𝟫", "𝟬𝟭𝟮𝟯𝟰𝟱𝟲𝟳𝟴𝟵", "𝟶𝟷𝟸𝟹𝟺𝟻𝟼𝟽𝟾𝟿",
    "٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹", "०१२३४५६७८९", "๐๑๒๓๔๕๖๗๘๙")]
DOTS = [".", "。", "．", "｡", "․", "%2e", "%2E", "%E3%80%82"]
LETTERS = [str.maketrans("abcdefghijklmnopqrstuvwxyz", "".join(chr(first + number) for number in range(26)))
           for first in (0xFF41, 0xFF21, 0x24D0, 0x24B6, 0x1D41A, 0x1D4EA)]
PLAIN = ["127.0.0.1", "127.1", "127.0.1", "127.8.9.10", "0.0.0.0", "0", "0.1", "2130706433", "017700000001", "0x7f000001", "0X7F000001",
         "0x7f.1", "0x7f.0x0.0x0.0x1", "0177.0.0.1", "0177.0.0.01", "127.0.0.01", "127.000.000.001", "0300.0250.0.1", "127.0.0.0x1",
         "00000177.0.0.1", "0x7F.0.0.1", "127.0x1", "256.256.256.256", "4294967295", "6425673729", "127.0.0.1.", "127.0.0.1..", "127.1.",
         "127..0.0.1", ".127.0.0.1", "+127.0.0.1", "-127.0.0.1", "1_27.0.0.1", "127.0.0.1e0", "169.254.169.254", "2852039166", "0xA9FEA9FE",
         "0251.0376.0251.0376", "169.254.43518", "224.0.0.1", "255.255.255.255", "240.0.0.1", "0x", "0x.0x.0", "1.0x7f"]
NAMES = ["localhost", "LOCALHOST", "LocalHost", "localhost.", "localhost..", "ip6-localhost", "localhost.localdomain", "local\u00adhost",
         "loca\u200bl\u200dhost", "ℓocalhost", "locaｌhost", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "ｌｏｃａｌｈｏｓｔ", "localhoſt",
         "loc%61lhost", "%6c%6f%63%61%6c%68%6f%73%74",
         "localhost%00.example.org", "localhost%2eexample.org", "localhost%23.example.org", "xn--localhost-", "*", "%", "-", "a b", "ⓐ..b"]
SIX = ["::1", "0:0:0:0:0:0:0:1", "0000:0000:0000:0000:0000:0000:0000:0001", "::0.0.0.1", "::", "::0", "0::", "::127.0.0.1", "::7f00:1",
       "::ffff:127.0.0.1", "::ffff:7f00:1", "::FFFF:7F00:0001", "0:0:0:0:0:ffff:127.0.0.1", "::ffff:0:127.0.0.1", "::ffff:0:7f00:1",
       "64:ff9b::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::169.254.169.254", "64:ff9b:1::7f00:1", "64:ff9b:1:7f00:0:100::",
       "2002:7f00:1::", "2002:7f00:0001::1", "2002:a9fe:a9fe::", "2001:0:7f00:1::", "2001:0:0:0:0:0:80ff:fffe", "fe80::1", "fe80::1%1",
       "fe80::1%25lo", "fe80::1%lo", "::1%1", "::1%25lo", "::1%lo", "fec0::1", "ff02::1", "ff01::1", "2001:db8::5efe:127.0.0.1",
       "2001:db8::200:5efe:7f00:1", "::ffff:0.0.0.0", "::ffff:169.254.169.254", "::1.", "1::1::1", "::ffff:127.1", "::ffff:0177.0.0.1", "",
       "v1.127.0.0.1", "::①", "：：1", "::ffff:①②⑦.0.0.1", "127.0.0.1", "localhost"]
# HOST stands for the address with its port.
TRICKS = ["http://user@HOST/", "http://user:pw@HOST/", "http://@HOST/", "http://:@HOST/", "http://:pw@HOST/", "http://example.org@HOST/",
          "http://example.org:80@HOST/", "http://example.org:80%40HOST/", "http://example.org%2f@HOST/", "http://a@b@HOST/",
          "http://HOST\\@example.org/", "http://example.org\\@HOST/", "http://HOST#@example.org/", "http://HOST?@example.org/",
          "http://HOST%23@example.org/", "http://example.org#@HOST/", "http://HOST%09/", "http://HOST\t/", "http://\tHOST/", "http://HO\nST/",
          "\nhttp://HOST/", " http://HOST/", "ht\ntp://HOST/", "http:HOST/", "http:/HOST/", "http:///HOST/", "http:////HOST/", "//HOST/",
          "http:\\\\HOST\\", "http://\\HOST/", "http://HOST;example.org/", "http://HOST,example.org/", "http://HOST&@example.org/",
          "HTTP://HOST/", "hTTps://HOST/", "https://HOST/", "http://%20HOST/", "http://HOST%20/", "http://[HOST]/", "http://HOST:/",
          "http://HOST:80:80/", "gopher://HOST/", "file://HOST/etc/passwd", "http+unix://HOST/", "jar:http://HOST/!/", "dict://HOST/",
          "http://HOST/../", "http://HOST／", "http://HOST℀.example.org/", "http://HOST＃@example.org", "http://example.org＠HOST/",
          "http://example.org：80＠HOST/", "http://HOST？.example.org/", "http://\u202eHOST/", "http://\ufeffHOST/", "http://HOST\u3000/",
          "http://HOST\udc80/"]
HOSTS = [*PLAIN, *("127.0.0.1".translate(digits) for digits in DIGITS), *("127.0.0.1".replace(".", dot) for dot in DOTS),
         *("①②⑦.⓪.⓪.①".replace(".", dot) for dot in DOTS), *("0x7f.1".translate(table) for table in LETTERS),
         *("localhost".translate(table) for table in LETTERS), *NAMES, "①②⑦.1", "⑫7.0.0.1", "⑫⑦.⓪.⓪.①",
         "127.0.0.⒈", "１２７．１", "²¹³⁰⁷⁰⁶⁴³³"]
SPELLINGS = [*(f"http://{host}:PORT/" for host in HOSTS), *(f"http://[{host}]:PORT/" for host in SIX),
             *(trick.replace("HOST", "127.0.0.1:PORT") for trick in TRICKS), *(trick.replace("HOST", "①②⑦.⓪.⓪.①:PORT") for trick in TRICKS)]


@pytest.fixture
def numbers_only(monkeypatch):
    """Names but localhost's are not looked up: no test asks a name server of the world."""
    real = socket.getaddrinfo

    def look_up(host, port, family=0, type=0, proto=0, flags=0):
        return real(host, port, family, type, proto, flags | (0 if host == "localhost" else socket.AI_NUMERICHOST))
    monkeypatch.setattr(socket, "getaddrinfo", look_up)


class Local:
    """A web server on every address of this machine, counting those that came in."""

    def __init__(self):
        self.connections, self.to = 0, None

    async def __aenter__(self):
        async def page(request):
            return web.Response(status=302, headers={"Location": self.to}) if self.to else web.Response(text="secret")
        server = web.Server(page)

        def connected():
            self.connections += 1
            return server()
        everywhere = socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        self.port = everywhere.getsockname()[1]
        self._server = await asyncio.get_running_loop().create_server(connected, sock=everywhere)
        return self

    async def __aexit__(self, *exc):
        self._server.close()

    async def never_reached(self, url, **options):
        before = self.connections
        for ask in (_get, fetch.ask):
            with pytest.raises((fetch.FetchRefused, fetch.FetchFailed)):
                await ask(url, timeout=5, **options)
        assert self.connections == before, f"{url!r} reached this machine"


async def _get(url, **options):
    async with fetch.get(url, **options) as response:
        return await response.text()


async def test_unicode_spellings_of_addresses_do_not_reach_the_hosts_own_services(numbers_only):
    assert len(set(SPELLINGS)) > 200
    async with Local() as local:
        for spelling in SPELLINGS:
            await local.never_reached(spelling.replace("PORT", str(local.port)))


async def test_a_redirect_to_a_spelling_does_not_reach_them_either(numbers_only):
    async with Local() as local, Local() as outer:
        for spelling in SPELLINGS:
            outer.to = spelling.replace("PORT", str(local.port))
            if not outer.to.isprintable():                    # it cannot stand in a header
                continue
            with pytest.raises((fetch.FetchRefused, fetch.FetchFailed)):
                await _get(f"http://127.0.0.1:{outer.port}/", allowed=[f"127.0.0.1:{outer.port}"], timeout=5)
        assert local.connections == 0


def _octet(number, form):
    return {"decimal": str(number), "hex": hex(number), "octal": f"0{number:o}", "long": f"000{number}", "upper": f"0X{number:X}"}[form]


@st.composite
def _spelled(draw):
    """An address of this machine in some mixture of all that parsers were ever seen to take."""
    number = draw(st.sampled_from([0x7F000001, 0x7F080808, 0, 0xA9FEA9FE]) | st.integers(0x7F000001, 0x7FFFFFFE))
    cuts = draw(st.integers(1, 4))
    octets = list(number.to_bytes(4))
    parts = [*octets[:cuts - 1], int.from_bytes(bytes(octets[cuts - 1:]))]
    text = ".".join(_octet(part, draw(st.sampled_from(["decimal", "decimal", "hex", "octal", "long", "upper"]))) for part in parts)
    kind = draw(st.sampled_from(["four", "four", "mapped", "6to4", "nat64", "compatible"]))
    if kind != "four":
        low = f"{number >> 16:x}:{number & 0xFFFF:x}"
        return "[" + {"mapped": f"::ffff:{low}", "6to4": f"2002:{low}::{draw(st.integers(0, 9))}", "nat64": f"64:ff9b::{low}",
                      "compatible": f"::{low}"}[kind] + draw(st.sampled_from(["", "%1", "%25lo"])) + "]"
    tables = [None, *DIGITS, *LETTERS]
    text = "".join(character.translate(table) if (table := draw(st.sampled_from(tables))) else character for character in text)
    text = "".join(draw(st.sampled_from(DOTS)) if character == "." else character for character in text)
    text = "".join(f"%{ord(character):02x}" if ord(character) < 128 and draw(st.integers(0, 15)) == 0 else character for character in text)
    return draw(st.sampled_from(["", "", "", "user@", "a:b@", "\u00ad", "\u200b"])) + text + draw(st.sampled_from(["", "", "", ".", "。"]))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_spelled(), st.sampled_from(["http", "HTTP", "https"]), st.sampled_from(["", "?", "#", "/", "/%2e%2e/", "\\", "/x?y=@example.org"]))
def test_no_spelling_reaches_this_machine(numbers_only, host, scheme, rest):
    async def try_it():
        async with Local() as local:
            await local.never_reached(f"{scheme}://{host}:{local.port}{rest}")
    asyncio.run(try_it())


def _answers(*addresses):
    return [(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]


async def test_a_name_with_one_address_inside_is_refused_whatever_the_others_are(monkeypatch):
    for first, second in (("192.0.2.77", "127.0.0.1"), ("2001:db8::1", "::ffff:127.0.0.1"), ("192.0.2.77", "fe80::1%1")):
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, first=first, second=second, **__: _answers(first, second))
        async with Local() as local:
            await local.never_reached(f"http://images.example.org:{local.port}/")


async def test_a_name_is_looked_up_once_and_what_was_judged_is_connected_to(monkeypatch):
    """A name server that says one thing to the judge and another to the client (DNS rebinding) is asked by the judge alone."""
    asked = []

    def look_up(host, *_, **__):
        asked.append(host)
        return _answers("240.0.0.1" if len(asked) > 1 else "127.0.0.1")
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    async with Local() as local:
        assert await _get(f"http://Mirror.Example.org.:{local.port}/", allowed=["mirror.example.org"]) == "secret"
    assert asked == ["mirror.example.org"]


async def test_this_machines_own_addresses_are_inside():
    def listed():
        with IPRoute() as route:
            return [message.get_attr("IFA_ADDRESS") for message in route.get_addr()]
    own = await asyncio.to_thread(listed)
    async with Local() as local:
        for address in own:
            host = f"[{address}]" if ":" in address else address
            await local.never_reached(f"http://{host}:{local.port}/")


async def test_an_address_that_was_not_judged_gets_no_socket():
    judged = fetch._Judged(())
    with pytest.raises(fetch.FetchRefused, match="not looked at"):
        judged.socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 80)))
    with pytest.raises(fetch.FetchRefused, match="not looked at"):
        await judged.resolve("example.org", 80)


@pytest.mark.parametrize("entry", ["127.0.0.1", "127.0.0.1:8080", "①②⑦.0.0.1:8080"])
def test_the_settings_allow_a_host_in_any_spelling_of_it(entry):
    assert outside.check("http://127.0.0.1:8080/x", [entry]).port == 8080
    assert outside.check("http://１２７.0.0.1:8080/x", [entry]).host == "127.0.0.1"
    with pytest.raises(fetch.FetchRefused):
        outside.check("http://127.0.0.2:8080/x", [entry])


@pytest.mark.parametrize("entry", ["::1", "[::1]", "[::1]:80", "[0:0::1]:80"])
def test_the_settings_allow_an_address_of_six(entry):
    assert outside.check("http://[::1]/", [entry]).host == "::1"
    with pytest.raises(fetch.FetchRefused):
        outside.check("http://[::2]/", [entry])


@pytest.mark.parametrize("text", ["8.8.8.8", "192.168.1.1", "2001:db8::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1",
                                  "fd00::1"])
def test_what_lies_outside_is_not_refused(text):
    assert not outside.inside(ipaddress.ip_address(text))


@pytest.mark.parametrize("url, host", [
    ("https://Cloud-Images.Ubuntu.com/x/y.img?a=%2F&b=c", "cloud-images.ubuntu.com"), ("http://bücher.example./", "xn--bcher-kva.example"),
    ("http://a_b.example:8080/", "a_b.example"), ("http://1.example/", "1.example"), ("http://[2001:DB8::0:1]/", "2001:db8::1")])
def test_ordinary_addresses_are_read_as_they_stand(url, host):
    assert outside.read(url).host == host
