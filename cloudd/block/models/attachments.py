"""Attachments: who has a volume, from the reservation to the detach."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from cloudd.core.database import Base, Id, Json, Moment, Name


class Attachment(Base):
    """One attachment of one volume. `held`: compute has made it for a server of its own, so nobody ends it but compute.

    How its guest reaches the volume is asked of the back end at every start, and kept nowhere.
    """

    __tablename__ = "block_attachments"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    volume_id: Mapped[str] = mapped_column(Id, index=True)
    project_id: Mapped[str] = mapped_column(Id)
    instance_id: Mapped[str | None] = mapped_column(Id, index=True)
    attached_host: Mapped[str | None] = mapped_column(Name)
    mountpoint: Mapped[str | None] = mapped_column(Name)
    attach_mode: Mapped[str | None] = mapped_column(String(4))     # rw, ro; null until it is connected
    attach_status: Mapped[str] = mapped_column(String(32))
    held: Mapped[bool] = mapped_column(default=False)
    connector: Mapped[dict[str, Any] | None] = mapped_column(Json)
    attached_at: Mapped[datetime | None] = mapped_column(Moment)
    created_at: Mapped[datetime] = mapped_column(Moment)

    __table_args__ = (Index("ix_block_attachments_project", "project_id", "created_at"),)
