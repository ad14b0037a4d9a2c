"""Tables of users who come from outside: who they are there, and the groups that a mapping put them in."""

from datetime import datetime

from sqlalchemy import ForeignKey, ForeignKeyConstraint, PrimaryKeyConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from cloudd.core.database import Base, Moment, Name

Key = String(64)


class FederatedUser(Base):
    """A user as an identity provider knows him; it goes with the protocol, the user stays."""

    __tablename__ = "identity_federated_users"

    idp_id: Mapped[str] = mapped_column(Name)
    protocol_id: Mapped[str] = mapped_column(Key)
    unique_id: Mapped[str] = mapped_column(Name)
    user_id: Mapped[str] = mapped_column(ForeignKey("identity_users.id", ondelete="CASCADE"), index=True)

    __table_args__ = (
        PrimaryKeyConstraint("idp_id", "protocol_id", "unique_id"),
        ForeignKeyConstraint(["idp_id", "protocol_id"], ["identity_protocols.idp_id", "identity_protocols.id"],
                             ondelete="CASCADE"),
    )


class ExpiringMembership(Base):
    """A user is in a group because an identity provider said so; what he delegated has the group's roles until `expires_at`."""

    __tablename__ = "identity_expiring_memberships"

    user_id: Mapped[str] = mapped_column(ForeignKey("identity_users.id", ondelete="CASCADE"))
    group_id: Mapped[str] = mapped_column(ForeignKey("identity_groups.id", ondelete="CASCADE"), index=True)
    idp_id: Mapped[str] = mapped_column(ForeignKey("identity_identity_providers.id", ondelete="CASCADE"), index=True)
    verified_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment)

    __table_args__ = (PrimaryKeyConstraint("user_id", "group_id", "idp_id"),)
