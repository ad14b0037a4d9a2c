"""Servers and what belongs to one: metadata, tags, disks, ports."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Index, Integer, PrimaryKeyConstraint, Select, String, Text, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from cloudd.core.database import Base, Id, Json, Moment, Name, UserId
from cloudd.core.rows.among import among


class Server(Base):
    """A server. Deleted ones stay, with `deleted_at`: usage reports and `changes-since` tell of them.

    `vm_state` and `task_state` are moved by states.SERVER alone. `flavor` and `image` are copies from the time of asking.
    """

    __tablename__ = "compute_servers"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    number: Mapped[int] = mapped_column(Integer, unique=True)  # instance-%08x
    project_id: Mapped[str] = mapped_column(Id)
    user_id: Mapped[str] = mapped_column(UserId)
    name: Mapped[str] = mapped_column(Name)
    description: Mapped[str | None] = mapped_column(Name)
    hostname: Mapped[str] = mapped_column(Name)
    vm_state: Mapped[str] = mapped_column(String(32))
    task_state: Mapped[str | None] = mapped_column(String(64))
    power_state: Mapped[int] = mapped_column(Integer, default=0)
    progress: Mapped[int] = mapped_column(Integer, default=0)

    image_id: Mapped[str | None] = mapped_column(Id)
    image: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    kernel_id: Mapped[str | None] = mapped_column(Id)
    ramdisk_id: Mapped[str | None] = mapped_column(Id)
    flavor_id: Mapped[str] = mapped_column(Name, index=True)
    flavor: Mapped[dict[str, Any]] = mapped_column(Json)
    old_flavor: Mapped[dict[str, Any] | None] = mapped_column(Json)
    vcpus: Mapped[int] = mapped_column(Integer)
    memory_mb: Mapped[int] = mapped_column(Integer)
    root_gb: Mapped[int] = mapped_column(Integer)
    ephemeral_gb: Mapped[int] = mapped_column(Integer)
    swap_mb: Mapped[int] = mapped_column(Integer)

    key_name: Mapped[str | None] = mapped_column(Name)
    key_data: Mapped[str | None] = mapped_column(Text)
    key_type: Mapped[str | None] = mapped_column(String(8))
    user_data: Mapped[str | None] = mapped_column(Text)        # base64, as it was sent
    injected_files: Mapped[list[dict[str, str]] | None] = mapped_column(Json)
    admin_pass: Mapped[str | None] = mapped_column(Text)       # only until the server is built
    posted_password: Mapped[str | None] = mapped_column(Text)  # what the guest sent to the metadata service
    random_seed: Mapped[str] = mapped_column(Text, default="")  # base64, told to the guest once and for all

    host: Mapped[str | None] = mapped_column(Name)
    node: Mapped[str | None] = mapped_column(Name)
    launched_on: Mapped[str | None] = mapped_column(Name)
    availability_zone: Mapped[str | None] = mapped_column(Name)
    pinned_zone: Mapped[str | None] = mapped_column(Name)
    access_ip_v4: Mapped[str | None] = mapped_column(String(39))
    access_ip_v6: Mapped[str | None] = mapped_column(String(39))
    config_drive: Mapped[bool] = mapped_column(default=False)
    disk_config: Mapped[str] = mapped_column(String(8), default="MANUAL")
    root_device_name: Mapped[str | None] = mapped_column(String(64))
    reservation_id: Mapped[str] = mapped_column(String(64))
    launch_index: Mapped[int] = mapped_column(Integer, default=0)
    locked_by: Mapped[str | None] = mapped_column(String(8))   # owner, admin
    locked_reason: Mapped[str | None] = mapped_column(Name)
    trusted_certs: Mapped[list[str] | None] = mapped_column(Json)
    scheduler_hints: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    system_metadata: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)

    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)
    launched_at: Mapped[datetime | None] = mapped_column(Moment)
    terminated_at: Mapped[datetime | None] = mapped_column(Moment)
    deleted_at: Mapped[datetime | None] = mapped_column(Moment)

    __table_args__ = (
        Index("ix_compute_servers_project", "project_id", "deleted_at", "created_at"),
        Index("ix_compute_servers_created", "deleted_at", "created_at"),
        Index("ix_compute_servers_updated", "updated_at"),
        Index("ix_compute_servers_reservation", "reservation_id"),
    )

    @property
    def locked(self) -> bool:
        return self.locked_by is not None


class ServerMetadata(Base):
    __tablename__ = "compute_server_metadata"

    server_id: Mapped[str] = mapped_column(Id)
    key: Mapped[str] = mapped_column(Name)
    value: Mapped[str] = mapped_column(String(255))

    __table_args__ = (PrimaryKeyConstraint("server_id", "key"),)


class ServerTag(Base):
    __tablename__ = "compute_server_tags"

    server_id: Mapped[str] = mapped_column(Id)
    tag: Mapped[str] = mapped_column(String(80))

    __table_args__ = (PrimaryKeyConstraint("server_id", "tag"), Index("ix_compute_server_tags_tag", "tag"))


class BlockDevice(Base):
    """A disk of a server. `name` is its file's: root, ephemeral0, swap; a volume's has `volume_id`."""

    __tablename__ = "compute_block_devices"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    server_id: Mapped[str] = mapped_column(Id, index=True)
    number: Mapped[int] = mapped_column(Integer)               # the order of attaching
    name: Mapped[str] = mapped_column(String(64))
    source_type: Mapped[str] = mapped_column(String(16))       # image, blank, volume, snapshot
    destination_type: Mapped[str] = mapped_column(String(16))  # local, volume
    device_type: Mapped[str] = mapped_column(String(16), default="disk")
    disk_bus: Mapped[str | None] = mapped_column(String(16))
    device_name: Mapped[str | None] = mapped_column(String(64))
    boot_index: Mapped[int | None] = mapped_column(Integer)
    guest_format: Mapped[str | None] = mapped_column(String(16))
    image_id: Mapped[str | None] = mapped_column(Id)
    snapshot_id: Mapped[str | None] = mapped_column(Id)
    volume_id: Mapped[str | None] = mapped_column(Id, index=True)
    volume_size: Mapped[int | None] = mapped_column(Integer)   # GiB; MiB for swap
    volume_type: Mapped[str | None] = mapped_column(Name)
    attachment_id: Mapped[str | None] = mapped_column(Id)
    delete_on_termination: Mapped[bool] = mapped_column(default=True)
    tag: Mapped[str | None] = mapped_column(String(60))
    created_at: Mapped[datetime] = mapped_column(Moment)


class ServerPort(Base):
    """A port that a server has, in the order of its NICs. `ours`: made for the server, deleted with it."""

    __tablename__ = "compute_server_ports"

    port_id: Mapped[str] = mapped_column(Id, primary_key=True)
    server_id: Mapped[str] = mapped_column(Id, index=True)
    number: Mapped[int] = mapped_column(Integer)
    tag: Mapped[str | None] = mapped_column(String(60))
    ours: Mapped[bool] = mapped_column(default=True)


def living() -> Select[Any]:
    """All servers that are not deleted."""
    return select(Server).where(Server.deleted_at.is_(None))


async def metadata_of(tx: AsyncSession, server_ids: Iterable[str]) -> dict[str, dict[str, str]]:
    """The metadata of several servers, in one query."""
    query = select(ServerMetadata.server_id, ServerMetadata.key, ServerMetadata.value)
    found: dict[str, dict[str, str]] = {}
    for server_id, key, value in await tx.execute(query.where(among(ServerMetadata.server_id, server_ids))):
        found.setdefault(server_id, {})[key] = value
    return found


async def tags_of(tx: AsyncSession, server_ids: Iterable[str]) -> dict[str, list[str]]:
    """The tags of several servers, sorted, in one query."""
    query = select(ServerTag.server_id, ServerTag.tag).where(among(ServerTag.server_id, server_ids))
    found: dict[str, list[str]] = {}
    for server_id, tag in await tx.execute(query.order_by(ServerTag.tag)):
        found.setdefault(server_id, []).append(tag)
    return found
