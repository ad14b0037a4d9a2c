"""A domain's own options: which they are, and how they are kept. Secrets are sealed with the keys of the credentials."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.drivers.directory import ldap_defaults
from cloudd.identity.keys import CredentialRing
from cloudd.identity.models.extensions import DomainOption

DEFAULTS: dict[str, dict[str, Any]] = {"identity": {"driver": "sql", "list_limit": None}, "ldap": ldap_defaults.DEFAULTS}
SECRET = {"ldap": ldap_defaults.SECRET}
"""Options that are taken but never shown."""

SEALED = "sealed"


async def read(tx: AsyncSession, domain_id: str | None = None, ring: CredentialRing | None = None) -> dict[str, dict[str, dict[str, Any]]]:
    """Options by domain and group; secret ones only with the `ring` that opens them."""
    query = select(DomainOption).order_by(DomainOption.domain_id, DomainOption.group, DomainOption.option)
    if domain_id is not None:
        query = query.where(DomainOption.domain_id == domain_id)
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for row in (await tx.execute(query)).scalars():
        secret = row.option in SECRET.get(row.group, ())
        if not secret or ring is not None:
            value = _opened(ring, row.value) if secret and ring is not None else row.value
            found.setdefault(row.domain_id, {}).setdefault(row.group, {})[row.option] = value
    return found


async def write(tx: AsyncSession, ring: CredentialRing, domain_id: str, config: dict[str, dict[str, Any]]) -> None:
    for group, values in config.items():
        for option, value in values.items():
            if option in SECRET.get(group, ()) and value is not None:
                value = {SEALED: ring.encrypt(str(value).encode()).decode()}
            await tx.merge(DomainOption(domain_id=domain_id, group=group, option=option, value=value))
    await tx.flush()


def _opened(ring: CredentialRing, value: Any) -> Any:
    return ring.decrypt(value[SEALED].encode()).decode() if isinstance(value, dict) and SEALED in value else value
