"""Snapshots of volumes."""

from datetime import datetime

from sqlalchemy import Index, Integer, PrimaryKeyConstraint, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from cloudd.core.database import Base, Id, Moment, Name, UserId


class Snapshot(Base):
    """A volume as it was at one moment. `status` is moved by states.SNAPSHOT alone."""

    __tablename__ = "block_snapshots"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    volume_id: Mapped[str] = mapped_column(Id, index=True)
    project_id: Mapped[str] = mapped_column(Id)
    user_id: Mapped[str] = mapped_column(UserId)
    name: Mapped[str | None] = mapped_column(Name)
    description: Mapped[str | None] = mapped_column(Name)
    status: Mapped[str] = mapped_column(String(32))
    progress: Mapped[str | None] = mapped_column(String(8))
    volume_size: Mapped[int] = mapped_column(Integer)          # GiB, when it was taken
    volume_type_id: Mapped[str] = mapped_column(Id)
    counted: Mapped[bool] = mapped_column(default=True)
    group_snapshot_id: Mapped[str | None] = mapped_column(Id, index=True)
    encryption_key_id: Mapped[str | None] = mapped_column(Id)
    fault: Mapped[str | None] = mapped_column(Text)

    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime | None] = mapped_column(Moment)

    __table_args__ = (
        Index("ix_block_snapshots_project", "project_id", "created_at"),
        Index("ix_block_snapshots_created", "created_at"),
    )


class SnapshotMetadata(Base):
    __tablename__ = "block_snapshot_metadata"

    snapshot_id: Mapped[str] = mapped_column(Id)
    key: Mapped[str] = mapped_column(Name)
    value: Mapped[str] = mapped_column(Name)

    __table_args__ = (PrimaryKeyConstraint("snapshot_id", "key"), Index("ix_block_snapshot_metadata_key", "key", "value"))
