"""Tables that belong to no module: jobs, the outbox of events, quotas."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, Integer, PrimaryKeyConstraint, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from cloudd.core.database import Base, Id, Json, Moment, UserId

Serial = BigInteger().with_variant(Integer, "sqlite")


class JobRow(Base):
    """One long operation: where it is, what it was asked, what its steps have found out so far (`memory`)."""

    __tablename__ = "core_jobs"

    serial: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(Id, unique=True)
    kind: Mapped[str] = mapped_column(String(64))
    locks: Mapped[list[str]] = mapped_column(Json)
    resource_id: Mapped[str | None] = mapped_column(String(64), index=True)
    project_id: Mapped[str | None] = mapped_column(Id)
    user_id: Mapped[str | None] = mapped_column(UserId)
    request_id: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))            # queued, running, waiting, undoing, done, failed, cancelled
    step: Mapped[int] = mapped_column(Integer, default=0)
    percent: Mapped[int] = mapped_column(Integer, default=0)
    input: Mapped[dict[str, Any]] = mapped_column(Json)
    memory: Mapped[dict[str, Any]] = mapped_column(Json)
    error: Mapped[str | None] = mapped_column(Text)
    cancel: Mapped[bool] = mapped_column(default=False)
    waits: Mapped[dict[str, Any] | None] = mapped_column(Json)   # as core/work/waits.py has it
    created_at: Mapped[datetime] = mapped_column(Moment)
    started_at: Mapped[datetime | None] = mapped_column(Moment)
    finished_at: Mapped[datetime | None] = mapped_column(Moment)

    __table_args__ = (Index("ix_core_jobs_open", "state", "serial"),)


class EventRow(Base):
    """The outbox: what happened, in the order it became true."""

    __tablename__ = "core_events"

    serial: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    name: Mapped[str] = mapped_column(String(128))
    resource_id: Mapped[str | None] = mapped_column(String(64))
    project_id: Mapped[str | None] = mapped_column(Id)
    user_id: Mapped[str | None] = mapped_column(UserId)
    request_id: Mapped[str | None] = mapped_column(String(64))
    address: Mapped[str | None] = mapped_column(String(64))
    payload: Mapped[dict[str, Any]] = mapped_column(Json)
    created_at: Mapped[datetime] = mapped_column(Moment, index=True)

    __table_args__ = (Index("ix_core_events_resource", "resource_id", "serial"),)


class EventCursor(Base):
    """How far a subscriber has read the outbox."""

    __tablename__ = "core_event_cursors"

    subscriber: Mapped[str] = mapped_column(String(64), primary_key=True)
    serial: Mapped[int] = mapped_column(Serial)


class QuotaRow(Base):
    """A project's own limit, where it differs from the default."""

    __tablename__ = "core_quotas"

    project_id: Mapped[str] = mapped_column(Id)
    service: Mapped[str] = mapped_column(String(32))
    resource: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[str] = mapped_column(UserId, default="")
    hard_limit: Mapped[int] = mapped_column(Integer)

    __table_args__ = (PrimaryKeyConstraint("project_id", "service", "resource", "user_id"),)
