"""What the daemon starts and stops of identity: tokens and their keys, the catalog, the first accounts."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from aiohttp import web

from cloudd.core import log, tasks, tls
from cloudd.core.context import Context
from cloudd.core.module import Module
from cloudd.core.parts import Parts
from cloudd.identity import api, clouds_file
from cloudd.identity.api import (
    access_rules,
    application_credentials,
    assignments,
    credentials,
    domain_configs,
    ec2,
    endpoint_filters,
    endpoint_policies,
    federation,
    federation_login,
    federation_saml,
    grants,
    limits,
    oauth1,
    oauth2,
    projects,
    revocations,
    roles,
    services,
    tokens,
    trusts,
    users,
    versions,
)
from cloudd.identity.bootstrap import bootstrap, password_of
from cloudd.identity.catalog import Catalog
from cloudd.identity.federation import oidc_settings
from cloudd.identity.federation.oidc_provider import OidcProvider, OidcProviders
from cloudd.identity.federation.oidc_websso import Ended
from cloudd.identity.federation.saml import Signer
from cloudd.identity.keys import CredentialRing, KeyRing
from cloudd.identity.passwords import Hasher
from cloudd.identity.people.attempts import Attempts
from cloudd.identity.people.directories import Directories
from cloudd.identity.tokens.tokens import Tokens

LOG = log.get("cloudd.identity")
HOUSEKEEPING_SECONDS = 3600
RESOURCES = (access_rules, application_credentials, assignments, credentials, domain_configs, ec2, endpoint_filters,
             endpoint_policies, federation, federation_login, federation_saml, grants, limits, oauth1, oauth2, projects,
             revocations, roles, services, tokens, trusts, users)
"""Importing them declared their operations."""


class IdentityModule(Module):
    name = "identity"
    apis = (api.API, versions.ROOT)

    def __init__(self, parts: Parts):
        super().__init__(parts)
        self._modules: Sequence[Module] = (self,)
        self.tokens = Tokens(parts)
        parts.services[Tokens] = self.tokens
        options = parts.settings.identity
        parts.services[Attempts] = Attempts(options.failed_logins_per_minute, options.failed_logins_per_address)
        parts.services[Catalog] = Catalog(parts.database)
        parts.services[CredentialRing] = CredentialRing.of(parts.settings)
        parts.services[Hasher] = Hasher(parts.settings.identity)
        parts.services[Directories] = Directories(parts)
        providers = oidc_settings.read(parts.settings.federation.providers_file)
        parts.services[OidcProviders] = OidcProviders({name: OidcProvider(name, options) for name, options in providers.items()})
        parts.services[Ended] = Ended()
        parts.services[Signer] = Signer(Path(parts.settings.server.state_dir) / "saml")

    def catalog_of(self, modules: Sequence[Module]) -> None:
        """Whose entries the catalog is made of."""
        self._modules = modules

    def catalog(self) -> tuple[tuple[str, str, str], ...]:
        return (("identity", "keystone", "/identity"),)

    async def authenticate(self, raw: web.Request, anonymous: Context, service: str) -> Context:
        """The caller of a request to a service. Raises Unauthorized, also for what an application credential's rules leave out."""
        return await self.tokens.authenticate(raw, anonymous, service)

    async def open(self) -> None:
        self.tokens.ring.ensure()
        self.parts.service(CredentialRing).ensure()
        await self.tokens.revocations.read(self.parts.database)
        entries = [entry for module in self._modules for entry in module.catalog()]
        await bootstrap(self.parts.database, self.parts.settings, self.parts.service(Hasher), entries)
        write_clouds(self.parts.settings)

    async def start(self) -> None:
        await self._rotate_keys()
        tasks.repeat("token keys", self._rotate_keys, self._until_rotation)
        tasks.repeat("old revocations", self._forget_old_revocations, lambda: HOUSEKEEPING_SECONDS)

    async def stop(self) -> None:
        await self.parts.service(Directories).close()
        self.parts.service(Hasher).close()

    async def _rotate_keys(self) -> None:
        """Rotate the token keys when the primary is old enough, or by its date not yet made: the clock was set back, and who knows
        how old it is."""
        age = self.tokens.ring.age()
        if age >= self.parts.settings.identity.key_rotation or age < -HOUSEKEEPING_SECONDS:
            LOG.info("token keys rotated", primary=self.tokens.ring.rotate())

    def _until_rotation(self) -> float:
        """Seconds; looked at every hour at least, since an operator may rotate them as well."""
        left = self.parts.settings.identity.key_rotation - self.tokens.ring.age()
        return min(max(left, 60), HOUSEKEEPING_SECONDS)

    async def _forget_old_revocations(self) -> None:
        await self.tokens.revocations.forget_old(self.parts.database)


def write_clouds(settings: Any, renew: Collection[str] = ()) -> Path:
    """Write clouds.yaml for the accounts that the bootstrap made; those in `renew` have a new password, kept in the state directory."""
    state, paths = Path(settings.server.state_dir), tls.wanted(settings)
    ca_file = str(paths.ca.absolute()) if paths and paths.ca else None
    names = ["admin", *(["demo"] if settings.identity.demo else [])]
    passwords = {name: password_of(state, name, settings.identity.admin_password if name == "admin" and name not in renew else None)
                 for name in names}
    url = f"{address(settings, 'https' if paths else 'http')}/identity"
    return clouds_file.write(state, url, settings.server.region, passwords, ca_file, renew)


def address(settings: Any, scheme: str) -> str:
    """Where clients on this machine find the cloud."""
    if settings.server.public_url:
        return settings.server.public_url.rstrip("/")
    host, port = settings.server.addresses()[0]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def rotate_keys(settings: Any) -> int:
    """Rotate the token keys of a cloud, running or not; the number of the new primary key."""
    ring = KeyRing.of(settings)
    ring.ensure()
    return ring.rotate()

