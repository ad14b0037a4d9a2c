"""The operations of all services as one page of HTML to read."""

import html
from collections.abc import Iterable

from cloudd.core.http.api import Api
from cloudd.core.http.microversions import show
from cloudd.core.http.shapes import LAST


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
