"""Identity's tables. A domain is a project with `is_domain` set, as in Keystone; grants name their actor and target by id."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Text,
    UniqueConstraint,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column, relationship

import cloudd.identity.models.extensions  # noqa: F401 - its tables belong to the schema
from cloudd.core.database import Base, Json, Moment, Name
from cloudd.identity.models.federation import FederatedUser

Key = String(64)
"""Keystone's ids: 32 hexadecimal digits for most, `default`, or a SHA-256 for an EC2 credential."""

SYSTEM = "system"
"""The target id of a grant on the whole cloud."""


class Project(Base):
    """A project, or (with `is_domain`) a domain: it has no domain and no parent of its own."""

    __tablename__ = "identity_projects"

    id: Mapped[str] = mapped_column(Key, primary_key=True)
    name: Mapped[str] = mapped_column(Name)
    domain_id: Mapped[str | None] = mapped_column(Key, index=True)
    parent_id: Mapped[str | None] = mapped_column(Key, index=True)
    is_domain: Mapped[bool] = mapped_column(default=False)
    enabled: Mapped[bool] = mapped_column(default=True)
    description: Mapped[str | None] = mapped_column(Text, default="")
    options: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    extra: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    tag_rows: Mapped[list["ProjectTag"]] = relationship(lazy="selectin", cascade="all, delete-orphan",
                                                        order_by="ProjectTag.name")

    __table_args__ = (
        UniqueConstraint("domain_id", "name"),
        Index("uq_identity_projects_domain", "name", unique=True, sqlite_where=text("is_domain")),
    )

    @property
    def tags(self) -> list[str]:
        return sorted(row.name for row in self.tag_rows)

    def retag(self, names: list[str]) -> None:
        """Make the tags exactly these, keeping the rows that stay."""
        kept = [row for row in self.tag_rows if row.name in names]
        have = {row.name for row in kept}
        self.tag_rows = [*kept, *(ProjectTag(name=name) for name in dict.fromkeys(names) if name not in have)]


class ProjectTag(Base):
    __tablename__ = "identity_project_tags"

    project_id: Mapped[str] = mapped_column(ForeignKey("identity_projects.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(Name, index=True)

    __table_args__ = (PrimaryKeyConstraint("project_id", "name"),)


class User(Base):
    """A user; with a `directory_id` one of a directory, which goes when he is not found there (directories.py)."""

    __tablename__ = "identity_users"

    id: Mapped[str] = mapped_column(Key, primary_key=True)
    name: Mapped[str] = mapped_column(Name)
    domain_id: Mapped[str] = mapped_column(Key, index=True)
    default_project_id: Mapped[str | None] = mapped_column(Key)
    enabled: Mapped[bool] = mapped_column(default=True)
    password_hash: Mapped[str | None] = mapped_column(String(255))
    password_changed_at: Mapped[datetime | None] = mapped_column(Moment)
    password_expires_at: Mapped[datetime | None] = mapped_column(Moment)
    directory_id: Mapped[str | None] = mapped_column(Name)
    options: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    extra: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    federated_rows: Mapped[list[FederatedUser]] = relationship(lazy="raise", cascade="all, delete-orphan", passive_deletes=True)

    __table_args__ = (UniqueConstraint("domain_id", "name"),)


class Group(Base):
    """A group; with a `directory_id` one of a directory."""

    __tablename__ = "identity_groups"

    id: Mapped[str] = mapped_column(Key, primary_key=True)
    name: Mapped[str] = mapped_column(Name)
    domain_id: Mapped[str] = mapped_column(Key, index=True)
    description: Mapped[str | None] = mapped_column(Text, default="")
    directory_id: Mapped[str | None] = mapped_column(Name)
    extra: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)

    __table_args__ = (UniqueConstraint("domain_id", "name"),)


class Membership(Base):
    __tablename__ = "identity_memberships"

    group_id: Mapped[str] = mapped_column(ForeignKey("identity_groups.id", ondelete="CASCADE"))
    user_id: Mapped[str] = mapped_column(ForeignKey("identity_users.id", ondelete="CASCADE"), index=True)

    __table_args__ = (PrimaryKeyConstraint("group_id", "user_id"),)


class Role(Base):
    """A role; with a `domain_id` it is that domain's own and only stands for the roles that it implies."""

    __tablename__ = "identity_roles"

    id: Mapped[str] = mapped_column(Key, primary_key=True)
    name: Mapped[str] = mapped_column(Name)
    domain_id: Mapped[str | None] = mapped_column(Key)
    description: Mapped[str | None] = mapped_column(Text)
    options: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    extra: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)

    __table_args__ = (
        UniqueConstraint("domain_id", "name"),
        Index("uq_identity_roles_global", "name", unique=True, sqlite_where=text("domain_id IS NULL")),
    )


