"""The parts of block storage as os-services lists them."""

from datetime import datetime

from sqlalchemy import Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cloudd.core.database import Base, Moment, Name


class BlockService(Base):
    """`host` is this host's name, of a back end `HOST@NAME`."""

    __tablename__ = "block_services"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    host: Mapped[str] = mapped_column(Name)
    binary: Mapped[str] = mapped_column(String(64))
    zone: Mapped[str] = mapped_column(Name)
    disabled: Mapped[bool] = mapped_column(default=False)
    disabled_reason: Mapped[str | None] = mapped_column(Name)
    frozen: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime | None] = mapped_column(Moment)

    __table_args__ = (UniqueConstraint("host", "binary"),)
