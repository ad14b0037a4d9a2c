"""Who may do what: default rules under OpenStack's own names, in oslo.policy's check language, with a file of overrides.

The language (docs.openstack.org/oslo.policy, "Policy check expression"): `role:admin`, `rule:name`, `@`, `!`,
`attribute:%(target.attribute)s`, `'literal':%(target.attribute)s`, `and`, `or`, `not`, parentheses; an empty check allows.
Our own parser, since oslo.policy brings oslo.config and half a second of imports with it.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cloudd.core.context import Context
from cloudd.core.errors import Forbidden, StartError

Check = Callable[["Policies", Mapping[str, Any], Mapping[str, Any]], bool]
_TOKEN = re.compile(r"\(|\)|(?:'[^']*'|%\([^)]*\)s|[^\s()%'])+")
_TARGET = re.compile(r"%\(([^)]*)\)s")


class PolicyError(StartError):
    """A rule that cannot be read, or a name that no module declares."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One default: upstream's name, its check string and the token scopes it accepts (empty: any)."""

    name: str
    check: str
    scopes: tuple[str, ...] = ()
    description: str = ""


class Policies:
    """All rules of all modules, and the decisions."""

    def __init__(self, rules: Iterable[Rule] = ()):
        self.rules: dict[tuple[str, str], Rule] = {}
        self._checks: dict[tuple[str, str], Check] = {}
        for rule in rules:
            self.add("", rule)

    def add(self, service: str, rule: Rule) -> None:
        """Declare a rule of `service` (names such as `owner` mean different things in different services)."""
        self.rules[service, rule.name] = rule
        self._checks[service, rule.name] = parse(rule.check, service)

    def override(self, path: Path) -> None:
        """Read overrides: YAML of `service: {rule: check}` or, upstream's form, plain `rule: check`."""
        try:
            content = yaml.safe_load(path.read_text()) or {}
        except (OSError, yaml.YAMLError) as exc:
            raise PolicyError(f"policy file {path}: {exc}") from exc
        if not isinstance(content, dict):
            raise PolicyError(f"policy file {path}: expected a mapping of rule names to checks")
        for name, check in content.items():
            if isinstance(check, dict):
                for inner, value in check.items():
                    self._replace(path, [name], inner, value)
            else:
                self._replace(path, sorted({service for service, rule in self.rules if rule == name}), name, check)

    def _replace(self, path: Path, services: list[str], name: str, check: Any) -> None:
        known = [service for service in services if (service, name) in self.rules]
        if not known or not isinstance(check, str):
            raise PolicyError(f"policy file {path}: {name!r}: no such rule" if not known
                              else f"policy file {path}: {name!r}: the check is not text")
        for service in known:
            old = self.rules[service, name]
            self.add(service, Rule(name, check, old.scopes, old.description))

    def allows(self, context: Context, service: str, name: str, target: Mapping[str, Any]) -> bool:
        """Whether the caller may; an unknown rule denies. A token without a scope counts as a project's, as in oslo.policy."""
        rule = self.rules.get((service, name))
        if rule is None or (rule.scopes and (context.scope or "project") not in rule.scopes):
            return False
        return self._checks[service, name](self, target, context.credentials())

    def require(self, context: Context, service: str, name: str, target: Mapping[str, Any]) -> None:
        """Raise Forbidden unless the caller may."""
        if not self.allows(context, service, name, target):
            raise Forbidden(self._refusal(context, service, name), type="PolicyNotAuthorized", rule=name)

    def _refusal(self, context: Context, service: str, name: str) -> str:
        rule = self.rules.get((service, name))
        if rule and rule.scopes and (context.scope or "project") not in rule.scopes:
            return (f"Policy doesn't allow {name} to be performed: it needs a token scoped to {' or '.join(rule.scopes)}, "
                    f"this one is scoped to {context.scope or 'nothing'}.")
        return (f"Policy doesn't allow {name} to be performed: it needs \"{rule.check if rule else '!'}\"; "
                f"you have the roles {', '.join(sorted(context.roles)) or 'none'}.")


