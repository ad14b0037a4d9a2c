"""Volume types: where and how volumes are made."""

from datetime import datetime

from sqlalchemy import PrimaryKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cloudd.core.database import Base, Id, Moment, Name


class VolumeType(Base):
    __tablename__ = "block_volume_types"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(Name, unique=True)
    description: Mapped[str | None] = mapped_column(Name)
    is_public: Mapped[bool] = mapped_column(default=True)
    qos_specs_id: Mapped[str | None] = mapped_column(Id)
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime | None] = mapped_column(Moment)


class TypeExtraSpec(Base):
    """What a type wants of a back end, or says of its volumes (`multiattach` = `<is> True`)."""

    __tablename__ = "block_type_extra_specs"

    volume_type_id: Mapped[str] = mapped_column(Id)
    key: Mapped[str] = mapped_column(Name)
    value: Mapped[str] = mapped_column(Name)

    __table_args__ = (PrimaryKeyConstraint("volume_type_id", "key"),)