class ImpliedRole(Base):
    __tablename__ = "identity_implied_roles"

    prior_role_id: Mapped[str] = mapped_column(ForeignKey("identity_roles.id", ondelete="CASCADE"))
    implied_role_id: Mapped[str] = mapped_column(ForeignKey("identity_roles.id", ondelete="CASCADE"))

    __table_args__ = (PrimaryKeyConstraint("prior_role_id", "implied_role_id"),)


class Assignment(Base):
    """A role given to an actor (`user`, `group`) on a target (`project`, `domain`, `system`).

    `inherited`: it holds on the projects below the target, not on the target itself (OS-INHERIT).
    """

    __tablename__ = "identity_assignments"

    actor: Mapped[str] = mapped_column(String(8))
    actor_id: Mapped[str] = mapped_column(Key)
    target: Mapped[str] = mapped_column(String(8))
    target_id: Mapped[str] = mapped_column(Key)
    role_id: Mapped[str] = mapped_column(ForeignKey("identity_roles.id", ondelete="CASCADE"))
    inherited: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (
        PrimaryKeyConstraint("actor_id", "target_id", "role_id", "inherited", "actor", "target"),
        Index("ix_identity_assignments_target", "target_id", "target"),
        Index("ix_identity_assignments_role", "role_id"),
    )


class Revocation(Base):
    """Tokens that are void: those of `kind` (audit, chain, user, project, domain) `value` made before it; `serial` tells which.

    Kept until the last such token would have expired by itself.
    """

    __tablename__ = "identity_revocations"

    kind: Mapped[str] = mapped_column(String(16))
    value: Mapped[str] = mapped_column(Key)
    issued_before: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)
    serial: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (PrimaryKeyConstraint("kind", "value"),)


class RevocationSerial(Base):
    """One row: the serial of the last revocation there was."""

    __tablename__ = "identity_revocation_serial"

    id: Mapped[int] = mapped_column(primary_key=True)
    last: Mapped[int] = mapped_column(BigInteger)


class Region(Base):
    __tablename__ = "identity_regions"

    id: Mapped[str] = mapped_column(Name, primary_key=True)
    description: Mapped[str] = mapped_column(Text, default="")
    parent_region_id: Mapped[str | None] = mapped_column(Name)
    extra: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)


class Service(Base):
    __tablename__ = "identity_services"

    id: Mapped[str] = mapped_column(Key, primary_key=True)
    type: Mapped[str] = mapped_column(Name, index=True)
    name: Mapped[str | None] = mapped_column(Name)
    description: Mapped[str | None] = mapped_column(Text)
    enabled: Mapped[bool] = mapped_column(default=True)
    extra: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    endpoints: Mapped[list["Endpoint"]] = relationship(lazy="raise", cascade="all, delete", passive_deletes=True)


class Endpoint(Base):
    """Where a service is. A `url` that begins with a slash is cloudd's own: it follows the host that the caller used."""

    __tablename__ = "identity_endpoints"

    id: Mapped[str] = mapped_column(Key, primary_key=True)
    service_id: Mapped[str] = mapped_column(ForeignKey("identity_services.id", ondelete="CASCADE"), index=True)
    region_id: Mapped[str | None] = mapped_column(Name, index=True)
    interface: Mapped[str] = mapped_column(String(8))
    url: Mapped[str] = mapped_column(Text)
    enabled: Mapped[bool] = mapped_column(default=True)
    extra: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)


