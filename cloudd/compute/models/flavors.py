"""Flavors: sizes of servers. A server keeps a copy of its flavor, so that a flavor may be deleted."""

from datetime import datetime

from sqlalchemy import Float, ForeignKey, Integer, PrimaryKeyConstraint, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from cloudd.core.database import Base, Id, Moment, Name


class Flavor(Base):
    """`id` is what the API calls the flavor: any text that its maker chose."""

    __tablename__ = "compute_flavors"

    id: Mapped[str] = mapped_column(Name, primary_key=True)
    name: Mapped[str] = mapped_column(Name, unique=True)
    description: Mapped[str | None] = mapped_column(Text)
    vcpus: Mapped[int] = mapped_column(Integer)
    ram: Mapped[int] = mapped_column(Integer)
    disk: Mapped[int] = mapped_column(Integer, default=0)
    ephemeral: Mapped[int] = mapped_column(Integer, default=0)
    swap: Mapped[int] = mapped_column(Integer, default=0)
    rxtx_factor: Mapped[float] = mapped_column(Float, default=1.0)
    is_public: Mapped[bool] = mapped_column(default=True)
    disabled: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime | None] = mapped_column(Moment)

    spec_rows: Mapped[list["FlavorExtraSpec"]] = relationship(cascade="all, delete-orphan", lazy="selectin")
    access_rows: Mapped[list["FlavorAccess"]] = relationship(cascade="all, delete-orphan", lazy="selectin")

    @property
    def extra_specs(self) -> dict[str, str]:
        return {row.key: row.value for row in self.spec_rows}


class FlavorExtraSpec(Base):
    __tablename__ = "compute_flavor_extra_specs"

    flavor_id: Mapped[str] = mapped_column(ForeignKey(Flavor.id, ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(Name)
    value: Mapped[str] = mapped_column(String(255))

    __table_args__ = (PrimaryKeyConstraint("flavor_id", "key"),)


class FlavorAccess(Base):
    """A project that may see and use a flavor that is not public."""

    __tablename__ = "compute_flavor_access"

    flavor_id: Mapped[str] = mapped_column(ForeignKey(Flavor.id, ondelete="CASCADE"))
    project_id: Mapped[str] = mapped_column(Id, index=True)

    __table_args__ = (PrimaryKeyConstraint("flavor_id", "project_id"),)
