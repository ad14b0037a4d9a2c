"""Tables of metadata definitions: namespaces, and the objects, properties, tags and resource types in them."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cloudd.core.database import Base, Id, Json, Moment, Name


class Namespace(Base):
    """A named set of definitions, of one project, public or private."""

    __tablename__ = "image_md_namespaces"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    namespace: Mapped[str] = mapped_column(String(80), unique=True)
    display_name: Mapped[str | None] = mapped_column(String(80))
    description: Mapped[str | None] = mapped_column(Text)
    visibility: Mapped[str] = mapped_column(String(16), default="private")
    protected: Mapped[bool] = mapped_column(default=False)
    project_id: Mapped[str | None] = mapped_column(Id)
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)


class Definition:
    """What objects, properties, tags and associations share: a name that is theirs alone in one namespace."""

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    namespace_id: Mapped[str] = mapped_column(ForeignKey("image_md_namespaces.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)


class MetaObject(Definition, Base):
    """A group of properties that go together."""

    __tablename__ = "image_md_objects"
    __table_args__ = (UniqueConstraint("namespace_id", "name"),)

    description: Mapped[str | None] = mapped_column(Text)
    required: Mapped[list[str]] = mapped_column(Json, default=list)
    properties: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)


class MetaProperty(Definition, Base):
    """One property: a JSON schema with Glance's `operators`."""

    __tablename__ = "image_md_properties"
    __table_args__ = (UniqueConstraint("namespace_id", "name"),)

    definition: Mapped[dict[str, Any]] = mapped_column(Json)


class MetaTag(Definition, Base):
    """A tag that things may be given."""

    __tablename__ = "image_md_tags"
    __table_args__ = (UniqueConstraint("namespace_id", "name"),)


class Association(Definition, Base):
    """The namespace is for resources of this type (`OS::Glance::Image`); property names get the prefix there."""

    __tablename__ = "image_md_associations"
    __table_args__ = (UniqueConstraint("namespace_id", "name"),)

    prefix: Mapped[str | None] = mapped_column(Name)
    properties_target: Mapped[str | None] = mapped_column(Name)


class ResourceType(Base):
    """A type of resources that namespaces were associated with; it stays when the last association goes."""

    __tablename__ = "image_md_resource_types"

    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)
