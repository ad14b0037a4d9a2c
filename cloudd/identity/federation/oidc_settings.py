"""How to reach the OpenID providers: the file that `[federation] providers_file` names, read at the start.

A section is named by the id of an identity provider (`openstack identity provider create acme`). Everything that Keystone
leaves to Apache's mod_auth_openidc is said here; secrets stand in no table of the database.
"""

import configparser
import ssl
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from cloudd.core import options
from cloudd.core.options import SettingsError, option, shown

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures with a private key. `none`, and HMAC with a secret that is none, are never taken."""


def algorithm(text: str) -> None:
    """one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA"""
    if text not in ALGORITHMS:
        raise ValueError(text)


@dataclass(frozen=True)
class Provider:
    """One OpenID provider."""

    issuer: str = option("", "The issuer, to the letter as the provider's tokens name it, as https://login.example.org/realms/acme. "
                             "ISSUER/.well-known/openid-configuration must be there.", form=options.web_address)
    client_id: str = option("", "What this cloud is called at the provider.")
    client_secret: str = option("", "Its secret there. Empty: a public client (PKCE is used in any case).", secret=True)
    scopes: str = option("openid profile email", "What a web login asks for.")
    audiences: tuple[str, ...] = option((), "For whom an access token must be. Empty: for client_id.")
    access_token: Literal["auto", "jwt", "introspection", "userinfo"] = option(
        "auto", "How an access token is checked. jwt: by its signature; introspection: the provider is asked; userinfo: whatever "
                "token opens the provider's userinfo is taken, also one that was made for another client (only for a provider "
                "that this cloud has to itself). auto: jwt for those that are one, else introspection.")
    algorithms: tuple[str, ...] = option(("RS256", "PS256", "ES256", "EdDSA"), "Signatures that are taken.", form=algorithm)
    leeway: int = option(30, "Seconds that the provider's clock may be off.", least=0, most=600)
    timeout: int = option(10, "Seconds that an answer of the provider may take.", least=1, most=120)
    hosts: tuple[str, ...] = option((), "Hosts (HOST or HOST:PORT) besides the issuer's that the provider's addresses may lead to "
                                        "although they are inside: loopback, link-local or this machine's own.")
    ca_file: str = option("", "Certificates in PEM that the provider's are checked against. Empty: the system's.")

    @property
    def allowed(self) -> tuple[str, ...]:
        """What the guarded client may reach although it is inside."""
        parts = urlsplit(self.issuer)
        return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname or "", *self.hosts

    @property
    def wanted_audiences(self) -> tuple[str, ...]:
        return self.audiences or (self.client_id,)

    def tls(self) -> ssl.SSLContext | None:
        return ssl.create_default_context(cafile=self.ca_file) if self.ca_file else None


REQUIRED = ("issuer", "client_id")


def read(path: str) -> dict[str, Provider]:
    """The providers by the id of their identity provider; none for an empty path. Raises SettingsError."""
    if not path:
        return {}
    parser = configparser.ConfigParser(interpolation=None, default_section="", inline_comment_prefixes=None)
    try:
        parser.read_string(Path(path).read_text(), path)
    except (OSError, UnicodeDecodeError, configparser.Error) as exc:
        raise SettingsError(f"[federation] providers_file: {' '.join(str(exc).split())}") from exc
    return {section: _provider(f"{path}: [{section}]", dict(parser.items(section))) for section in parser.sections()}


def _provider(where: str, given: dict[str, str]) -> Provider:
    known = {item.name: item for item in fields(Provider)}
    if unknown := given.keys() - known.keys():
        raise SettingsError(f"{where} {min(unknown)} is no option; there are: {', '.join(known)}")
    values: dict[str, Any] = {name: options.read(known[name], text, f"{where} {name}") for name, text in given.items()}
    if missing := [name for name in REQUIRED if not values.get(name)]:
        raise SettingsError(f"{where} {missing[0]} is missing")
    made = Provider(**values)
    if "openid" not in made.scopes.split():
        raise SettingsError(f"{where} scopes = {made.scopes!r}: openid must be one of them")
    try:
        made.tls()
    except (OSError, ssl.SSLError) as exc:
        raise SettingsError(f"{where} ca_file: {exc}") from exc
    return made


def sample() -> str:
    """The text of `etc/identity-providers.conf`."""
    lines = ["# OpenID providers of cloudd: a section per identity provider, named by its id. Only root and cloudd should read it.",
             "# [federation] providers_file in cloudd.conf names this file. Printed by `cloudd config sample-providers`.",
             "#", "# At the provider, register the client with the redirect address",
             "# https://CLOUD/identity/v3/auth/OS-FEDERATION/identity_providers/ID/protocols/openid/websso/callback", "", "#[acme]"]
    for item in fields(Provider):
        lines += ["", f"# {item.metadata['help']}", f"# Type: {options.right(item)}", f"#{item.name} = {shown(item.default)}".rstrip()]
    return "\n".join(lines) + "\n"
