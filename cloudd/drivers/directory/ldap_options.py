"""The options of an LDAP directory, under the names that Keystone gives them ([ldap]), read once into plain values."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ldap3
from ldap3.core.exceptions import LDAPExceptionError
from ldap3.utils.uri import parse_uri

from cloudd.drivers.directory.base import DirectoryError
from cloudd.drivers.directory.ldap_defaults import DEFAULTS

TIMEOUT = 5.0
"""Seconds for an answer where the options name none: Keystone would wait for ever."""

RESERVED = ("id", "name", "domain_id", "enabled", "password", "options", "links", "password_expires_at", "default_project_id")
"""Members of a user or group that no further attribute may stand for: they have options of their own, or are ours."""

VERIFY = {"demand": ssl.CERT_REQUIRED, "allow": ssl.CERT_NONE, "never": ssl.CERT_NONE}
SCOPES = {"one": ldap3.LEVEL, "sub": ldap3.SUBTREE}
ALIASES = {"default": ldap3.DEREF_NEVER, "never": ldap3.DEREF_NEVER, "searching": ldap3.DEREF_SEARCH,
           "finding": ldap3.DEREF_BASE, "always": ldap3.DEREF_ALWAYS}


@dataclass(frozen=True)
class Kind:
    """How entries of one kind (user, group) are found and read: attributes in lower case, by what they mean."""

    tree: str
    object_class: str
    filter: str
    key: str
    name: str
    description: str
    more: tuple[tuple[str, str], ...]

    def attributes(self, *others: str) -> list[str]:
        wanted = (self.key, self.name, self.description, *others, *(theirs for theirs, _ in self.more))
        return sorted(set(filter(None, wanted)))


@dataclass(frozen=True)
class Enabled:
    """How it is told whether a user may log in."""

    attribute: str
    mask: int
    default: str
    invert: bool
    group_dn: str
    member: str

    def read(self, value: str | None) -> bool:
        text = self.default if value is None else value
        if self.mask:
            return (number(text, 0) & self.mask) != self.mask
        return flag(text) != self.invert


class Options:
    """Everything that the driver needs to know. Raises DirectoryError for what makes no sense."""

    def __init__(self, given: Mapping[str, Any]):
        have = {**DEFAULTS, **{name: value for name, value in given.items() if value is not None}}
        self.user, self.password = have["user"] or "", given.get("password") or ""
        self.page_size = int(number(have["page_size"], 0))
        self.scope = chosen(SCOPES, have, "query_scope")
        self.aliases = chosen(ALIASES, have, "alias_dereferencing")
        self.referrals, self.shuffle = flag(have["chase_referrals"]), flag(have["randomize_urls"])
        wait = number(have["connection_timeout"], -1)
        self.timeout = wait if wait > 0 else TIMEOUT
        self.use_tls, self.pool_size = flag(have["use_tls"]), int(number(have["pool_size"], 10)) if flag(have["use_pool"]) else 0
        self.pool_lifetime = number(have["pool_connection_lifetime"], 600)
        self.members_are_ids, self.nesting = flag(have["group_members_are_ids"]), flag(have["group_ad_nesting"])
        self.users = _kind(have, "user", "Users", have["user_description_attribute"], {"mail": have["user_mail_attribute"]})
        self.groups = _kind(have, "group", "UserGroups", have["group_desc_attribute"], {})
        self.member = str(have["group_member_attribute"]).lower()
        ignored = words(have["user_attribute_ignore"])
        project = have["user_default_project_id_attribute"]
        self.default_project = str(project).lower() if project and "default_project_id" not in ignored else ""
        self.enabled = _enabled(have, self.users.tree, self.member, "enabled" in ignored)
        self.urls = words(have["url"])
        for url in self.urls:
            self._check(url)
        if not self.urls:
            raise DirectoryError("ldap.url names no server")
        try:
            self.tls = ldap3.Tls(validate=chosen(VERIFY, have, "tls_req_cert"), ca_certs_file=have["tls_cacertfile"] or None,
                                 ca_certs_path=have["tls_cacertdir"] or None)
        except (LDAPExceptionError, OSError) as exc:
            raise DirectoryError(f"ldap.tls_cacertfile, ldap.tls_cacertdir: {exc}") from exc

    def server(self, url: str) -> ldap3.Server:
        """A new one for each connection: it remembers for minutes that an address did not answer."""
        return ldap3.Server(url, tls=self.tls, connect_timeout=self.timeout, get_info=ldap3.NONE)

    def _check(self, url: str) -> None:
        parts = parse_uri(url)
        if not parts or not parts.get("host"):
            raise DirectoryError(f"ldap.url: {url!r} is no address such as ldap://HOST or ldaps://HOST:PORT")
        if parts["ssl"] and self.use_tls:
            raise DirectoryError("ldap.use_tls (StartTLS) and an ldaps:// address exclude each other")


def _kind(have: Mapping[str, Any], kind: str, branch: str, description: Any, plain: Mapping[str, Any]) -> Kind:
    ignored = words(have[f"{kind}_attribute_ignore"])
    pairs = [(str(theirs), ours) for ours, theirs in plain.items() if theirs]
    for text in words(have[f"{kind}_additional_attribute_mapping"]):
        theirs, _, ours = text.partition(":")
        pairs.append((theirs.strip(), ours.strip()))
    ignored = [*ignored, *RESERVED]
    named = {"mail": "email"}
    more = tuple((theirs.lower(), named.get(ours, ours)) for theirs, ours in pairs
                 if theirs and ours and not {ours, named.get(ours, ours)} & set(ignored))
    extra = have[f"{kind}_filter"] or ""
    return Kind(tree=have[f"{kind}_tree_dn"] or f"ou={branch},{have['suffix']}", object_class=have[f"{kind}_objectclass"],
                filter=extra if not extra or extra.startswith("(") else f"({extra})",
                key=str(have[f"{kind}_id_attribute"]).lower(), name=str(have[f"{kind}_name_attribute"]).lower(),
                description="" if "description" in ignored or not description else str(description).lower(), more=more)


def _enabled(have: Mapping[str, Any], tree: str, member: str, ignored: bool) -> Enabled:
    emulated = flag(have["user_enabled_emulation"])
    group = (have["user_enabled_emulation_dn"] or f"cn=enabled_users,{tree}") if emulated else ""
    own = flag(have["user_enabled_emulation_use_group_config"])
    attribute = "" if ignored or emulated else str(have["user_enabled_attribute"] or "").lower()
    return Enabled(attribute, 0 if emulated else int(number(have["user_enabled_mask"], 0)), str(have["user_enabled_default"]),
                   flag(have["user_enabled_invert"]) and not emulated, group, member if own else "member")


def flag(value: Any) -> bool:
    return value if isinstance(value, bool) else str(value).lower() in ("true", "1", "yes", "on")


def number(value: Any, otherwise: float) -> Any:
    """A number that may have come as text, whole where it is."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return otherwise
    return int(found) if found.is_integer() else found


def words(value: Any) -> list[str]:
    """A list, or text with commas between."""
    parts = value.split(",") if isinstance(value, str) else value or []
    return [str(part).strip() for part in parts if str(part).strip()]


def chosen(table: Mapping[str, Any], have: Mapping[str, Any], name: str) -> Any:
    try:
        return table[str(have[name]).lower()]
    except KeyError:
        raise DirectoryError(f"ldap.{name} = {have[name]}: it is one of {', '.join(table)}") from None
