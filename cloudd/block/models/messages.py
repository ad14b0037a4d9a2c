"""Messages: what went wrong with a resource, told to its owner."""

from datetime import datetime

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from cloudd.core.database import Base, Id, Moment


class Message(Base):
    """`action` and `detail` are upstream's numbers, of which event id and text are made; `cause` has the numbers and the fix."""

    __tablename__ = "block_messages"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(Id)
    request_id: Mapped[str] = mapped_column(String(64))
    resource_type: Mapped[str | None] = mapped_column(String(32))  # VOLUME, VOLUME_SNAPSHOT, VOLUME_BACKUP
    resource_id: Mapped[str | None] = mapped_column(Id, index=True)
    action: Mapped[str] = mapped_column(String(8))
    detail: Mapped[str] = mapped_column(String(8))
    cause: Mapped[str] = mapped_column(Text, default="")
    level: Mapped[str] = mapped_column(String(8), default="ERROR")
    created_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)

    __table_args__ = (Index("ix_block_messages_project", "project_id", "created_at"),)
