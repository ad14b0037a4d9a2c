"""Transfers: volumes that wait for another project to take them."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from cloudd.core.database import Base, Id, Moment, Name


class Transfer(Base):
    """An offer of a volume to whoever has its key. Of the key only the salted digest is kept."""

    __tablename__ = "block_transfers"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    volume_id: Mapped[str] = mapped_column(Id, index=True)
    project_id: Mapped[str] = mapped_column(Id, index=True)        # who offers
    name: Mapped[str | None] = mapped_column(Name)
    salt: Mapped[str] = mapped_column(String(32))
    digest: Mapped[str] = mapped_column(String(64))
    no_snapshots: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(Moment)
