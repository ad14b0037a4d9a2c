"""What the document says of a reply: that of the version, and of one without a body nothing."""

from cloudd.core.http import Api, Field, Shape
from cloudd.core.http import types as t
from cloudd.core.http.dialects import Dialect
from cloudd.core.http.openapi import document, reply_schema
from cloudd.core.http.shapes import nested

API = Api("things", prefixes=("/things",), dialect=Dialect())
THING = Shape("thing", Field("name", t.Text()), Field("age", t.Int(), since="2.5"))
resource = API.resource("", auth=False)


@resource.get("/{name}", answer=THING)
async def show(request, name):
    """Show a thing."""


@resource.delete("/{name}", status=200, answer=t.NOTHING)
async def delete(request, name):
    """Delete a thing."""


SHOW, DELETE = API.operations
CASE = Shape("case", *nested("things", THING, many=True, of="rows"))


def test_a_body_made_by_hand_may_change_with_the_version():
    old, new = (reply_schema(SHOW, version)["properties"]["thing"] for version in ((2, 4), (2, 5)))
    assert (old["required"], new["required"]) == (["name"], ["age", "name"])


def test_what_another_shape_tells_changes_within_a_reply_as_there():
    things = [CASE.answer(version)["properties"]["things"]["items"]["required"] for version in ((2, 1), (2, 4), (2, 5), (2, 9))]
    assert things == [["name"], ["name"], ["age", "name"], ["age", "name"]]


def test_a_reply_that_is_declared_to_have_no_body_has_no_content():
    assert document([API], "http://x")["paths"]["/things/{name}"]["delete"]["responses"]["200"] == {"description": "Done."}
    assert reply_schema(DELETE, (0, 0)) is not None
