"""The words of schema errors, beside those of Python's jsonschema, which upstream's services answer with."""

import jsonschema
import jsonschema_rs
import pytest

from cloudd.core.errors import BadRequest
from cloudd.core.http import Field, Shape, V, words
from cloudd.core.http import types as t

CASES = [
    ({"type": "string"}, 5), ({"type": ["integer", "string", "null"]}, []), ({"type": "object"}, "x"), ({"type": "string"}, None),
    ({"enum": ["a", 1, None, True]}, "b"), ({"const": "y"}, "n"), ({"pattern": "^a$"}, "it's"), ({"format": "ipv4"}, "x"),
    ({"minimum": 1}, 0), ({"maximum": 3}, 4.5), ({"exclusiveMinimum": 1}, 1), ({"exclusiveMaximum": 3}, 3), ({"multipleOf": 2}, 3),
    ({"minLength": 1}, ""), ({"minLength": 2}, "a"), ({"maxLength": 3}, "aaaa"), ({"maxLength": 0}, "a"), ({"maxLength": 1}, "aa"),
    ({"minItems": 1}, []), ({"minItems": 2}, [1]), ({"maxItems": 1}, [1, "two"]), ({"maxItems": 0}, [1]),
    ({"uniqueItems": True}, [1, 1]), ({"minProperties": 1}, {}), ({"minProperties": 2}, {"a": 1}), ({"maxProperties": 1}, {"a": 1, "b": 2}),
    ({"maxProperties": 0}, {"a": 1}), ({"required": ["a", "b"]}, {"b": 1}), ({"additionalProperties": False}, {"z": 1}),
    ({"additionalProperties": False, "properties": {"a": {}}}, {"z": 1, "b": 2, "a": 3}),
    ({"additionalProperties": False, "patternProperties": {"^a": {}}}, {"z": 1}),
    ({"additionalProperties": False, "patternProperties": {"^b": {}, "^a": {}}}, {"z": 1, "y": 2}),
    ({"additionalProperties": {"type": "string"}}, {"a": 1}), ({"properties": {"a": {"items": {"type": "integer"}}}}, {"a": [1, "x"]}),
    ({"anyOf": [{"type": "string"}, {"type": "null"}]}, 5), ({"oneOf": [{"type": "string"}, {"type": "null"}]}, {"a": "b"}),
    ({"oneOf": [{"type": "string"}, {"minLength": 1}, {"maxLength": 9}]}, "xx"), ({"not": {"type": "string"}}, "x"),
    ({"contains": {"type": "string"}}, [1]), ({"propertyNames": {"pattern": "^x"}}, {'a"é': 1}), (False, 1),
    ({"properties": {"a": {"anyOf": [{"properties": {"b": {"type": "string"}}}, {"type": "null"}]}}}, {"a": {"b": 1}}),
]


@pytest.mark.parametrize(("schema", "value"), CASES)
def test_the_words_are_jsonschemas(schema, value):
    theirs = next(iter(jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).iter_errors(value)))
    error = next(iter(jsonschema_rs.Draft202012Validator(schema, validate_formats=True).iter_errors(value)))
    assert list(error.instance_path) == list(theirs.path)
    for part in error.instance_path:
        value = value[part]
    assert words.of(error, value, schema) == theirs.message


def test_a_member_its_value_and_the_words():
    shape = Shape("server", Field("name", t.Text(1, 5)), Field("count", t.Int(1, 3, text=True)))
    for body, message in (({"name": "toolong"}, "Invalid input for field/attribute name. Value: toolong. 'toolong' is too long"),
                          ({"count": "9"}, "Invalid input for field/attribute count. Value: 9. 9 is greater than the maximum of 3"),
                          ({"name": None}, "Invalid input for field/attribute name. Value: None. None is not of type 'string'"),
                          ({"x": 1}, "Invalid input for field/attribute server. Value: {'x': 1}. Additional properties are not allowed "
                                     "('x' was unexpected)")):
        with pytest.raises(BadRequest) as refused:
            shape.read({"server": body}, V("2.1"))
        assert refused.value.message == message


@pytest.mark.parametrize("body", [
    {"server": {"adminPass": "hunter'2\\"}}, {"server": {"adminPass": ["hunter'2\\"]}}, {"server": {"adminPass": "hunter'2\\", "x": 1}},
    {"server": {"files": [{"secret": "hunter'2\\"}]}}, {"server": {"one": {"private_key": "hunter'2\\"}}},
    {"server": [{"password": "hunter'2\\"}]}, [{"password": "hunter'2\\"}], {"server": {"one": {"payload": "hunter'2\\"}}},
])
def test_secrets_are_not_repeated_wherever_they_stand(body):
    shape = Shape("server", Field("adminPass", t.Text(0, 5)), Field("files", t.List(t.Text())),
                  Field("one", t.Raw({"oneOf": [{"type": "string"}, {"type": "null"}]})))
    with pytest.raises(BadRequest) as refused:
        shape.read(body, V("2.1"))
    assert "hunter" not in refused.value.message


def test_what_only_tells_of_a_secret_is_said():
    """`secret_type: 'key'` is wrong, and nobody would know why if it were hidden."""
    shape = Shape(None, *(Field(name, t.Enum("a")) for name in ("secret_type", "payload_content_encoding")), Field("payload", t.Int()))
    for name in ("secret_type", "payload_content_encoding"):
        with pytest.raises(BadRequest, match="Value: wrong"):
            shape.read({name: "wrong"}, V("2.1"))
    with pytest.raises(BadRequest, match=r"Value: \*\*\*"):
        shape.read({"payload": "wrong"}, V("2.1"))
