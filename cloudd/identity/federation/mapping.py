"""The mapping engine: what an identity provider says of somebody, made into a user, groups and projects of this cloud.

A mapping is a list of rules. The `remote` side of a rule says what must be there; its `type`s without a condition are numbered,
and `{0}`, `{1}`, ... on the `local` side stand for their values. All rules that apply count together, the first user wins.
"""

import ast
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from cloudd.core.errors import Unauthorized

CONDITIONS = ("any_one_of", "not_any_of")
FILTERS = ("whitelist", "blacklist")
PLACE = re.compile(r"\{\{|\}\}|\{(\d+)\}")
JSON = "JSON:"

Assertion = Mapping[str, Sequence[str]]
"""What the provider says: values by name; what is not there is not a key."""


class MappingFailed(Unauthorized):
    """The mapping makes nobody of what the provider said."""


@dataclass(frozen=True)
class MappedGroup:
    """A group by name, in the domain that a rule names by `id` or `name`."""

    name: str
    domain: Mapping[str, str]


@dataclass(frozen=True)
class MappedProject:
    """A project that the user is to have, with his roles on it; without a domain it is in the identity provider's."""

    name: str
    roles: tuple[str, ...]
    domain: Mapping[str, str] | None = None


@dataclass
class Mapped:
    """What came out: the user's members (id, name, email, domain, type), his groups, his projects."""

    user: dict[str, Any] = field(default_factory=dict)
    group_ids: list[str] = field(default_factory=list)
    groups: list[MappedGroup] = field(default_factory=list)
    projects: list[MappedProject] = field(default_factory=list)

    @property
    def local(self) -> bool:
        """Whether it names a user who is already here, instead of one who comes from outside."""
        return self.user.get("type") == "local"


def honors_domain(version: str) -> bool:
    """Since 2.0 a rule's `domain` is the default of its user and projects, not only of its groups."""
    return float(version) >= 2


def keeps_in_step(version: str) -> bool:
    """Since 3.0 what the provider no longer gives is taken away."""
    return float(version) >= 3


def evaluate(rules: Sequence[Mapping[str, Any]], version: str, said: Assertion) -> Mapped:
    """Apply a mapping's rules. Raises MappingFailed when none applies, or one cannot be filled."""
    mapped, applied, fallback = Mapped(), False, None
    for rule in rules:
        found = matches(rule["remote"], said)
        if found is None:
            continue
        for local in rule["local"]:
            applied = True
            _take(mapped, local, found, version)
            fallback = _domain(local, found) or fallback
    if not applied:
        raise MappingFailed("Could not map any federated user properties to identity values: no rule of the mapping applies to "
                            f"what the identity provider said ({', '.join(sorted(said)) or 'nothing'}).")
    if honors_domain(version) and fallback and not mapped.user.get("domain"):
        mapped.user["domain"] = fallback
    return mapped


def matches(remote: Sequence[Mapping[str, Any]], said: Assertion) -> list[list[str]] | None:
    """The values of the types without a condition, in order; None when the rule does not apply."""
    found = []
    for wanted in remote:
        values = list(said.get(wanted["type"], ()))
        if not values:
            return None
        kind = next((name for name in (*CONDITIONS, *FILTERS) if name in wanted), None)
        fits = [value for value in values if kind and _listed(value, wanted[kind], wanted.get("regex", False))]
        if kind in CONDITIONS:
            if bool(fits) != (kind == "any_one_of"):
                return None
            continue
        if kind:
            values = fits if kind == "whitelist" else [value for value in values if value not in fits]
        found.append(values)
    return found


def _listed(value: str, wanted: Sequence[str], regex: bool) -> bool:
    return any(re.search(one, value) for one in wanted) if regex else value in wanted


