"""Tables of Keystone's extensions: federation, endpoint filtering, endpoint policies, OAuth 1.0a, domain configuration,
access rules."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Integer, PrimaryKeyConstraint, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cloudd.core.database import Base, Json, Moment, Name

Key = String(64)


class IdentityProvider(Base):
    """Somebody else's directory whose users may log in here."""

    __tablename__ = "identity_identity_providers"

    id: Mapped[str] = mapped_column(Name, primary_key=True)
    domain_id: Mapped[str] = mapped_column(Key)
    enabled: Mapped[bool] = mapped_column(default=False)
    description: Mapped[str | None] = mapped_column(Text)
    authorization_ttl: Mapped[int | None] = mapped_column(Integer)
    remote_ids: Mapped[list[str]] = mapped_column(Json, default=list)


class Protocol(Base):
    """How users of an identity provider come, and the mapping that makes local users of them."""

    __tablename__ = "identity_protocols"

    id: Mapped[str] = mapped_column(Key)
    idp_id: Mapped[str] = mapped_column(ForeignKey("identity_identity_providers.id", ondelete="CASCADE"))
    mapping_id: Mapped[str] = mapped_column(Key)
    remote_id_attribute: Mapped[str | None] = mapped_column(Name)

    __table_args__ = (PrimaryKeyConstraint("idp_id", "id"),)


class Mapping(Base):
    __tablename__ = "identity_mappings"

    id: Mapped[str] = mapped_column(Key, primary_key=True)
    rules: Mapped[list[Any]] = mapped_column(Json)
    schema_version: Mapped[str] = mapped_column(String(8), default="1.0")


class ServiceProvider(Base):
    """Another cloud that users of this one may go to."""

    __tablename__ = "identity_service_providers"

    id: Mapped[str] = mapped_column(Key, primary_key=True)
    auth_url: Mapped[str] = mapped_column(Text)
    sp_url: Mapped[str] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)
    enabled: Mapped[bool] = mapped_column(default=False)
    relay_state_prefix: Mapped[str] = mapped_column(Name, default="ss:mem:")


class EndpointGroup(Base):
    """The endpoints that have all members of `filters` (service_id, region_id, interface, enabled)."""

    __tablename__ = "identity_endpoint_groups"

    id: Mapped[str] = mapped_column(Key, primary_key=True)
    name: Mapped[str] = mapped_column(Name)
    description: Mapped[str | None] = mapped_column(Text)
    filters: Mapped[dict[str, Any]] = mapped_column(Json)


class ProjectEndpoint(Base):
    """An endpoint that a project sees: a project with such rows or with endpoint groups sees nothing else."""

    __tablename__ = "identity_project_endpoints"

    project_id: Mapped[str] = mapped_column(ForeignKey("identity_projects.id", ondelete="CASCADE"))
    endpoint_id: Mapped[str] = mapped_column(ForeignKey("identity_endpoints.id", ondelete="CASCADE"), index=True)

    __table_args__ = (PrimaryKeyConstraint("project_id", "endpoint_id"),)


class ProjectEndpointGroup(Base):
    __tablename__ = "identity_project_endpoint_groups"

    project_id: Mapped[str] = mapped_column(ForeignKey("identity_projects.id", ondelete="CASCADE"))
    endpoint_group_id: Mapped[str] = mapped_column(ForeignKey("identity_endpoint_groups.id", ondelete="CASCADE"), index=True)

    __table_args__ = (PrimaryKeyConstraint("project_id", "endpoint_group_id"),)


class PolicyAssociation(Base):
    """Which policy text an endpoint, a service, or a service in a region goes by. Unused ids are empty, not null: one row
    for each place."""

    __tablename__ = "identity_policy_associations"

    endpoint_id: Mapped[str] = mapped_column(Key, default="")
    service_id: Mapped[str] = mapped_column(Key, default="")
    region_id: Mapped[str] = mapped_column(Name, default="")
    policy_id: Mapped[str] = mapped_column(ForeignKey("identity_policies.id", ondelete="CASCADE"), index=True)

    __table_args__ = (PrimaryKeyConstraint("endpoint_id", "service_id", "region_id"),)


