"""Shapes: schemas and views at each version."""

from types import SimpleNamespace

import pytest

from cloudd.core.errors import BadRequest
from cloudd.core.http import Change, Field, Shape, V
from cloudd.core.http import types as t

STRICT = Change("2.9", "unknown members are refused")
SERVER = Shape(
    "server",
    Field("id", t.Uuid(), readonly=True),
    Field("name", t.Text(1, 255, strip=True), required=True),
    Field("count", t.Int(1, 10, text=True), default=1, reply=False),
    Field("networks", t.List(t.Text()), until="2.3", reply=False),
    Field("networks", t.Enum("auto", "none"), since="2.4", required=True, reply=False),
    Field("locked", t.Bool(), since="2.5", readonly=True),
    Field("password", t.Text(1, 5), reply=False),
    extra=STRICT,
)


def at(version):
    return SimpleNamespace(version=V(version))


@pytest.mark.parametrize(("version", "body", "result"), [
    ("2.1", {"name": " a "}, {"name": "a", "count": 1}),
    ("2.1", {"name": "a", "count": "3"}, {"name": "a", "count": 3}),
    ("2.3", {"name": "a", "networks": ["x"]}, {"name": "a", "count": 1, "networks": ["x"]}),
    ("2.4", {"name": "a", "networks": "auto"}, {"name": "a", "count": 1, "networks": "auto"}),
    ("2.1", {"name": "a", "id": "chosen"}, {"name": "a", "count": 1}),
    ("2.8", {"name": "a", "networks": "auto", "more": 1}, {"name": "a", "count": 1, "networks": "auto", "more": 1}),
])
def test_bodies_are_lifted(version, body, result):
    assert SERVER.read({"server": body}, V(version)) == result


@pytest.mark.parametrize(("version", "body", "words"), [
    ("2.1", {}, "name"),
    ("2.1", {"name": ""}, "name"),
    ("2.1", {"name": "a", "count": "11"}, "11 is greater than the maximum of 10"),
    ("2.1", {"name": "a", "count": 11}, "count"),
    ("2.4", {"name": "a"}, "networks"),
    ("2.4", {"name": "a", "networks": ["x"]}, "is not one of \\['auto', 'none'\\]"),
    ("2.9", {"name": "a", "networks": "auto", "more": 1}, "more"),
])
def test_bad_bodies_name_the_member(version, body, words):
    with pytest.raises(BadRequest, match=words):
        SERVER.read({"server": body}, V(version))


def test_secrets_are_not_repeated():
    with pytest.raises(BadRequest) as error:
        SERVER.read({"server": {"name": "a", "password": "hunter22"}}, V("2.1"))
    assert "hunter22" not in str(error.value)


def test_updates_need_nothing_and_take_no_defaults():
    assert SERVER.read({"server": {}}, V("2.1"), "update") == {}


def test_views_follow_the_version():
    row = SimpleNamespace(id="1", name="a", locked=False)
    assert SERVER.view(row, at("2.4")) == {"id": "1", "name": "a"}
    assert SERVER.view(row, at("2.5")) == {"id": "1", "name": "a", "locked": False}
    assert SERVER.view(row, at("2.5"), only={"id"}) == {"id": "1"}


@pytest.mark.parametrize("wrong", [None, [], "text", 5, {"other": {}}])
def test_anything_else_is_a_bad_request(wrong):
    with pytest.raises(BadRequest):
        SERVER.read(wrong, V("2.1"))