def _take(mapped: Mapped, local: Mapping[str, Any], found: list[list[str]], version: str) -> None:
    """Add what one entry of the local side gives."""
    domain = _domain(local, found)
    if "user" in local and not mapped.user:
        mapped.user = _members(local["user"], found)
        if honors_domain(version) and domain:
            mapped.user.setdefault("domain", domain)
    if "group" in local:
        group = _members(local["group"], found)
        if "id" in group:
            mapped.group_ids.append(group["id"])
        else:
            mapped.groups.append(MappedGroup(group["name"], group["domain"]))
    if "groups" in local:
        mapped.groups += _groups(local["groups"], found, domain)
    if "group_ids" in local:
        mapped.group_ids += [value for item in literal(local["group_ids"]) for value in fill(item, found)]
    default = domain if honors_domain(version) else None
    mapped.projects += [_project(item, found, default) for item in local.get("projects", ())]
    if "projects_json" in local:
        mapped.projects += _projects(fill(local["projects_json"], found), default)


def fill(text: str, found: list[list[str]]) -> list[str]:
    """The text for each value of what it refers to: one for plain text, several (or none) where a value is a list."""
    places = dict.fromkeys(int(place[1]) for place in PLACE.finditer(text) if place[1])
    if missing := [place for place in places if place >= len(found)]:
        raise MappingFailed(f"The mapping's rule {text!r} refers to {{{missing[0]}}}, but its remote side gives {len(found)} values.")

    def put(values: Mapping[int, str]) -> str:
        return PLACE.sub(lambda place: values[int(place[1])] if place[1] else place[0][0], text)
    return [put(dict(zip(places, values, strict=True))) for values in itertools.product(*(found[place] for place in places))]


def _one(text: str, found: list[list[str]]) -> str:
    values = fill(text, found)
    if len(values) != 1:
        raise MappingFailed(f"The mapping's rule {text!r} takes one value, but the identity provider said {len(values)}.")
    return values[0]


def _members(given: Mapping[str, Any], found: list[list[str]]) -> dict[str, Any]:
    return {name: _members(value, found) if isinstance(value, Mapping) else _one(value, found) for name, value in given.items()}


def _domain(local: Mapping[str, Any], found: list[list[str]]) -> dict[str, str] | None:
    return _members(local["domain"], found) if "domain" in local else None


def literal(text: str) -> list[Any]:
    """A rule's text that is written as a list (`['one', '{0}']`), else the text alone. Only the rule is read so, never a value."""
    if text.lstrip().startswith("["):
        try:
            items = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError):
            return [text]
        if isinstance(items, list) and all(isinstance(item, str | dict) for item in items):
            return items
    return [text]


def _groups(text: str, found: list[list[str]], domain: Mapping[str, str] | None) -> Iterator[MappedGroup]:
    for item in literal(text):
        if isinstance(item, dict):
            members = _members(item, found)
            yield _group(members.get("name"), members.get("domain") or domain)
            continue
        for value in fill(item, found):
            if domain is None and value.startswith(JSON):
                given = _parsed(value.removeprefix(JSON), "groups")
                given = given if isinstance(given, dict) else {}
                yield _group(given.get("name"), given.get("domain") or domain)
            else:
                yield _group(value, domain)


def _group(name: Any, domain: Any) -> MappedGroup:
    if not isinstance(name, str) or not isinstance(domain, Mapping):
        raise MappingFailed("Invalid rule: both 'groups' and 'domain' keywords must be specified in the mapping.")
    return MappedGroup(name, domain)


def _project(given: Mapping[str, Any], found: list[list[str]], default: Mapping[str, str] | None) -> MappedProject:
    roles = tuple(name for role in given["roles"] for name in fill(role["name"], found))
    domain = _members(given["domain"], found) if given.get("domain") else default
    return MappedProject(_one(given["name"], found), roles, domain)


def _projects(texts: list[str], default: Mapping[str, str] | None) -> Iterator[MappedProject]:
    """Projects that the provider itself says, as JSON: one, or a list."""
    for text in texts:
        given = _parsed(text, "projects_json")
        for item in given if isinstance(given, list) else [given]:
            try:
                roles = tuple(str(role["name"]) for role in item["roles"])
                domain = {name: str(item["domain"][name]) for name in ("id", "name") if name in item.get("domain", {})}
                yield MappedProject(str(item["name"]), roles, domain or default)
            except (KeyError, TypeError, AttributeError) as exc:
                raise MappingFailed("The identity provider's projects are not as projects_json takes them: each has a name and "
                                    "roles, a list of objects with a name.") from exc


def _parsed(text: str, where: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise MappingFailed(f"What the identity provider said for the mapping's {where} is not JSON.") from exc
