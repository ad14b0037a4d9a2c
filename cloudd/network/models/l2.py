"""Tables of networks: networks, subnets, ports and their addresses. The rest stands in l3.

Rows that Neutron calls standard have an owner, a description, tags, a revision number and times.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Integer, PrimaryKeyConstraint, String, select
from sqlalchemy.orm import Mapped, column_property, declared_attr, foreign, mapped_column, relationship

from cloudd.core.database import Base, Id, Json, Moment, Name

Address = String(64)


class Tag(Base):
    """A tag of any standard resource; ids are unique among all kinds."""

    __tablename__ = "network_tags"

    resource_id: Mapped[str] = mapped_column(Id)
    tag: Mapped[str] = mapped_column(Name)

    __table_args__ = (PrimaryKeyConstraint("resource_id", "tag"), Index("ix_network_tags_tag", "tag"))


class Rbac(Base):
    """Who else may use an object: a project, or everybody ("*")."""

    __tablename__ = "network_rbac_policies"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(Id, index=True)
    object_type: Mapped[str] = mapped_column(String(32))
    object_id: Mapped[str] = mapped_column(Id, index=True)
    action: Mapped[str] = mapped_column(String(32))
    target_project: Mapped[str] = mapped_column(String(255), index=True)


class Owned:
    """An id and an owner."""

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    project_id: Mapped[str] = mapped_column(Id, default="", index=True)


class Standard(Owned):
    """What every standard resource has."""

    name: Mapped[str] = mapped_column(Name, default="")
    description: Mapped[str] = mapped_column(Name, default="")
    revision_number: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)

    @declared_attr
    @classmethod
    def tag_rows(cls) -> Mapped[list[Tag]]:
        return relationship(Tag, primaryjoin=lambda: foreign(Tag.resource_id) == cls.id, lazy="selectin", order_by=Tag.tag,
                            cascade="all, delete-orphan", overlaps="tag_rows")

    @property
    def tags(self) -> list[str]:
        return sorted(row.tag for row in self.tag_rows)


class Shared:
    """What can be shared by RBAC policies."""

    @declared_attr
    @classmethod
    def rbac(cls) -> Mapped[list[Rbac]]:
        return relationship(Rbac, primaryjoin=lambda: foreign(Rbac.object_id) == cls.id, lazy="selectin",
                            cascade="all, delete-orphan", overlaps="rbac")

    def shared_with(self, project_id: str | None) -> bool:
        return any(row.action == "access_as_shared" and row.target_project in ("*", project_id) for row in self.rbac)


class Network(Standard, Shared, Base):
    __tablename__ = "network_networks"

    admin_state_up: Mapped[bool] = mapped_column(default=True)
    status: Mapped[str] = mapped_column(String(16), default="ACTIVE")
    mtu: Mapped[int] = mapped_column(Integer, default=1500)
    port_security_enabled: Mapped[bool] = mapped_column(default=True)
    external: Mapped[bool] = mapped_column(default=False)
    is_default: Mapped[bool] = mapped_column(default=False)
    network_type: Mapped[str] = mapped_column(String(32), default="local")
    physical_network: Mapped[str | None] = mapped_column(String(64))
    segmentation_id: Mapped[int | None] = mapped_column(Integer)
    dns_domain: Mapped[str] = mapped_column(Name, default="")
    availability_zone_hints: Mapped[list[str]] = mapped_column(Json, default=list)
    dhcp_served: Mapped[bool | None] = mapped_column()        # None: as soon as a subnet wants it; else as an administrator said

    subnets: Mapped[list["SubnetId"]] = relationship("SubnetId", lazy="selectin", viewonly=True, order_by="SubnetId.id")


class Subnet(Standard, Base):
    """A range of addresses. `next_address`: where the search for a free one begins, so that freed ones rest a while."""

    __tablename__ = "network_subnets"

    network_id: Mapped[str] = mapped_column(Id, ForeignKey("network_networks.id", ondelete="CASCADE"), index=True)
    cidr: Mapped[str] = mapped_column(Address)
    ip_version: Mapped[int] = mapped_column(Integer)
    gateway_ip: Mapped[str | None] = mapped_column(Address)
    enable_dhcp: Mapped[bool] = mapped_column(default=True)
    allocation_pools: Mapped[list[dict[str, str]]] = mapped_column(Json, default=list)
    dns_nameservers: Mapped[list[str]] = mapped_column(Json, default=list)
    host_routes: Mapped[list[dict[str, str]]] = mapped_column(Json, default=list)
    service_types: Mapped[list[str]] = mapped_column(Json, default=list)
    ipv6_ra_mode: Mapped[str | None] = mapped_column(String(32))
    ipv6_address_mode: Mapped[str | None] = mapped_column(String(32))
    subnetpool_id: Mapped[str | None] = mapped_column(Id, index=True)
    dns_publish_fixed_ip: Mapped[bool] = mapped_column(default=False)
    next_address: Mapped[str | None] = mapped_column(Address)

    network_project_id: Mapped[str] = column_property(
        select(Network.project_id).where(Network.id == network_id).correlate_except(Network).scalar_subquery(), expire_on_flush=False)
    network_external: Mapped[bool] = column_property(
        select(Network.external).where(Network.id == network_id).correlate_except(Network).scalar_subquery(), expire_on_flush=False)
    rbac: Mapped[list[Rbac]] = relationship(Rbac, primaryjoin=lambda: foreign(Rbac.object_id) == Subnet.network_id,
                                            lazy="selectin", viewonly=True)

    def shared_with(self, project_id: str | None) -> bool:
        return any(row.action == "access_as_shared" and row.target_project in ("*", project_id) for row in self.rbac)

    @property
    def is_auto(self) -> bool:
        """Whether guests make their own address of it from their MAC."""
        return self.ipv6_address_mode in ("slaac", "dhcpv6-stateless")


class SubnetId(Base):
    """A subnet as its network lists it: read-only, so that a list of networks does not load whole subnets."""

    __table__ = Subnet.__table__
    __mapper_args__ = {"include_properties": ["id", "network_id", "ip_version"]}  # noqa: RUF012


class Allocation(Base):
    """An address in use: by its key nobody gets one twice."""

    __tablename__ = "network_allocations"

    subnet_id: Mapped[str] = mapped_column(Id, ForeignKey("network_subnets.id", ondelete="CASCADE"))
    ip_address: Mapped[str] = mapped_column(Address)
    port_id: Mapped[str] = mapped_column(Id, ForeignKey("network_ports.id", ondelete="CASCADE"), index=True)
    network_id: Mapped[str] = mapped_column(Id, index=True)
    position: Mapped[int] = mapped_column(Integer, default=0)

    __table_args__ = (PrimaryKeyConstraint("subnet_id", "ip_address"),
                      Index("ix_network_allocations_address", "network_id", "ip_address"))


class PortGroup(Base):
    """A security group on a port."""

    __tablename__ = "network_port_groups"

    port_id: Mapped[str] = mapped_column(Id, ForeignKey("network_ports.id", ondelete="CASCADE"))
    group_id: Mapped[str] = mapped_column(Id, ForeignKey("network_security_groups.id"), index=True)
    position: Mapped[int] = mapped_column(Integer, default=0)

    __table_args__ = (PrimaryKeyConstraint("port_id", "group_id"),)


def tap_of(port_id: str) -> str:
    """What a port's interface is called on the host; the kernel takes 15 characters."""
    return f"tap{port_id[:11]}"


