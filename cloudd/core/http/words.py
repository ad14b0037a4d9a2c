"""What a schema error is called: the words of Python's jsonschema, which upstream answers with and tools match."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

SECRETS = ("pass", "secret", "private", "payload")
ABOUT = ("_type", "_encoding")
"""How names end that tell of a secret and are none: `secret_type`."""
HIDDEN = "***"


def secret(name: object) -> bool:
    return any(word in str(name).lower() for word in SECRETS) and not str(name).lower().endswith(ABOUT)


def masked(value: Any) -> Any:
    """The same value with the members that are secrets by their names hidden."""
    if isinstance(value, Mapping):
        return {key: HIDDEN if secret(key) else masked(inner) for key, inner in value.items()}
    return [masked(inner) for inner in value] if isinstance(value, list) else value


def _size(one: str, few: str, many: str) -> Callable[[str, Any], str]:
    """`few` for too few of what there must be `one` of, `many` for too many."""
    return lambda shown, limit: f"{shown} {one if limit == 1 and few else few or (many if limit else 'is expected to be empty')}"


def _types(shown: str, types: "str | list[str]") -> str:
    return f"{shown} is not of type {', '.join(map(repr, [types] if isinstance(types, str) else types))}"


NONE_FITS = "{} is not valid under any of the given schemas"
PLAIN: dict[str, Callable[[str, Any], str]] = {
    "type": _types,
    "enum": lambda shown, values: f"{shown} is not one of {values!r}",
    "const": lambda shown, value: f"{value!r} was expected",
    "pattern": lambda shown, pattern: f"{shown} does not match {pattern!r}",
    "format": lambda shown, name: f"{shown} is not a {name!r}",
    "minimum": lambda shown, limit: f"{shown} is less than the minimum of {limit!r}",
    "maximum": lambda shown, limit: f"{shown} is greater than the maximum of {limit!r}",
    "exclusiveMinimum": lambda shown, limit: f"{shown} is less than or equal to the minimum of {limit!r}",
    "exclusiveMaximum": lambda shown, limit: f"{shown} is greater than or equal to the maximum of {limit!r}",
    "multipleOf": lambda shown, number: f"{shown} is not a multiple of {number!r}",
    "minLength": _size("should be non-empty", "is too short", ""), "maxLength": _size("", "", "is too long"),
    "minItems": _size("should be non-empty", "is too short", ""), "maxItems": _size("", "", "is too long"),
    "minProperties": _size("should be non-empty", "does not have enough properties", ""),
    "maxProperties": _size("", "", "has too many properties"),
    "uniqueItems": lambda shown, _: f"{shown} has non-unique elements",
    "anyOf": lambda shown, _: NONE_FITS.format(shown),
    "not": lambda shown, schema: f"{shown} should not be valid under {schema!r}",
    "contains": lambda shown, _: f"{shown} does not contain items matching the given schema",
}


def of(error: Any, value: Any, schema: Mapping[str, Any]) -> str:
    """The words for an error of jsonschema_rs; `value` is what was refused, as it may be shown, `schema` the whole."""
    kind, shown = error.kind, repr(value)
    if kind.name == "required":
        return f"{kind.property!r} is a required property"
    path = list(error.schema_path)
    if kind.name == "falseSchema":                            # with no member named, all are additional ones
        return _unexpected(sorted(value), None) if path[-1:] == ["additionalProperties"] else f"False schema does not allow {shown}"
    if kind.name == "propertyNames":
        return PLAIN[path[-1]](repr(kind.error.instance), _at(schema, path))
    rule = _at(schema, path)
    if kind.name == "additionalProperties":
        return _unexpected(sorted(kind.unexpected), _at(schema, path[:-1]).get("patternProperties"))
    if kind.name == "oneOf":
        fitting = [rule[number] for number, errors in enumerate(kind.context) if not errors]
        return f"{shown} is valid under each of {_list([*fitting[1:], *fitting[:1]])}" if fitting else NONE_FITS.format(shown)
    return PLAIN[kind.name](shown, rule) if kind.name in PLAIN else str(error.message)


def _at(schema: Any, path: Iterable[Any]) -> Any:
    for part in path:
        schema = schema[part]
    return schema


def _list(values: Iterable[Any]) -> str:
    return ", ".join(map(repr, values))


def _unexpected(names: list[str], patterns: Mapping[str, Any] | None) -> str:
    if patterns:
        return f"{_list(names)} {'does' if len(names) == 1 else 'do'} not match any of the regexes: {_list(sorted(patterns))}"
    return f"Additional properties are not allowed ({_list(names)} {'was' if len(names) == 1 else 'were'} unexpected)"
