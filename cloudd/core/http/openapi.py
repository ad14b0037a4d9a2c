"""OpenAPI 3.1 from the declared operations, at each service's newest microversion: bodies, replies, query parameters, errors.

The schema of a reply that this page makes is what the tests hold every reply against (tests/replies.py).
"""

import re
from collections.abc import Iterable
from typing import Any

from cloudd import __version__
from cloudd.core.http.api import Api, Operation
from cloudd.core.http.microversions import Version, show
from cloudd.core.http.shapes import LAST
from cloudd.core.http.types import NOTHING, Type

_NAME = re.compile(r"\{(\w+)(\.\.\.)?\}")
DONE = {200: "Done.", 201: "Made.", 202: "Begun.", 204: "Done; there is no body.", 300: "Choose.", 303: "Go on there."}


def document(apis: Iterable[Api], server: str) -> dict[str, Any]:
    """The whole cloud as one OpenAPI document; paths are absolute, actions stand as `/action#name`."""
    paths: dict[str, dict[str, Any]] = {}
    errors, tags = {}, []
    for api in apis:
        tags.append({"name": api.service, "description": api.title})
        errors[_error(api)] = api.dialect.error_schema()
        for operation in api.operations:
            path = (api.prefixes[0] + _NAME.sub(r"{\1}", operation.path) or "/")
            path += f"#{operation.action}" if operation.action else ""
            entry = paths.setdefault(path, {})
            if operation.method.lower() not in entry or operation.until == LAST:
                entry[operation.method.lower()] = _operation(api, operation)
    return {"openapi": "3.1.0", "info": {"title": "cloudd", "version": __version__}, "servers": [{"url": server}],
            "tags": tags, "paths": paths, "components": {
                "schemas": errors, "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}}}}


def _error(api: Api) -> str:
    return f"{api.service}-error"


def newest(operation: Operation) -> Version:
    """The newest version that has the operation."""
    last = operation.api.negotiation.history.last if operation.api.negotiation else (0, 0)
    return min(last, operation.until)


def reply_schema(operation: Operation, version: Version) -> dict[str, Any] | None:
    """The JSON schema of an operation's reply; None where none is declared."""
    if isinstance(operation.answer, Type):
        return operation.answer.answer()
    shape, dialect = operation.answer or operation.reply, operation.api.dialect
    if shape is None:
        return None
    item = shape.answer(version)
    one = item if shape.name is None else {"type": "object", "properties": {shape.name: item}, "required": [shape.name],
                                           "additionalProperties": False}
    many = {"type": "object", "properties": dialect.list_members(shape.plural, item), "required": dialect.always(shape.plural),
            "additionalProperties": False}
    if operation.body is not None and operation.body.bulk and operation.use == "create":
        return {"anyOf": [one, many]}
    return many if operation.many else one


def _operation(api: Api, operation: Operation) -> dict[str, Any]:
    version = newest(operation)
    entry: dict[str, Any] = {
        "tags": [api.service], "summary": operation.summary, "operationId": _identifier(api, operation),
        "parameters": [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                       for name in operation.names] + _query(operation, version),
        "responses": {str(operation.status): _done(operation, version),
                      "default": {"description": "Refused, in words.", "content": {
                          "application/json": {"schema": {"$ref": f"#/components/schemas/{_error(api)}"}}}}},
    }
    if operation.body is not None:
        entry["requestBody"] = {"required": True, "content": {"application/json": {
            "schema": operation.body.at(version, operation.use)}}}
    if operation.auth:
        entry["security"] = [{"token": []}]
        entry["x-policy"] = operation.policy
    if operation.since > (0, 0):
        entry["x-min-version"] = show(operation.since)
    if operation.until < LAST:
        entry["x-max-version"] = show(operation.until)
        entry["deprecated"] = True
    return entry


def _identifier(api: Api, operation: Operation) -> str:
    """A name made of service, method, path and action; variables keep their braces' place by an underscore."""
    words = [segment.replace("{", "_").replace("}", "").replace("...", "") for segment in operation.path.split("/") if segment]
    return ".".join([api.service, operation.method.lower(), *words, *([operation.action] if operation.action else [])])


def _done(operation: Operation, version: Version) -> dict[str, Any]:
    entry: dict[str, Any] = {"description": DONE.get(operation.status, "Done.")}
    schema = reply_schema(operation, version)
    if schema is not None and operation.answer is not NOTHING:
        entry["content"] = {operation.media: {"schema": schema}}
    return entry


def _query(operation: Operation, version: Version) -> list[dict[str, Any]]:
    """What may stand behind the path: what the operation declares, else what its list is filtered, sorted and paged by."""
    known: dict[str, Any] = {}
    if operation.listing is not None:
        known = operation.listing.parameters(operation.api.dialect)
    if operation.query is not None:
        known |= {item.name: item.type.schema() for item in operation.query.fields if item.lives(version)}
    return [{"name": name, "in": "query", "schema": schema} for name, schema in sorted(known.items()) if name not in operation.names]
