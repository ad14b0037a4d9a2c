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
