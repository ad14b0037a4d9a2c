"""Extra specs of volume types, as Cinder's capabilities filter reads them."""

from collections.abc import Callable, Mapping
from typing import Any

NUMBERS: dict[str, Callable[[float, float], bool]] = {
    "=": lambda have, want: have >= want, "==": lambda have, want: have == want, "!=": lambda have, want: have != want,
    ">=": lambda have, want: have >= want, "<=": lambda have, want: have <= want}
TEXTS: dict[str, Callable[[str, str], bool]] = {
    "s==": lambda have, want: have == want, "s!=": lambda have, want: have != want, "s>=": lambda have, want: have >= want,
    "s>": lambda have, want: have > want, "s<=": lambda have, want: have <= want, "s<": lambda have, want: have < want}


def unmet(capabilities: Mapping[str, Any], wanted: Mapping[str, str]) -> str:
    """The first spec that the capabilities do not meet, in words; empty when all are met. Scoped ones but `capabilities:` are for
    others."""
    for key, value in wanted.items():
        scope, colon, name = key.partition(":")
        if colon and scope != "capabilities":
            continue
        name = name if colon else key
        have = _find(capabilities, name)
        if have is None:
            return f"it has no {name}, asked was {value}"
        if not met(have, value):
            return f"its {name} is {have}, asked was {value}"
    return ""


def _find(capabilities: Mapping[str, Any], name: str) -> Any:
    found: Any = capabilities
    for part in name.split(":"):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def met(have: Any, wanted: str) -> bool:
    """Whether a capability is what a spec's value asks for."""
    words = wanted.split()
    if not words:
        return str(have) == wanted
    operator, rest = words[0], words[1:]
    if operator == "<or>":
        return str(have) in [word for word in rest if word != "<or>"]
    if operator == "<is>":
        return len(rest) == 1 and _true(have) == _true(rest[0])
    if operator == "<in>":
        return all(word in str(have) for word in rest if word != "<in>")
    if operator in TEXTS:
        return bool(rest) and TEXTS[operator](str(have), rest[0])
    if operator in NUMBERS and rest:
        return _numbers(NUMBERS[operator], have, rest[0])
    return str(have) == wanted


def _numbers(how: Callable[[float, float], bool], have: Any, want: str) -> bool:
    try:
        return how(float(have), float(want))
    except ValueError:
        return False


def _true(value: Any) -> bool:
    return str(value).lower() in ("1", "t", "true", "on", "y", "yes")