def parse(text: str, service: str = "") -> Check:
    """Compile a check string. Raises PolicyError on a syntax error."""
    tokens = _TOKEN.findall(text)
    if not tokens:
        return lambda policies, target, creds: True
    check, rest = _either(tokens, service)
    if rest:
        raise PolicyError(f"unexpected {rest[0]!r} in policy check {text!r}")
    return check


def _either(tokens: list[str], service: str) -> tuple[Check, list[str]]:
    left, tokens = _both(tokens, service)
    while tokens and tokens[0].lower() == "or":
        right, tokens = _both(tokens[1:], service)
        left = _join(any, left, right)
    return left, tokens


def _both(tokens: list[str], service: str) -> tuple[Check, list[str]]:
    left, tokens = _single(tokens, service)
    while tokens and tokens[0].lower() == "and":
        right, tokens = _single(tokens[1:], service)
        left = _join(all, left, right)
    return left, tokens


def _join(how: Callable[[Iterable[bool]], bool], left: Check, right: Check) -> Check:
    return lambda policies, target, creds: how(check(policies, target, creds) for check in (left, right))


def _single(tokens: list[str], service: str) -> tuple[Check, list[str]]:
    if not tokens:
        raise PolicyError("policy check ends where a condition was expected")
    head, rest = tokens[0], tokens[1:]
    if head == "(":
        inner, rest = _either(rest, service)
        if not rest or rest[0] != ")":
            raise PolicyError("missing ) in policy check")
        return inner, rest[1:]
    if head.lower() == "not":
        inner, rest = _single(rest, service)
        return (lambda policies, target, creds: not inner(policies, target, creds)), rest
    return _atom(head, service), rest


def _atom(text: str, service: str) -> Check:
    if text in ("@", "!"):
        return lambda policies, target, creds: text == "@"
    kind, colon, match = text.partition(":")
    if not colon:
        raise PolicyError(f"cannot read {text!r} in a policy check")
    if kind == "rule":
        return lambda policies, target, creds: policies._checks[service, match](policies, target, creds)
    if kind == "role":
        return lambda policies, target, creds: match.lower() in creds["roles"]
    if kind == "field":
        return _field(match)
    return _compare(kind, match)


def _field(match: str) -> Check:
    """Neutron's own check: `field:networks:shared=True`, `field:port:device_owner=~^network:` (a regular expression)."""
    resource, _, condition = match.partition(":")
    name, _, wanted = condition.rpartition("=")
    pattern = re.compile(wanted[1:]) if wanted.startswith("~") else None

    def check(policies: Policies, target: Mapping[str, Any], creds: Mapping[str, Any]) -> bool:
        value = _lookup(target, f"{resource}:{name}")
        value = _lookup(target, name) if value is None else value
        if value is None:
            return False
        return bool(pattern.match(str(value))) if pattern else str(value) == wanted
    return check


def _compare(kind: str, match: str) -> Check:
    def check(policies: Policies, target: Mapping[str, Any], creds: Mapping[str, Any]) -> bool:
        wanted = _fill(match, target)
        if kind == "None":                                   # `None:%(target.role.domain_id)s`: the target has no such value
            return wanted is None
        if match == "None":                                  # `domain_id:None`: the caller has none
            return _lookup(creds, kind) is None
        if wanted is None:
            return False
        if kind.startswith("'"):
            return kind.strip("'") == wanted
        if kind in ("True", "False") or kind.isdigit():
            return kind == wanted
        value = _lookup(creds, kind)
        return value is not None and str(value) == wanted
    return check


def _fill(match: str, target: Mapping[str, Any]) -> str | None:
    found = _TARGET.fullmatch(match)
    if not found:
        return match
    value = _lookup(target, found.group(1))
    return None if value is None else str(value)


def _lookup(values: Any, path: str) -> Any:
    if isinstance(values, Mapping) and path in values:
        return values[path]
    for part in path.split("."):
        values = values.get(part) if isinstance(values, Mapping) else getattr(values, part, None)
        if values is None:
            return None
    return values