class Credential(Base):
    """A user's credential (`ec2`, `totp`, `cert`...); the blob is encrypted with the keys in `credential-keys`."""

    __tablename__ = "identity_credentials"

    id: Mapped[str] = mapped_column(Key, primary_key=True)
    user_id: Mapped[str] = mapped_column(Key, index=True)
    project_id: Mapped[str | None] = mapped_column(Key, index=True)
    type: Mapped[str] = mapped_column(Name)
    encrypted_blob: Mapped[str] = mapped_column(Text)
    used_step: Mapped[int | None] = mapped_column(Integer)
    """Of a `totp` credential: the last time step whose passcode was used."""
    extra: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)


class Policy(Base):
    """A policy text that somebody wants kept here (deprecated upstream; nothing reads it)."""

    __tablename__ = "identity_policies"

    id: Mapped[str] = mapped_column(Key, primary_key=True)
    type: Mapped[str] = mapped_column(Name)
    blob: Mapped[Any] = mapped_column(Json)
    extra: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)


class RegisteredLimit(Base):
    """The default limit of a resource of a service, in a region or everywhere."""

    __tablename__ = "identity_registered_limits"

    id: Mapped[str] = mapped_column(Key, primary_key=True)
    service_id: Mapped[str] = mapped_column(Key, index=True)
    region_id: Mapped[str | None] = mapped_column(Name)
    resource_name: Mapped[str] = mapped_column(Name)
    default_limit: Mapped[int] = mapped_column(Integer)
    description: Mapped[str | None] = mapped_column(Text)


class Limit(Base):
    """A project's or domain's own limit, where it differs from the registered one."""

    __tablename__ = "identity_limits"

    id: Mapped[str] = mapped_column(Key, primary_key=True)
    project_id: Mapped[str | None] = mapped_column(Key, index=True)
    domain_id: Mapped[str | None] = mapped_column(Key, index=True)
    service_id: Mapped[str] = mapped_column(Key)
    region_id: Mapped[str | None] = mapped_column(Name)
    resource_name: Mapped[str] = mapped_column(Name)
    resource_limit: Mapped[int] = mapped_column(Integer)
    description: Mapped[str | None] = mapped_column(Text)


class Trust(Base):
    """What a trustor lets a trustee do in his name: some of his roles on a project, until a moment or a number of uses."""

    __tablename__ = "identity_trusts"

    id: Mapped[str] = mapped_column(Key, primary_key=True)
    trustor_user_id: Mapped[str] = mapped_column(Key, index=True)
    trustee_user_id: Mapped[str] = mapped_column(Key, index=True)
    project_id: Mapped[str | None] = mapped_column(Key, index=True)
    impersonation: Mapped[bool]
    role_ids: Mapped[list[str]] = mapped_column(Json)
    expires_at: Mapped[datetime | None] = mapped_column(Moment)
    remaining_uses: Mapped[int | None] = mapped_column(Integer)
    redelegated_trust_id: Mapped[str | None] = mapped_column(Key)
    redelegation_count: Mapped[int] = mapped_column(Integer, default=0)
    deleted_at: Mapped[datetime | None] = mapped_column(Moment)
    extra: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)


class ApplicationCredential(Base):
    """A secret that stands for a user with some of his roles on one project."""

    __tablename__ = "identity_application_credentials"

    id: Mapped[str] = mapped_column(Key, primary_key=True)
    name: Mapped[str] = mapped_column(Name)
    user_id: Mapped[str] = mapped_column(Key)
    project_id: Mapped[str] = mapped_column(Key, index=True)
    secret_hash: Mapped[str] = mapped_column(String(255))
    description: Mapped[str | None] = mapped_column(Text)
    role_ids: Mapped[list[str]] = mapped_column(Json)
    access_rules: Mapped[list[dict[str, str]] | None] = mapped_column(Json)
    """The requests that it may make (id, service, path, method); None: all."""
    unrestricted: Mapped[bool] = mapped_column(default=False)
    expires_at: Mapped[datetime | None] = mapped_column(Moment)

    __table_args__ = (UniqueConstraint("user_id", "name"),)


async def domain_named(tx: AsyncSession, name: str) -> Project | None:
    query = select(Project).where(Project.is_domain, Project.name == name)
    return (await tx.execute(query)).scalar_one_or_none()
