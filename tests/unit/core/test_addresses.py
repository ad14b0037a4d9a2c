"""The client's address, through trusted proxies and not through others."""

from dataclasses import replace

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from cloudd import settings
from cloudd.core.http.addresses import client_address, networks, within


def request(remote, *forwarded):
    headers = CIMultiDict([("X-Forwarded-For", value) for value in forwarded])
    return make_mocked_request("GET", "/", headers=headers).clone(remote=remote)


def trusting(*proxies):
    usual = settings.Settings()
    return replace(usual, server=replace(usual.server, trusted_proxies=proxies))


@pytest.mark.parametrize(("remote", "forwarded", "client"), [
    ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),                          # a stranger says it
    ("10.0.0.1", [], "10.0.0.1"),
    ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
    ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
    ("10.0.0.1", ["127.0.0.1, 198.51.100.1"], "198.51.100.1"),                 # the client sent one of his own
    ("10.0.0.1", ["127.0.0.1", "198.51.100.1"], "198.51.100.1"),               # the same on a line of its own
    ("10.0.0.1", ["198.51.100.1, 10.1.2.3, 192.0.2.7"], "198.51.100.1"),       # three proxies
    ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
    ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
    ("10.0.0.1", ["2001:DB8:0::1"], "2001:db8::1"),
    ("10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
    ("10.0.0.1", ["198.51.100.1, unknown"], "10.0.0.1"),
    ("10.0.0.1", ["a\nb"], "10.0.0.1"),
    ("10.0.0.1", [""], "10.0.0.1"),
    ("", ["198.51.100.1"], ""),
])
def test_only_trusted_proxies_tell_where_a_request_comes_from(remote, forwarded, client):
    assert client_address(request(remote, *forwarded), trusting("10.0.0.0/8", "192.0.2.7")) == client


def test_without_trusted_proxies_nobody_is_believed():
    assert client_address(request("10.0.0.1", "198.51.100.1"), trusting()) == "10.0.0.1"


def test_an_address_is_in_a_network_of_its_own_kind_only():
    assert within("::1", networks(("::/0",))) and not within("::1", networks(("0.0.0.0/0",)))
    assert not within("here", networks(("0.0.0.0/0",))) and not within(None, networks(("0.0.0.0/0",)))
