"""Log lines carry their facts, and never a secret."""

import json
import logging

import pytest

from cloudd.core import log


def line(formatter, message, **facts):
    record = logging.LogRecord("cloudd.test", logging.INFO, "", 0, message, None, None)
    record.facts = facts
    return formatter.format(record)


def test_facts_follow_the_sentence():
    assert line(log.Human(), "server stopped", server="s1", was="ACTIVE").endswith(
        "INFO cloudd.test server stopped server=s1 was=ACTIVE")


def test_json_lines_are_json():
    entry = json.loads(line(log.Json(), "100% done", server="s1"))
    assert (entry["message"], entry["server"], entry["level"]) == ("100% done", "s1", "info")


@pytest.mark.parametrize("formatter", [log.Human(), log.Json()])
@pytest.mark.parametrize(("message", "facts"), [
    ("x", {"password": "hunter2"}),
    ("x", {"admin_pass": "hunter2"}),
    ("x", {"x_auth_token": "hunter2"}),
    ('body {"password": "hunter2"}', {}),
    ("url postgresql://cloudd:hunter2@localhost/x", {}),
    ("GET /console/vnc?token=hunter2&x=1", {}),
    ("-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----", {}),
])
def test_secrets_are_masked(formatter, message, facts):
    text = line(formatter, message, **facts)
    assert "hunter2" not in text
    assert "***" in text


def test_the_request_id_comes_along():
    token = log.request_id.set("req-1")
    try:
        assert "request_id=req-1" in line(log.Human(), "x")
    finally:
        log.request_id.reset(token)


HOSTILE = "/x\n2026-01-01 00:00:00.000 INFO cloudd.access forged\r\x1b[2J\x85\u2028\u202e\ud800\x00"


def test_what_a_caller_chose_stays_on_its_line():
    for text in (line(log.Human(), HOSTILE), line(log.Human(), "x", path=HOSTILE, reason="a b" + HOSTILE)):
        assert len(text.splitlines()) == 1 and text.isprintable() and r"\n2026" in text
        text.encode()
    assert json.loads(line(log.Json(), HOSTILE, path=HOSTILE))["path"] == HOSTILE
    assert len(line(log.Json(), HOSTILE, path=HOSTILE).splitlines()) == 1


def test_an_errors_text_forges_no_line_in_a_traceback():
    try:
        raise ValueError(HOSTILE)
    except ValueError as exc:
        record = logging.LogRecord("cloudd.test", logging.ERROR, "", 0, "died", None, (ValueError, exc, exc.__traceback__))
    first, *rest = log.Human().format(record).splitlines()
    assert first.endswith("died") and rest and all(one.startswith("  ") and one.isprintable() for one in rest)
