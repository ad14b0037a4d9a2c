"""What a mapping must be like: told when it is written, not when somebody tries to log in."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cloudd.core.errors import BadRequest
from cloudd.identity.federation.mapping import CONDITIONS, FILTERS, PLACE, honors_domain, keeps_in_step

VERSIONS = ("1.0", "2.0", "3.0")


def check(rules: Sequence[Mapping[str, Any]], version: str) -> None:
    """Raise BadRequest, saying which rule is wrong and what would be right. The members' types were looked at before."""
    if version not in VERSIONS:
        raise BadRequest(f"Invalid schema_version '{version}' of a mapping: there are {', '.join(VERSIONS)}.")
    for number, rule in enumerate(rules):
        count = 0
        for wanted in rule["remote"]:
            _remote(f"rules[{number}].remote, type {wanted['type']!r}", wanted)
            count += not any(name in wanted for name in CONDITIONS)
        for local in rule["local"]:
            _local(f"rules[{number}].local", local, version)
            _places(f"rules[{number}].local", local, count)


def _remote(where: str, wanted: Mapping[str, Any]) -> None:
    kinds = [name for name in (*CONDITIONS, *FILTERS) if name in wanted]
    if len(kinds) > 1:
        raise BadRequest(f"Invalid mapping: {where} has {' and '.join(kinds)}; only one of them can be given.")
    if "regex" in wanted and not kinds:
        raise BadRequest(f"Invalid mapping: {where} has regex without {', '.join(CONDITIONS)}, {' or '.join(FILTERS)}.")
    for text in wanted[kinds[0]] if kinds and wanted.get("regex") else ():
        try:
            re.compile(text)
        except re.error as exc:
            raise BadRequest(f"Invalid mapping: {where}: {text!r} is no regular expression: {exc}.") from exc


def _local(where: str, local: Mapping[str, Any], version: str) -> None:
    group = local.get("group")
    if group is not None and set(group) not in ({"id"}, {"name", "domain"}):
        raise BadRequest(f"Invalid mapping: {where}.group is named by its id alone, or by its name and domain.")
    for project in local.get("projects", ()):
        if "domain" in project and not honors_domain(version):
            raise BadRequest(f"Invalid mapping: {where}.projects can have a domain since schema_version 2.0; this is {version}.")
    if "projects_json" in local and not keeps_in_step(version):
        raise BadRequest(f"Invalid mapping: {where}.projects_json is there since schema_version 3.0; this is {version}.")


def _places(where: str, local: Any, count: int) -> None:
    for text in _texts(local):
        for place in PLACE.finditer(text):
            if place[1] and int(place[1]) >= count:
                raise BadRequest(f"Invalid mapping: {where}: {text!r} refers to {place[0]}, but the remote side gives {count} "
                                 "values (types with any_one_of or not_any_of give none).")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    else:
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(inner)