class Port(Standard, Base):
    """A port. `device_id` and `device_owner` are words of whoever owns it; `service` and `router_id` are cloudd's own, and what is
    wired to a router, or to DHCP, is told by them alone."""

    __tablename__ = "network_ports"

    network_id: Mapped[str] = mapped_column(Id, ForeignKey("network_networks.id"), index=True)
    mac_address: Mapped[str] = mapped_column(String(32))
    admin_state_up: Mapped[bool] = mapped_column(default=True)
    status: Mapped[str] = mapped_column(String(16), default="DOWN")
    device_id: Mapped[str] = mapped_column(Name, default="", index=True)
    device_owner: Mapped[str] = mapped_column(Name, default="")
    service: Mapped[str] = mapped_column(String(32), default="")          # what cloudd made it serve as; "": a guest's port
    router_id: Mapped[str | None] = mapped_column(Id, index=True)         # the router that it is an interface or the gateway of
    host_id: Mapped[str] = mapped_column(Name, default="")
    vnic_type: Mapped[str] = mapped_column(String(64), default="normal")
    profile: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    port_security_enabled: Mapped[bool] = mapped_column(default=True)
    allowed_address_pairs: Mapped[list[dict[str, str]]] = mapped_column(Json, default=list)
    extra_dhcp_opts: Mapped[list[dict[str, Any]]] = mapped_column(Json, default=list)
    dns_name: Mapped[str] = mapped_column(Name, default="")
    dns_domain: Mapped[str] = mapped_column(Name, default="")

    fixed_ips: Mapped[list[Allocation]] = relationship(
        Allocation, lazy="selectin", cascade="all, delete-orphan", passive_deletes=True,
        order_by=lambda: (Allocation.position, Allocation.ip_address))
    group_rows: Mapped[list[PortGroup]] = relationship(
        PortGroup, lazy="selectin", cascade="all, delete-orphan", passive_deletes=True, order_by=PortGroup.position)
    network_project_id: Mapped[str] = column_property(
        select(Network.project_id).where(Network.id == network_id).correlate_except(Network).scalar_subquery(), expire_on_flush=False)

    __table_args__ = (Index("uq_network_ports_mac", "network_id", "mac_address", unique=True),)

    @property
    def security_groups(self) -> list[str]:
        return [row.group_id for row in self.group_rows]

    @property
    def tap(self) -> str:
        """The interface that the hypervisor makes for it."""
        return tap_of(self.id)

    @property
    def is_ours(self) -> bool:
        """Whether DHCP or a router holds it, not a guest."""
        return bool(self.service)


class PortSummary(Base):
    """A port as its floating address shows it (port_details): read-only."""

    __table__ = Port.__table__
    __mapper_args__ = {"include_properties": [  # noqa: RUF012
        "id", "name", "network_id", "mac_address", "admin_state_up", "status", "device_id", "device_owner"]}


