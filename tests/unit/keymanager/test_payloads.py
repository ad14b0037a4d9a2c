"""Payloads: which types and encodings are taken, and what is answered to which `Accept`."""

import pytest

from cloudd.core.errors import BadRequest, NotAcceptable, TooLarge
from cloudd.keymanager import payloads

TEXT, OCTETS, PKCS8 = "text/plain", "application/octet-stream", "application/pkcs8"


@pytest.mark.parametrize(("said", "meant"), [
    ("text/plain", TEXT), ("TEXT/PLAIN", TEXT), ("text/plain;charset=utf-8", TEXT), ("text/plain; charset=UTF-8", TEXT),
    ('text/plain; charset="utf-8"', TEXT), ("text/plain; charset=latin-1", None), ("text/plain; utf-8", None), ("text/html", None),
    (OCTETS, OCTETS), (PKCS8, PKCS8), ("application/aes", None), ("", None), (";", None)])
def test_content_types(said, meant):
    assert payloads.normal(said) == meant


@pytest.mark.parametrize(("payload", "kind", "encoding", "data"), [
    ("a", TEXT, None, b"a"), (" a\n", TEXT, None, b"a"), ("\u00fc", "text/plain; charset=utf-8", None, "\u00fc".encode()),
    ("YQ==", OCTETS, "base64", b"a"), ("Y\nQ=\n=\n", OCTETS, "base64", b"a"), ("YQ==", PKCS8, "base64", b"a")])
def test_what_json_carries(payload, kind, encoding, data):
    assert payloads.from_json(payload, kind, encoding, 100) == (data, payloads.normal(kind))


@pytest.mark.parametrize(("payload", "kind", "encoding", "error"), [
    ("a", None, None, BadRequest), ("a", "text/html", None, BadRequest), ("a", TEXT, "base64", BadRequest),
    ("YQ==", OCTETS, None, BadRequest), ("Y", OCTETS, "base64", BadRequest), ("Y*Q==", OCTETS, "base64", BadRequest),
    ("", TEXT, None, BadRequest), ("  ", TEXT, None, BadRequest), ("=", OCTETS, "base64", BadRequest),
    ("\u00fc", OCTETS, "base64", BadRequest), ("x" * 101, TEXT, None, TooLarge), ("\u00fc" * 51, TEXT, None, TooLarge)])
def test_what_json_cannot_carry(payload, kind, encoding, error):
    with pytest.raises(error) as caught:
        payloads.from_json(payload, kind, encoding, 100)
    assert "Y*Q==" not in caught.value.message


@pytest.mark.parametrize(("data", "kind", "encoding", "found"), [
    (b" a\n", TEXT, None, b" a\n"), (b"YQ==", OCTETS, "base64", b"a"), (b"YQ==", OCTETS, "BASE64", b"a"), (b"\xff", OCTETS, None, b"\xff"),
    (b"\xff", OCTETS, "binary", b"\xff"), (b"YQ==", TEXT, "base64", b"YQ==")])
def test_what_a_body_is(data, kind, encoding, found):
    assert payloads.from_body(data, kind, encoding, 100) == (found, kind)


@pytest.mark.parametrize(("data", "kind", "encoding", "error"), [
    (b"", OCTETS, None, BadRequest), (b"\xff", TEXT, None, BadRequest), (b"Y", OCTETS, "base64", BadRequest),
    (b"\xff", OCTETS, "base64", BadRequest), (b"YQ==", OCTETS, "rot13", BadRequest), (b"x" * 101, OCTETS, None, TooLarge)])
def test_what_a_body_cannot_be(data, kind, encoding, error):
    with pytest.raises(error):
        payloads.from_body(data, kind, encoding, 100)


@pytest.mark.parametrize(("accept", "data", "kind", "answered"), [
    ("", b"a", TEXT, OCTETS), (TEXT, b"a", TEXT, TEXT), (TEXT, b"a", OCTETS, TEXT), (TEXT, b"\xff", OCTETS, None),
    (OCTETS, b"a", TEXT, OCTETS), ("*/*", b"a", TEXT, TEXT), ("*/*", b"a", OCTETS, OCTETS), ("text/html,*/*;q=0.1", b"a", TEXT, TEXT),
    (PKCS8, b"a", OCTETS, PKCS8),
    ("application/json", b"a", TEXT, None), ("text/html", b"a", TEXT, None), ("text/plain; charset=latin-1", b"a", TEXT, None)])
def test_what_goes_out_as_what(accept, data, kind, answered):
    if answered is None:
        with pytest.raises(NotAcceptable):
            payloads.answer_type(accept, data, kind)
    else:
        assert payloads.answer_type(accept, data, kind) == answered
