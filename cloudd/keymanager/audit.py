"""What the key manager tells of, for the audit log: every secret made, handed out and deleted. No payload is ever part of it."""

from dataclasses import dataclass
from typing import ClassVar

from cloudd.core.events import Event


@dataclass(frozen=True)
class SecretCreated(Event):
    """A secret was made; `copy_of`: from another."""

    name: ClassVar[str] = "keymanager.secret.created"
    secret_name: str | None
    secret_type: str
    copy_of: str | None = None


@dataclass(frozen=True)
class PayloadAdded(Event):
    """A secret that was made without a payload got one."""

    name: ClassVar[str] = "keymanager.secret.payload_added"
    secret_name: str | None


@dataclass(frozen=True)
class SecretOpened(Event):
    """A payload was handed out; `purpose`: to which part of the cloud, None to the caller himself."""

    name: ClassVar[str] = "keymanager.secret.opened"
    secret_name: str | None
    purpose: str | None = None


@dataclass(frozen=True)
class SecretDeleted(Event):
    """A secret is gone for ever; `reason`: asked, expired, or its project was deleted."""

    name: ClassVar[str] = "keymanager.secret.deleted"
    secret_name: str | None
    reason: str = "asked"


@dataclass(frozen=True)
class MetadataChanged(Event):
    """What a user noted of a secret changed; `keys` are those that it has now."""

    name: ClassVar[str] = "keymanager.secret.metadata_updated"
    keys: list[str]


@dataclass(frozen=True)
class ConsumerAdded(Event):
    """Somebody uses a secret from now on."""

    name: ClassVar[str] = "keymanager.consumer.added"
    service: str
    resource_type: str
    resource_id_of_consumer: str


@dataclass(frozen=True)
class ConsumerRemoved(ConsumerAdded):
    """Somebody does not use a secret any more."""

    name: ClassVar[str] = "keymanager.consumer.removed"


@dataclass(frozen=True)
class QuotasChanged(Event):
    """A project's quotas (the resource) were set, or taken back to the defaults."""

    name: ClassVar[str] = "keymanager.quotas.updated"
    quotas: dict[str, int]


@dataclass(frozen=True)
class Rewrapped(Event):
    """Somebody at the host made a new master key; the resource is its fingerprint."""

    name: ClassVar[str] = "keymanager.master_key.changed"
    projects: int
    outcome: str = "success"
