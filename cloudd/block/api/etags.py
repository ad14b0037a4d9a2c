"""ETags of metadata (from 3.15 on): what was read can be asked for when it is changed."""

import hashlib
from typing import Any

import orjson

from cloudd.block import versions as v
from cloudd.core.errors import PreconditionFailed
from cloudd.core.http import Reply, Request


def _tag(document: dict[str, Any]) -> str:
    return f'"{hashlib.md5(orjson.dumps(document, option=orjson.OPT_SORT_KEYS), usedforsecurity=False).hexdigest()}"'


def answered(request: Request, document: dict[str, Any]) -> Reply:
    return Reply(document, headers={"ETag": _tag(document)} if request.has(v.ETAGS) else {})


def require_match(request: Request, document: dict[str, Any]) -> None:
    """Raise PreconditionFailed where the caller says what there is, and it is not."""
    wanted = request.raw.headers.get("If-Match")
    if wanted is None or not request.has(v.ETAGS):
        return
    tags = [tag.strip().removeprefix("W/") for tag in wanted.split(",")]
    if "*" not in tags and _tag(document) not in tags and _tag(document).strip('"') not in tags:
        raise PreconditionFailed("The metadata has changed meanwhile: read it again.")
