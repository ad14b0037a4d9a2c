"""Tables of the key manager. What is secret lies in a table of its own, sealed, so that no list ever reads it."""

from datetime import datetime

from sqlalchemy import ForeignKey, Integer, Select, String, UniqueConstraint, or_, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from cloudd.core.database import Base, Blob, Id, Moment, Name, UserId

ONLY = 1
"""The id of the one row that says which master key is in force."""


class MasterKey(Base):
    """Which master key wraps the projects' keys: its fingerprint. The key itself is in a file, never here."""

    __tablename__ = "keymanager_master_key"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(32))
    changed_at: Mapped[datetime] = mapped_column(Moment)


class ProjectKey(Base):
    """The key that a project's secrets are sealed with, wrapped by the master key of this fingerprint."""

    __tablename__ = "keymanager_project_keys"

    project_id: Mapped[str] = mapped_column(Id, primary_key=True)
    wrapped: Mapped[bytes] = mapped_column(Blob)
    master: Mapped[str] = mapped_column(String(32))
    created_at: Mapped[datetime] = mapped_column(Moment)


class Secret(Base):
    """One secret. `content_type` is that of its payload, None while it has none."""

    __tablename__ = "keymanager_secrets"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(Id, index=True)
    creator_id: Mapped[str | None] = mapped_column(UserId)
    name: Mapped[str | None] = mapped_column(Name)
    secret_type: Mapped[str] = mapped_column(String(80))
    algorithm: Mapped[str | None] = mapped_column(Name)
    bit_length: Mapped[int | None] = mapped_column(Integer)
    mode: Mapped[str | None] = mapped_column(Name)
    content_type: Mapped[str | None] = mapped_column(String(64))
    expiration: Mapped[datetime | None] = mapped_column(Moment, index=True)
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)

    consumers: Mapped[list["SecretConsumer"]] = relationship(lazy="selectin", cascade="all, delete-orphan", passive_deletes=True,
                                                             order_by="(SecretConsumer.created_at, SecretConsumer.id)")

    @property
    def held(self) -> list["SecretConsumer"]:
        """The parts of this cloud that cannot do without it."""
        return [one for one in self.consumers if one.held]


class SecretPayload(Base):
    """What is secret, sealed with the project's key."""

    __tablename__ = "keymanager_payloads"

    secret_id: Mapped[str] = mapped_column(ForeignKey("keymanager_secrets.id", ondelete="CASCADE"), primary_key=True)
    sealed: Mapped[bytes] = mapped_column(Blob)


class SecretMetadatum(Base):
    """What a user noted of a secret."""

    __tablename__ = "keymanager_metadata"

    secret_id: Mapped[str] = mapped_column(ForeignKey("keymanager_secrets.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(Name, primary_key=True)
    value: Mapped[str] = mapped_column(Name)


class SecretConsumer(Base):
    """Who uses a secret. `held`: a part of this cloud said so, and only it can let go; else a user did."""

    __tablename__ = "keymanager_consumers"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    secret_id: Mapped[str] = mapped_column(ForeignKey("keymanager_secrets.id", ondelete="CASCADE"), index=True)
    project_id: Mapped[str] = mapped_column(Id, index=True)
    service: Mapped[str] = mapped_column(Name)
    resource_type: Mapped[str] = mapped_column(Name)
    resource_id: Mapped[str] = mapped_column(Name, index=True)
    held: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)

    __table_args__ = (UniqueConstraint("secret_id", "service", "resource_type", "resource_id", name="uq_keymanager_consumers"),)


def living(now: datetime) -> Select[tuple[Secret]]:
    """Secrets whose time has not come."""
    return select(Secret).where(or_(Secret.expiration.is_(None), Secret.expiration > now))
