"""What hangs on volume types: who may use a private one, how its volumes are encrypted, what their guests may do a second."""

from datetime import datetime

from sqlalchemy import ForeignKey, Integer, PrimaryKeyConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from cloudd.block.models.types import VolumeType
from cloudd.core.database import Base, Id, Json, Moment, Name


class TypeAccess(Base):
    """A project that may see and use a type that is not public."""

    __tablename__ = "block_type_access"

    volume_type_id: Mapped[str] = mapped_column(ForeignKey(VolumeType.id, ondelete="CASCADE"))
    project_id: Mapped[str] = mapped_column(Id, index=True)

    __table_args__ = (PrimaryKeyConstraint("volume_type_id", "project_id"),)


class TypeEncryption(Base):
    """How volumes of a type are encrypted. `provider` is kept as it was spelled; types/encryption.py reads it."""

    __tablename__ = "block_type_encryptions"

    volume_type_id: Mapped[str] = mapped_column(ForeignKey(VolumeType.id, ondelete="CASCADE"), primary_key=True)
    encryption_id: Mapped[str] = mapped_column(Id, unique=True)
    provider: Mapped[str] = mapped_column(Name)
    cipher: Mapped[str | None] = mapped_column(Name)
    key_size: Mapped[int | None] = mapped_column(Integer)
    control_location: Mapped[str] = mapped_column(String(16))      # front-end, back-end
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime | None] = mapped_column(Moment)


class ProjectDefaultType(Base):
    """The type of a project's volumes for which none is named."""

    __tablename__ = "block_project_default_types"

    project_id: Mapped[str] = mapped_column(Id, primary_key=True)
    volume_type_id: Mapped[str] = mapped_column(ForeignKey(VolumeType.id), index=True)


class QosSpecs(Base):
    """Limits by name; types point at theirs (`VolumeType.qos_specs_id`)."""

    __tablename__ = "block_qos_specs"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(Name, unique=True)
    consumer: Mapped[str] = mapped_column(String(16))              # front-end, back-end, both
    specs: Mapped[dict[str, str]] = mapped_column(Json)
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime | None] = mapped_column(Moment)
