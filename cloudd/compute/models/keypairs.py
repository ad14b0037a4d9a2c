"""Key pairs: they belong to users, not projects."""

from datetime import datetime

from sqlalchemy import String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cloudd.core.database import Base, Moment, Name, UserId
from cloudd.core.tables import Serial


class Keypair(Base):
    __tablename__ = "compute_keypairs"

    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    user_id: Mapped[str] = mapped_column(UserId)
    name: Mapped[str] = mapped_column(Name)
    type: Mapped[str] = mapped_column(String(8), default="ssh")
    fingerprint: Mapped[str] = mapped_column(Name)
    public_key: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Moment)

    __table_args__ = (UniqueConstraint("user_id", "name"),)
