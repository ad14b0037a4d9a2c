"""Volumes and what is written down of one: metadata, and what it has from its image."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Index, Integer, PrimaryKeyConstraint, String, Text, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from cloudd.core.database import Base, Id, Moment, Name, UserId


class Volume(Base):
    """A volume. `status` is moved by states.VOLUME alone; `previous_status` is where a failed or ended work goes back to.

    `host` is where it lies, as `HOST@BACKEND#POOL`. `counted`: it takes of the quota (a temporary one does not).
    """

    __tablename__ = "block_volumes"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(Id)
    user_id: Mapped[str] = mapped_column(UserId)
    name: Mapped[str | None] = mapped_column(Name)
    description: Mapped[str | None] = mapped_column(Name)
    size: Mapped[int] = mapped_column(Integer)                 # GiB
    wanted_size: Mapped[int | None] = mapped_column(Integer)   # what it is being extended to
    status: Mapped[str] = mapped_column(String(32))
    previous_status: Mapped[str | None] = mapped_column(String(32))
    attach_status: Mapped[str] = mapped_column(String(32), default="detached")
    migration_status: Mapped[str | None] = mapped_column(String(32))
    replication_status: Mapped[str | None] = mapped_column(String(32))
    bootable: Mapped[bool] = mapped_column(default=False)
    multiattach: Mapped[bool] = mapped_column(default=False)
    readonly: Mapped[bool | None] = mapped_column()            # None: nobody has said so
    attached_mode: Mapped[str | None] = mapped_column(String(4))
    counted: Mapped[bool] = mapped_column(default=True)
    volume_type_id: Mapped[str] = mapped_column(Id, index=True)
    availability_zone: Mapped[str] = mapped_column(Name)
    host: Mapped[str | None] = mapped_column(Name)
    snapshot_id: Mapped[str | None] = mapped_column(Id)
    source_volid: Mapped[str | None] = mapped_column(Id)
    group_id: Mapped[str | None] = mapped_column(Id, index=True)
    encryption_key_id: Mapped[str | None] = mapped_column(Id)
    fault: Mapped[str | None] = mapped_column(Text)            # why it is in error, in words
    lost: Mapped[bool] = mapped_column(default=False)          # its back end has no such volume any more

    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime | None] = mapped_column(Moment)
    launched_at: Mapped[datetime | None] = mapped_column(Moment)

    __table_args__ = (
        Index("ix_block_volumes_project", "project_id", "created_at"),
        Index("ix_block_volumes_created", "created_at"),
    )


class VolumeMetadata(Base):
    __tablename__ = "block_volume_metadata"

    volume_id: Mapped[str] = mapped_column(Id)
    key: Mapped[str] = mapped_column(Name)
    value: Mapped[str] = mapped_column(Name)

    __table_args__ = (PrimaryKeyConstraint("volume_id", "key"), Index("ix_block_volume_metadata_key", "key", "value"))


class ImageMetadata(Base):
    """What a volume's image said of itself: servers that boot from the volume obey it."""

    __tablename__ = "block_volume_image_metadata"

    volume_id: Mapped[str] = mapped_column(Id)
    key: Mapped[str] = mapped_column(Name)
    value: Mapped[str] = mapped_column(Text)

    __table_args__ = (PrimaryKeyConstraint("volume_id", "key"),)


async def texts_of(tx: AsyncSession, model: Any, owner: Any, ids: Iterable[str]) -> dict[str, dict[str, str]]:
    """Keys and values of several owners' rows (`model.key`, `model.value`), by owner, in one query."""
    query = select(owner, model.key, model.value).where(owner.in_(list(ids))).order_by(model.key)
    found: dict[str, dict[str, str]] = {}
    for owner_id, key, value in await tx.execute(query):
        found.setdefault(owner_id, {})[key] = value
    return found
