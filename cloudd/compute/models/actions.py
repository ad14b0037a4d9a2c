"""What was done to a server, and what went wrong."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from cloudd.core.database import Base, Id, Moment, Name, UserId
from cloudd.core.tables import Serial


class ServerAction(Base):
    """One request that changed a server (`os-instance-actions`); its events are the parts of the work."""

    __tablename__ = "compute_server_actions"

    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    server_id: Mapped[str] = mapped_column(Id)
    action: Mapped[str] = mapped_column(String(64))
    request_id: Mapped[str] = mapped_column(String(64))
    project_id: Mapped[str | None] = mapped_column(Id)
    user_id: Mapped[str | None] = mapped_column(UserId)
    message: Mapped[str | None] = mapped_column(String(255))   # "Error" when it failed, as Nova's
    started_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime | None] = mapped_column(Moment)

    __table_args__ = (Index("ix_compute_server_actions_request", "server_id", "request_id"),)


class ActionEvent(Base):
    __tablename__ = "compute_server_action_events"

    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    action_id: Mapped[int] = mapped_column(ForeignKey(ServerAction.id, ondelete="CASCADE"), index=True)
    event: Mapped[str] = mapped_column(String(64))             # compute__do_build_and_run_instance, compute_stop_instance...
    host: Mapped[str | None] = mapped_column(Name)
    result: Mapped[str | None] = mapped_column(String(16))     # Success, Error; None while under way
    details: Mapped[str | None] = mapped_column(Text)          # the fault in words, for the owner
    traceback: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(Moment)
    finished_at: Mapped[datetime | None] = mapped_column(Moment)


class ServerFault(Base):
    """Why a server is in ERROR, in words that its owner can act on. The newest counts."""

    __tablename__ = "compute_server_faults"

    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    server_id: Mapped[str] = mapped_column(Id, index=True)
    code: Mapped[int] = mapped_column(Integer)
    message: Mapped[str] = mapped_column(String(255))
    details: Mapped[str | None] = mapped_column(Text)          # shown to administrators, and to all when code is not 500
    host: Mapped[str | None] = mapped_column(Name)
    created_at: Mapped[datetime] = mapped_column(Moment)
