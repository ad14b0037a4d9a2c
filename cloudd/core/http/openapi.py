"""OpenAPI 3.1 from the declared operations, at each service's newest microversion, and a page to read it."""

import html
import re
from collections.abc import Iterable
from typing import Any

from cloudd import __version__
from cloudd.core.http.api import Api, Operation
from cloudd.core.http.microversions import show
from cloudd.core.http.shapes import LAST

_NAME = re.compile(r"\{(\w+)(\.\.\.)?\}")


def document(apis: Iterable[Api], server: str) -> dict[str, Any]:
    """The whole cloud as one OpenAPI document; paths are absolute, actions stand as `/action#name`."""
    paths: dict[str, dict[str, Any]] = {}
    tags = []
    for api in apis:
        tags.append({"name": api.service, "description": api.title})
        for operation in api.operations:
            path = (api.prefixes[0] + _NAME.sub(r"{\1}", operation.path) or "/")
            path += f"#{operation.action}" if operation.action else ""
            entry = paths.setdefault(path, {})
            if operation.method.lower() not in entry or operation.until == LAST:
                entry[operation.method.lower()] = _operation(api, operation)
    return {"openapi": "3.1.0", "info": {"title": "cloudd", "version": __version__}, "servers": [{"url": server}],
            "tags": tags, "paths": paths,
            "components": {"securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}}}}


def _operation(api: Api, operation: Operation) -> dict[str, Any]:
    newest = api.negotiation.history.last if api.negotiation else (0, 0)
    version = min(newest, operation.until)
    entry: dict[str, Any] = {
        "tags": [api.service], "summary": operation.summary,
        "operationId": f"{api.service}.{operation.handler.__module__.rsplit('.', 1)[-1]}.{operation.handler.__name__}",
        "parameters": [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                       for name in operation.names],
        "responses": {str(operation.status): {"description": "Done."}, "default": {"description": "An error, in words."}},
    }
    if operation.body is not None:
        entry["requestBody"] = {"required": True, "content": {"application/json": {
            "schema": operation.body.at(version, operation.use)}}}
    if operation.query is not None:
        entry["parameters"] += [{"name": item.name, "in": "query", "schema": item.type.schema()}
                                for item in operation.query.fields if item.lives(version)]
    if operation.auth:
        entry["security"] = [{"token": []}]
        entry["x-policy"] = operation.policy
    if operation.since > (0, 0):
        entry["x-min-version"] = show(operation.since)
    if operation.until < LAST:
        entry["x-max-version"] = show(operation.until)
        entry["deprecated"] = True
    return entry


def page(apis: Iterable[Api]) -> str:
    """The operations as one plain page of HTML, grouped by service."""
    parts = ["<!doctype html><meta charset=utf-8><title>cloudd: operations</title><style>",
             "body{font:15px/1.5 system-ui,sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem}",
             "table{border-collapse:collapse;width:100%}td{padding:.2rem .6rem;border-top:1px solid #ddd;vertical-align:top}",
             "code{font-size:13px}.m{font-weight:600}small{color:#666}</style>",
             "<h1>Operations</h1><p>Machine-readable: <a href='/openapi.json'>/openapi.json</a></p>"]
    for api in apis:
        parts.append(f"<h2 id='{api.service}'>{html.escape(api.title)}</h2><table>")
        for operation in sorted(api.operations, key=lambda one: (one.path, one.method)):
            name = f" <b>{html.escape(operation.action)}</b>" if operation.action else ""
            span = show(operation.since) if operation.since > (0, 0) else ""
            span += f" to {show(operation.until)}" if operation.until < LAST else ("+" if span else "")
            parts.append(f"<tr><td class=m>{operation.method}<td><code>{html.escape(api.prefixes[0] + operation.path)}</code>"
                         f"{name}<td>{html.escape(operation.summary)}<br><small>{operation.policy or 'no token'} {span}</small>")
        parts.append("</table>")
    return "".join(parts)