class DomainOption(Base):
    """One option of a domain's own configuration."""

    __tablename__ = "identity_domain_options"

    domain_id: Mapped[str] = mapped_column(ForeignKey("identity_projects.id", ondelete="CASCADE"))
    group: Mapped[str] = mapped_column(String(64))
    option: Mapped[str] = mapped_column(Name)
    value: Mapped[Any] = mapped_column(Json)

    __table_args__ = (PrimaryKeyConstraint("domain_id", "group", "option"),)


class Consumer(Base):
    """A program that may ask users for a part of their rights (OAuth 1.0a)."""

    __tablename__ = "identity_consumers"

    id: Mapped[str] = mapped_column(Key, primary_key=True)
    secret: Mapped[str] = mapped_column(Key)
    description: Mapped[str | None] = mapped_column(Text)
    extra: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)


class OAuthToken(Base):
    """What a consumer holds: a request token, which somebody authorizes (`verifier`), then an access token."""

    __tablename__ = "identity_oauth_tokens"

    id: Mapped[str] = mapped_column(Key, primary_key=True)
    kind: Mapped[str] = mapped_column(String(8))              # request, access
    secret: Mapped[str] = mapped_column(Key)
    consumer_id: Mapped[str] = mapped_column(ForeignKey("identity_consumers.id", ondelete="CASCADE"), index=True)
    project_id: Mapped[str] = mapped_column(Key, index=True)
    user_id: Mapped[str | None] = mapped_column(Key, index=True)
    verifier: Mapped[str | None] = mapped_column(String(64))
    role_ids: Mapped[list[str]] = mapped_column(Json, default=list)
    expires_at: Mapped[datetime | None] = mapped_column(Moment)


class AccessRule(Base):
    """A request that an application credential may make; its owner keeps it for further ones."""

    __tablename__ = "identity_access_rules"

    id: Mapped[str] = mapped_column(Key, primary_key=True)
    user_id: Mapped[str] = mapped_column(Key)
    service: Mapped[str] = mapped_column(String(64))
    path: Mapped[str] = mapped_column(String(128))
    method: Mapped[str] = mapped_column(String(16))

    __table_args__ = (UniqueConstraint("user_id", "service", "path", "method"),)


class CredentialRule(Base):
    """Which access rules an application credential has. A rule in use is not deleted."""

    __tablename__ = "identity_application_credential_rules"

    application_credential_id: Mapped[str] = mapped_column(
        ForeignKey("identity_application_credentials.id", ondelete="CASCADE"))
    access_rule_id: Mapped[str] = mapped_column(ForeignKey("identity_access_rules.id"), index=True)

    __table_args__ = (PrimaryKeyConstraint("application_credential_id", "access_rule_id"),)


class FormerPassword(Base):
    """The hash of a password that a user had, as long as the history is long."""

    __tablename__ = "identity_former_passwords"

    user_id: Mapped[str] = mapped_column(ForeignKey("identity_users.id", ondelete="CASCADE"))
    replaced_at: Mapped[datetime] = mapped_column(Moment)
    password_hash: Mapped[str] = mapped_column(String(255))

    __table_args__ = (PrimaryKeyConstraint("user_id", "replaced_at"),)


class LoginRecord(Base):
    """How a user's logins went lately. Apart from the user: tokens are not looked up again because of it."""

    __tablename__ = "identity_login_records"

    user_id: Mapped[str] = mapped_column(ForeignKey("identity_users.id", ondelete="CASCADE"), primary_key=True)
    failures: Mapped[int] = mapped_column(Integer, default=0)
    last_failed_at: Mapped[datetime | None] = mapped_column(Moment)
    last_active_at: Mapped[datetime | None] = mapped_column(Moment)
