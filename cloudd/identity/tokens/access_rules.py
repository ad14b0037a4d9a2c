"""Access rules of application credentials: which requests they may make, checked for every request to every service."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core import ids
from cloudd.identity.models.extensions import AccessRule, CredentialRule


@lru_cache(1000)
def _pattern(path: str) -> re.Pattern[str]:
    """`*` and `{name}` stand for one segment, `**` for all that follows or lies between."""
    parts = re.split(r"(\*\*|\*|\{[^}/]*\})", path)
    made = [".*" if part == "**" else "[^/]+" if part == "*" or part.startswith("{") else re.escape(part) for part in parts]
    return re.compile("".join(made))


def covers(rules: Iterable[Mapping[str, str]], service: str, method: str, path: str) -> bool:
    """Whether one of the rules is about this request. Paths of rules begin behind the service's name in ours
    (`/v2.1/servers` for /compute/v2.1/servers), or are the whole path."""
    paths = (path, "/" + path.lstrip("/").partition("/")[2])
    return any(rule["service"] == service and rule["method"] == method and any(_pattern(rule["path"]).fullmatch(one) for one in paths)
               for rule in rules)


async def keep(tx: AsyncSession, user_id: str, wanted: Iterable[Mapping[str, str]], most: int = 0) -> list[AccessRule]:
    """The user's rules that are asked for, by id or by what they say; new ones are made. Raises LookupError for an id, OverflowError
    when he has `most` of them (0: no limit)."""
    query = select(AccessRule).where(AccessRule.user_id == user_id)
    have = list((await tx.execute(query)).scalars())
    found: dict[str, AccessRule] = {}
    for rule in wanted:
        row = next((row for row in have if (row.id == rule["id"] if "id" in rule else
                                            all(getattr(row, name) == rule[name] for name in ("service", "path", "method")))), None)
        if row is None and "id" in rule:
            raise LookupError(rule["id"])
        if row is None and most and len(have) >= most:
            raise OverflowError(most)
        if row is None:
            row = AccessRule(id=ids.new_hex(), user_id=user_id, service=rule["service"], path=rule["path"], method=rule["method"])
            tx.add(row)
            have.append(row)
        found[row.id] = row
    await tx.flush()
    return list(found.values())


async def users_of(tx: AsyncSession, rule_id: str) -> list[str]:
    """The application credentials that have a rule."""
    query = select(CredentialRule.application_credential_id).where(CredentialRule.access_rule_id == rule_id)
    return list((await tx.execute(query)).scalars())
