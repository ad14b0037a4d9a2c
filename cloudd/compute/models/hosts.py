"""This host as Nova's API tells it: services, the hypervisor, aggregates; and the tickets of consoles."""

from datetime import datetime

from sqlalchemy import ForeignKey, Integer, PrimaryKeyConstraint, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from cloudd.core.database import Base, Id, Moment, Name, UserId
from cloudd.core.tables import Serial


class Service(Base):
    """A part of compute as `os-services` lists them; all run in this daemon."""

    __tablename__ = "compute_services"

    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    uuid: Mapped[str] = mapped_column(Id, unique=True)
    host: Mapped[str] = mapped_column(Name)
    binary: Mapped[str] = mapped_column(String(64))            # nova-compute, nova-scheduler, nova-conductor
    disabled: Mapped[bool] = mapped_column(default=False)
    disabled_reason: Mapped[str | None] = mapped_column(Name)
    forced_down: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime | None] = mapped_column(Moment)


class Node(Base):
    """A hypervisor's identity; what it has and holds is asked of the driver."""

    __tablename__ = "compute_nodes"

    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    uuid: Mapped[str] = mapped_column(Id, unique=True)
    host: Mapped[str] = mapped_column(Name, unique=True)
    hypervisor_hostname: Mapped[str] = mapped_column(Name)
    created_at: Mapped[datetime] = mapped_column(Moment)


class Aggregate(Base):
    """Hosts with something in common; its metadata `availability_zone` puts them in a zone."""

    __tablename__ = "compute_aggregates"

    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    uuid: Mapped[str] = mapped_column(Id, unique=True)
    name: Mapped[str] = mapped_column(Name, unique=True)
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime | None] = mapped_column(Moment)

    host_rows: Mapped[list["AggregateHost"]] = relationship(cascade="all, delete-orphan", lazy="selectin")
    metadata_rows: Mapped[list["AggregateMetadata"]] = relationship(cascade="all, delete-orphan", lazy="selectin")

    @property
    def hosts(self) -> list[str]:
        return [row.host for row in self.host_rows]

    @property
    def properties(self) -> dict[str, str]:
        return {row.key: row.value for row in self.metadata_rows}

    @property
    def availability_zone(self) -> str | None:
        return self.properties.get("availability_zone")


class AggregateHost(Base):
    __tablename__ = "compute_aggregate_hosts"

    aggregate_id: Mapped[int] = mapped_column(ForeignKey(Aggregate.id, ondelete="CASCADE"))
    host: Mapped[str] = mapped_column(Name)

    __table_args__ = (PrimaryKeyConstraint("aggregate_id", "host"),)


class AggregateMetadata(Base):
    __tablename__ = "compute_aggregate_metadata"

    aggregate_id: Mapped[int] = mapped_column(ForeignKey(Aggregate.id, ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(Name)
    value: Mapped[str] = mapped_column(String(255))

    __table_args__ = (PrimaryKeyConstraint("aggregate_id", "key"),)


class ConsoleTicket(Base):
    """The right to open one console until `expires_at`; only a hash of its token is kept."""

    __tablename__ = "compute_console_tickets"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    server_id: Mapped[str] = mapped_column(Id, index=True)
    console_type: Mapped[str] = mapped_column(String(32))      # novnc, serial
    port: Mapped[int | None] = mapped_column(Integer)
    user_id: Mapped[str | None] = mapped_column(UserId)
    created_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)
    used_at: Mapped[datetime | None] = mapped_column(Moment)
