"""Receipts: what somebody has proved so far, when his rules ask for more (multi-factor login)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from cloudd.core.clock import iso_micro, now, parse
from cloudd.core.errors import Unauthorized
from cloudd.identity.keys import KeyRing, Unreadable
from cloudd.identity.people.subjects import Person

LIFETIME = timedelta(minutes=5)
MARK = b"R"
"""The first byte: a receipt is no token, though the same keys keep both."""


@dataclass(frozen=True, slots=True)
class Receipt:
    user_id: str
    methods: tuple[str, ...]
    issued_at: datetime
    expires_at: datetime


class MoreNeeded(Unauthorized):
    """The proof was good but one of several; the answer brings the receipt to go on with."""

    def __init__(self, receipt: Receipt, text: str, rules: list[set[str]], user: Person):
        super().__init__("Further methods are needed to log in.")
        self.headers["Openstack-Auth-Receipt"] = text
        self.body: dict[str, Any] = {
            "receipt": {"methods": list(receipt.methods), "issued_at": iso_micro(receipt.issued_at),
                        "expires_at": iso_micro(receipt.expires_at),
                        "user": {"id": user.id, "name": user.name, "domain": user.domain.view()}},
            "required_auth_methods": [sorted(rule) for rule in rules]}


def rules_of(options: Mapping[str, Any], known: frozenset[str]) -> list[set[str]]:
    """The sets of methods of which one must be proved; none when any proof will do. Rules with unknown methods do not count."""
    if options.get("multi_factor_auth_enabled") is False:
        return []
    rules = [set(rule) for rule in options.get("multi_factor_auth_rules") or () if rule]
    return [rule for rule in rules if rule <= known]


def write(ring: KeyRing, receipt: Receipt) -> str:
    data = orjson.dumps([receipt.user_id, receipt.methods, iso_micro(receipt.issued_at), iso_micro(receipt.expires_at)])
    return ring.encrypt(MARK + data).decode()


def read(ring: KeyRing, text: str) -> Receipt:
    """Raises Unauthorized for what is no receipt, or an old one."""
    try:
        data = ring.decrypt(text.encode())
        if not data.startswith(MARK):
            raise ValueError("not a receipt")
        user_id, methods, issued, expires = orjson.loads(data[1:])
    except (Unreadable, ValueError) as exc:
        raise Unauthorized("The auth receipt is not valid.") from exc
    receipt = Receipt(user_id, tuple(methods), parse(issued), parse(expires))
    if receipt.expires_at <= now():
        raise Unauthorized("The auth receipt is expired.")
    return receipt
