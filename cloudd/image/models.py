"""Tables of images, and the query that says which of them a caller sees."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, Select, String, Text, and_, or_, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from cloudd.core import ids
from cloudd.core.context import Context
from cloudd.core.database import Base, Id, Json, Moment, Name, UserId

PUBLIC = ("public", "community")


class Image(Base):
    """One image. Its data, when there is any, lies at each of its locations."""

    __tablename__ = "image_images"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str | None] = mapped_column(Id, index=True)
    name: Mapped[str | None] = mapped_column(Name)
    status: Mapped[str] = mapped_column(String(16))
    visibility: Mapped[str] = mapped_column(String(16))
    protected: Mapped[bool] = mapped_column(default=False)
    os_hidden: Mapped[bool] = mapped_column(default=False)
    container_format: Mapped[str | None] = mapped_column(String(20))
    disk_format: Mapped[str | None] = mapped_column(String(20))
    min_disk: Mapped[int] = mapped_column(Integer, default=0)
    min_ram: Mapped[int] = mapped_column(Integer, default=0)
    size: Mapped[int | None] = mapped_column(BigInteger)
    virtual_size: Mapped[int | None] = mapped_column(BigInteger)
    checksum: Mapped[str | None] = mapped_column(String(32))
    os_hash_algo: Mapped[str | None] = mapped_column(String(16))
    os_hash_value: Mapped[str | None] = mapped_column(String(128))
    tags: Mapped[list[str]] = mapped_column(Json, default=list)
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)

    property_rows: Mapped[list["ImageProperty"]] = relationship(lazy="selectin", cascade="all, delete-orphan")
    locations: Mapped[list["ImageLocation"]] = relationship(lazy="selectin", cascade="all, delete-orphan",
                                                            order_by="ImageLocation.position")
    tag_rows: Mapped[list["ImageTag"]] = relationship(lazy="raise", cascade="all, delete-orphan", passive_deletes=True)
    members: Mapped[list["ImageMember"]] = relationship(lazy="raise", cascade="all, delete-orphan", passive_deletes=True)

    __table_args__ = (Index("ix_image_images_visibility", "visibility", "status"),)

    @property
    def stores(self) -> list[str]:
        """The stores that have the data, each once."""
        return list(dict.fromkeys(row.store for row in self.locations))

    @property
    def properties(self) -> dict[str, str | None]:
        """The custom properties, by name."""
        return {row.name: row.value for row in self.property_rows}

    extra = properties                                        # where views look for members that the shape does not name

    def set_properties(self, properties: dict[str, str | None]) -> None:
        kept = {row.name: row for row in self.property_rows}
        for name, value in properties.items():
            if name in kept:
                kept[name].value = value
            else:
                self.property_rows.append(ImageProperty(name=name, value=value))
        for name in kept.keys() - properties.keys():
            self.property_rows.remove(kept[name])


class ImageLocation(Base):
    """A whole copy of an image's data: in the store `store` under `key` (for read-only stores an address)."""

    __tablename__ = "image_locations"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=ids.new_uuid)
    image_id: Mapped[str] = mapped_column(ForeignKey("image_images.id", ondelete="CASCADE"), index=True)
    position: Mapped[int] = mapped_column(Integer, default=0)
    store: Mapped[str] = mapped_column(String(32))
    key: Mapped[str] = mapped_column(Text)
    facts: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)


class ImageBlob(Base):
    """Data that is being written, or to be removed: a row before it is, until a location has it or it is gone. What a crash
    leaves in a store is found here."""

    __tablename__ = "image_blobs"

    store: Mapped[str] = mapped_column(String(32), primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    image_id: Mapped[str] = mapped_column(Id, index=True)


class ImageCached(Base):
    """An image whose data lies in the cache as well: a row only for what is there whole."""

    __tablename__ = "image_cached"

    image_id: Mapped[str] = mapped_column(Id, primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    checksum: Mapped[str] = mapped_column(String(128))         # under the image's own algorithm
    hits: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime] = mapped_column(Moment)
    used_at: Mapped[datetime] = mapped_column(Moment)


class ImageProperty(Base):
    """One custom property; a table of its own, so that lists filter by it in SQL."""

    __tablename__ = "image_properties"

    image_id: Mapped[str] = mapped_column(ForeignKey("image_images.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(Name, primary_key=True)
    value: Mapped[str | None] = mapped_column(Text)


class ImageTag(Base):
    """A tag once more, for filters; the image row has them in order."""

    __tablename__ = "image_tags"

    image_id: Mapped[str] = mapped_column(ForeignKey("image_images.id", ondelete="CASCADE"), primary_key=True)
    tag: Mapped[str] = mapped_column(Name, primary_key=True)


class ImageMember(Base):
    """A project that an image is shared with, and whether it wants it."""

    __tablename__ = "image_members"

    image_id: Mapped[str] = mapped_column(ForeignKey("image_images.id", ondelete="CASCADE"), primary_key=True)
    member_id: Mapped[str] = mapped_column(Id, primary_key=True)
    status: Mapped[str] = mapped_column(String(16), default="pending")
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)


class ImageTask(Base):
    """What somebody asked to be done with an image's data, how it goes and how it ended."""

    __tablename__ = "image_tasks"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    image_id: Mapped[str] = mapped_column(Id, index=True)
    type: Mapped[str] = mapped_column(String(30))
    status: Mapped[str] = mapped_column(String(16))            # pending, processing, success, failure
    input: Mapped[dict[str, Any]] = mapped_column(Json)
    result: Mapped[dict[str, Any] | None] = mapped_column(Json)
    message: Mapped[str] = mapped_column(Text, default="")
    project_id: Mapped[str | None] = mapped_column(Id)
    user_id: Mapped[str | None] = mapped_column(UserId)
    request_id: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime | None] = mapped_column(Moment)


def visible(context: Context) -> Select[tuple[Image]]:
    """The images that a caller may show by id: his own, public and community ones, and those shared with him."""
    query = select(Image)
    if context.is_admin:
        return query
    shared = select(ImageMember.image_id).where(ImageMember.member_id == context.project_id)
    return query.where(or_(Image.project_id == context.project_id, Image.visibility.in_(PUBLIC),
                           and_(Image.visibility == "shared", Image.id.in_(shared))))
