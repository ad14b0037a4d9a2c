"""Group types: what groups of volumes can do."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from cloudd.core.database import Base, Id, Json, Moment, Name


class GroupType(Base):
    __tablename__ = "block_group_types"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(Name, unique=True)
    description: Mapped[str | None] = mapped_column(Name)
    is_public: Mapped[bool] = mapped_column(default=True)
    group_specs: Mapped[dict[str, str]] = mapped_column(Json, default=dict)
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime | None] = mapped_column(Moment)
