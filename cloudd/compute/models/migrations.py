"""Records of servers that took another flavor, which Nova calls migrations even where nothing moves."""

from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from cloudd.core.database import Base, Id, Moment, Name, UserId
from cloudd.core.tables import Serial


class Migration(Base):
    """One resize, from its order to its confirmation or its undoing. It goes with its server."""

    __tablename__ = "compute_migrations"

    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    uuid: Mapped[str] = mapped_column(Id, unique=True)
    server_id: Mapped[str] = mapped_column(Id)
    project_id: Mapped[str] = mapped_column(Id)
    user_id: Mapped[str] = mapped_column(UserId)
    migration_type: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(32))
    source_host: Mapped[str | None] = mapped_column(Name)
    source_node: Mapped[str | None] = mapped_column(Name)
    dest_host: Mapped[str | None] = mapped_column(Name)
    dest_node: Mapped[str | None] = mapped_column(Name)
    dest_address: Mapped[str | None] = mapped_column(String(64))
    old_flavor_id: Mapped[str] = mapped_column(Name)
    new_flavor_id: Mapped[str] = mapped_column(Name)
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime | None] = mapped_column(Moment)

    __table_args__ = (Index("ix_compute_migrations_server", "server_id"), Index("ix_compute_migrations_created", "created_at"))
