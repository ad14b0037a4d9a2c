"""Tables of routers, floating addresses and pools of subnets."""

from typing import Any

from sqlalchemy import ForeignKey, Index, Integer, String, select
from sqlalchemy.orm import Mapped, column_property, mapped_column, relationship

from cloudd.core.database import Base, Id, Json, Name
from cloudd.network.models.l2 import Address, Owned, Port, PortSummary, Shared, Standard


class Router(Standard, Base):
    """A router. Its interfaces are ports whose device it is; the gateway's port is named."""

    __tablename__ = "network_routers"

    admin_state_up: Mapped[bool] = mapped_column(default=True)
    status: Mapped[str] = mapped_column(String(16), default="ACTIVE")
    enable_snat: Mapped[bool] = mapped_column(default=True)
    gw_port_id: Mapped[str | None] = mapped_column(Id, ForeignKey("network_ports.id"))
    routes: Mapped[list[dict[str, str]]] = mapped_column(Json, default=list)
    availability_zone_hints: Mapped[list[str]] = mapped_column(Json, default=list)
    served: Mapped[bool] = mapped_column(default=True)        # False: an administrator took it from the L3 agent

    gw_port: Mapped[Port | None] = relationship(Port, lazy="selectin")


class FloatingIp(Standard, Base):
    """An address of an external network; `port_id` is whom it leads to, `floating_port_id` the port that holds it."""

    __tablename__ = "network_floatingips"

    floating_network_id: Mapped[str] = mapped_column(Id, index=True)
    floating_ip_address: Mapped[str] = mapped_column(Address)
    floating_port_id: Mapped[str] = mapped_column(Id, ForeignKey("network_ports.id"))
    fixed_ip_address: Mapped[str | None] = mapped_column(Address)
    port_id: Mapped[str | None] = mapped_column(Id, ForeignKey("network_ports.id"), index=True)
    router_id: Mapped[str | None] = mapped_column(Id, ForeignKey("network_routers.id"), index=True)
    status: Mapped[str] = mapped_column(String(16), default="DOWN")
    dns_name: Mapped[str] = mapped_column(Name, default="")
    dns_domain: Mapped[str] = mapped_column(Name, default="")

    port: Mapped[PortSummary | None] = relationship(
        PortSummary, primaryjoin=lambda: FloatingIp.port_id == PortSummary.id, lazy="selectin", viewonly=True,
        foreign_keys=lambda: FloatingIp.port_id)

    __table_args__ = (Index("uq_network_floatingips_address", "floating_network_id", "floating_ip_address", unique=True),)


class AddressScope(Owned, Shared, Base):
    __tablename__ = "network_address_scopes"

    name: Mapped[str] = mapped_column(Name, default="")
    ip_version: Mapped[int] = mapped_column(Integer, default=4)


class SubnetPool(Standard, Shared, Base):
    __tablename__ = "network_subnetpools"

    prefixes: Mapped[list[str]] = mapped_column(Json, default=list)
    ip_version: Mapped[int] = mapped_column(Integer)
    min_prefixlen: Mapped[int] = mapped_column(Integer)
    max_prefixlen: Mapped[int] = mapped_column(Integer)
    default_prefixlen: Mapped[int] = mapped_column(Integer)
    default_quota: Mapped[int | None] = mapped_column(Integer)
    address_scope_id: Mapped[str | None] = mapped_column(Id, ForeignKey("network_address_scopes.id"))
    is_default: Mapped[bool] = mapped_column(default=False)


class Topology(Base):
    """The network and router that were made for a project that asked for "a network" only."""

    __tablename__ = "network_auto_topologies"

    project_id: Mapped[str] = mapped_column(Id, primary_key=True)
    network_id: Mapped[str] = mapped_column(Id, ForeignKey("network_networks.id", ondelete="CASCADE"))
    router_id: Mapped[str | None] = mapped_column(Id)


class SecurityGroup(Standard, Shared, Base):
    __tablename__ = "network_security_groups"

    stateful: Mapped[bool] = mapped_column(default=True)
    is_default: Mapped[bool] = mapped_column(default=False)

    rules: Mapped[list["GroupRule"]] = relationship(
        "GroupRule", lazy="selectin", cascade="all, delete-orphan", passive_deletes=True,
        foreign_keys="GroupRule.security_group_id", order_by=lambda: (GroupRule.created_at, GroupRule.id))


class GroupRule(Standard, Base):
    __tablename__ = "network_security_group_rules"

    security_group_id: Mapped[str] = mapped_column(Id, ForeignKey("network_security_groups.id", ondelete="CASCADE"), index=True)
    direction: Mapped[str] = mapped_column(String(16))
    ethertype: Mapped[str] = mapped_column(String(16), default="IPv4")
    protocol: Mapped[str | None] = mapped_column(String(40))
    port_range_min: Mapped[int | None] = mapped_column(Integer)
    port_range_max: Mapped[int | None] = mapped_column(Integer)
    remote_ip_prefix: Mapped[str | None] = mapped_column(Address)
    remote_group_id: Mapped[str | None] = mapped_column(
        Id, ForeignKey("network_security_groups.id", ondelete="CASCADE"), index=True)

    group_project_id: Mapped[str] = column_property(
        select(SecurityGroup.project_id).where(SecurityGroup.id == security_group_id)
        .correlate_except(SecurityGroup).scalar_subquery(), expire_on_flush=False)
    belongs_to_default_sg: Mapped[bool] = column_property(
        select(SecurityGroup.is_default).where(SecurityGroup.id == security_group_id)
        .correlate_except(SecurityGroup).scalar_subquery(), expire_on_flush=False)


class AgentNote(Base):
    """What an administrator wrote on one of this host's agents."""

    __tablename__ = "network_agents"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    description: Mapped[str | None] = mapped_column(Name)
    admin_state_up: Mapped[bool] = mapped_column(default=True)
    extra: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
