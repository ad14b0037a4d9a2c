"""Holds every reply of a cloud under test against what /openapi.json says of it: a member too many, too few or of another type fails."""

import json
from functools import cache
from typing import Any

import jsonschema_rs

from cloudd.core.http.api import Operation
from cloudd.core.http.microversions import Version
from cloudd.core.http.openapi import reply_schema
from cloudd.core.http.request import Request


class Untrue(AssertionError):
    """A reply is not what the document says."""


@cache
def _validator(operation: Operation, version: Version, some: bool) -> Any:
    schema = reply_schema(operation, version)
    return None if schema is None else jsonschema_rs.Draft202012Validator(_some(schema) if some else schema)


def _some(schema: Any) -> Any:
    """The same where the request asked for some members only."""
    if isinstance(schema, dict):
        return {name: _some(value) for name, value in schema.items() if name != "required"}
    return [_some(value) for value in schema] if isinstance(schema, list) else schema


def check(request: Request, status: int, body: Any) -> None:
    """A finger for `Dispatcher.probe`."""
    operation = request.operation
    validator = _validator(operation, request.version, request.api.dialect.partial and "fields" in request.query)
    if validator is None or body is None:
        return
    if isinstance(body, bytes):
        body = json.loads(body)
    if error := next(iter(validator.iter_errors(body)), None):
        where = "/".join(str(part) for part in error.instance_path)
        raise Untrue(f"{operation.method} {operation.path} at {request.version}: {where}: {error.message[:300]}")
