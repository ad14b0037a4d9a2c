"""Hostile requests made from the declarations: each is a request that somebody could mean, with one thing in it that nobody would."""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from cloudd.core.http.api import Operation
from cloudd.core.http.microversions import show
from tests.api.hostile_values import HEADERS, NESTS, NOBODY, PARAMETERS, RAW, SCALARS, TEXTS


@dataclass(frozen=True)
class Hostile:
    """One request, as its bytes go over the wire."""

    method: str
    target: str
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes | None = None

    def wire(self, token: str) -> bytes:
        sent = {name.lower() for name, _ in self.headers}
        usual = [(b"Host", b"cloud"), (b"X-Auth-Token", token.encode())]
        usual += [(b"Content-Type", b"application/json")] if self.body is not None else []
        lines = [f"{self.method} {self.target} HTTP/1.1".encode(), *(name + b": " + value for name, value in (
            *(one for one in usual if one[0].lower() not in sent), *self.headers))]
        if self.body is not None:
            lines.append(f"Content-Length: {len(self.body)}".encode())
        return b"\r\n".join(lines) + b"\r\n\r\n" + (self.body or b"")


class Maker:
    """Makes requests from declarations. `known`: ids of what is there, by collection (`/compute/v2.1/servers`)."""

    def __init__(self, seed: int, known: dict[str, list[str]]):
        self.random, self.known = random.Random(seed), known

    def value(self, depth: int = 0) -> Any:
        kind = self.random.random()
        if kind < 0.25:
            return self.random.choice(SCALARS)
        if kind < 0.8 or depth > 2:
            return self.random.choice(TEXTS)
        if kind < 0.9:
            return self.random.choice(NESTS)
        return [self.value(depth + 1)] if kind < 0.95 else {self.random.choice(["id", "name", "x", "uuid"]): self.value(depth + 1)}

    def path(self, operation: Operation, hostile: bool = False) -> str:
        made, names = operation.api.prefixes[0], re.findall(r"\{[^}]*\}", operation.path)
        victim = self.random.choice(names) if hostile and names else None
        for segment in operation.path.strip("/").split("/") if operation.path.strip("/") else ():
            if not segment.startswith("{"):
                made += f"/{segment}"
            elif segment == victim:
                made += "/" + quote(self.random.choice(TEXTS), safe="")
            else:
                made += "/" + quote(str(self.random.choice(self.known.get(made) or [NOBODY])), safe="")
        return made + ("/" if operation.path.endswith("/") and operation.path != "/" else "")

    def of(self, operation: Operation, many: int) -> Iterator[Hostile]:
        """`many` requests at one operation."""
        for number in range(many):
            path, query, body, headers = self.path(operation), "", self.body(operation), list(self.version(operation))
            kinds = ["path"] * bool(operation.names) + ["query", "header"] + (["raw", *["body"] * 4] if body is not None else [])
            kind = kinds[number % len(kinds)] if number < len(kinds) else self.random.choice(kinds)
            data = None if body is None else orjson.dumps(body)
            if kind == "path":
                path = self.path(operation, hostile=True)
            elif kind == "query":
                query = "?" + "&".join(f"{quote(name)}={quote(self.random.choice(TEXTS)[:300])}" for name in self.random.choices(
                    [*PARAMETERS, *(operation.query.names() if operation.query else ())], k=self.random.choice([1, 1, 2, 3])))
            elif kind == "body":
                data = orjson.dumps(self.spoil(body))
            elif kind == "raw":
                data = self.random.choice(RAW)
                if operation.action and self.random.random() < 0.7:
                    data = b'{"%s":%s}' % (operation.action.encode(), data)
            else:
                headers.append(self.random.choice(HEADERS))
            yield Hostile(operation.method, path + query, tuple(headers), data)

    def version(self, operation: Operation) -> Iterator[tuple[bytes, bytes]]:
        if operation.api.negotiation:
            history = operation.api.negotiation.history
            wanted = self.random.choice([max(operation.since, history.first), min(operation.until, history.last)])
            yield b"OpenStack-API-Version", f"{operation.api.negotiation.service} {show(wanted)}".encode()

    def body(self, operation: Operation) -> Any:
        """A body that fits the declaration, more or less."""
        if operation.method not in ("POST", "PUT", "PATCH") or not (operation.body or operation.action):
            return None
        version = min(operation.until, operation.api.negotiation.history.last) if operation.api.negotiation else (0, 0)
        made = self.fitting(operation.body.at(version, operation.use)) if operation.body else None
        if operation.action and not (isinstance(made, dict) and operation.action in made):
            return {operation.action: made}
        return made

    def fitting(self, schema: Any, depth: int = 0) -> Any:
        """A value that a schema takes, as far as this knows schemas."""
        if not isinstance(schema, dict):
            return "x"
        for word in ("anyOf", "oneOf", "allOf"):
            if word in schema:
                return self.fitting(self.random.choice(schema[word]), depth + 1)
        if "enum" in schema:
            return self.random.choice(list(schema["enum"]) or [None])
        kind = schema.get("type", "string")
        kind = self.random.choice(kind) if isinstance(kind, list) else kind
        if kind == "object":
            wanted = set(schema.get("required", ()))
            likely = 0.4 if depth < 3 else 0.1
            members = {name: self.fitting(inner, depth + 1) for name, inner in schema.get("properties", {}).items()
                       if name in wanted or self.random.random() < likely}
            return members or ({"key": self.fitting(schema["additionalProperties"], depth + 1)}
                               if isinstance(schema.get("additionalProperties"), dict) else {})
        if kind == "array":
            many = max(schema.get("minItems", 0), self.random.choice([0, 1]))
            return [self.fitting(schema.get("items", {}), depth + 1) for _ in range(many)]
        if kind in ("integer", "number"):
            return max(schema.get("minimum", 1), 1) if schema.get("maximum", 1) >= 1 else schema["maximum"]
        return {"boolean": True, "null": None}.get(kind) if kind in ("boolean", "null") else self.text(schema)

    def text(self, schema: dict[str, Any]) -> str:
        form, pattern = schema.get("format", ""), schema.get("pattern", "")
        if form in ("ipv4", "ip-address", "ipv6"):
            return "fd00::5" if form == "ipv6" else "10.9.8.7"
        if form in ("cidr", "mac-address", "uri", "date-time"):
            usual = {"cidr": "10.9.0.0/24", "mac-address": "fa:16:3e:01:02:03", "uri": "http://127.0.0.1/x"}
            return usual.get(form, "2030-01-01T00:00:00Z")
        if "{12}" in pattern or "{8}" in pattern:
            flat = [one for ids in self.known.values() for one in ids]
            return self.random.choice([*flat, NOBODY])
        return "1" if "[0-9]+" in pattern else self.random.choice(["x", "name", "http"]) + "x" * max(0, schema.get("minLength", 0) - 4)

    def spoil(self, value: Any) -> Any:
        """The same with one thing in it changed, left out or added."""
        if isinstance(value, dict) and value and self.random.random() < 0.9:
            name = self.random.choice(list(value))
            turn = self.random.random()
            if turn < 0.08:
                return {key: inner for key, inner in value.items() if key != name}
            if turn < 0.14:
                return {**value, self.random.choice(["id", "x", "", "a\nb", "links", "project_id", "tenant_id"]): self.value()}
            return {**value, name: self.spoil(value[name])}
        if isinstance(value, list) and value and self.random.random() < 0.8:
            return [self.spoil(value[0]), *value[1:]] if self.random.random() < 0.7 else value * self.random.choice([2, 300])
        return self.value()
