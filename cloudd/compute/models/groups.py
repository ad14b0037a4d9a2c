"""Server groups: servers that should run together or apart."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, PrimaryKeyConstraint, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from cloudd.core.database import Base, Id, Json, Moment, Name, UserId


class ServerGroup(Base):
    __tablename__ = "compute_server_groups"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(Name)
    project_id: Mapped[str] = mapped_column(Id, index=True)
    user_id: Mapped[str] = mapped_column(UserId)
    policy: Mapped[str] = mapped_column(String(32))            # affinity, anti-affinity, soft-affinity, soft-anti-affinity
    rules: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    created_at: Mapped[datetime] = mapped_column(Moment)

    member_rows: Mapped[list["ServerGroupMember"]] = relationship(cascade="all, delete-orphan", lazy="selectin")

    @property
    def members(self) -> list[str]:
        """The ids of its servers; a deleted server leaves its group in the transaction that deletes it."""
        return [row.server_id for row in self.member_rows]


class ServerGroupMember(Base):
    __tablename__ = "compute_server_group_members"

    group_id: Mapped[str] = mapped_column(ForeignKey(ServerGroup.id, ondelete="CASCADE"))
    server_id: Mapped[str] = mapped_column(Id, index=True)

    __table_args__ = (PrimaryKeyConstraint("group_id", "server_id"),)
