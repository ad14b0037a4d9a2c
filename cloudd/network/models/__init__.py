"""Tables of networks."""

from cloudd.network.models.l2 import (
    Allocation,
    Network,
    Port,
    PortGroup,
    PortSummary,
    Rbac,
    Standard,
    Subnet,
    SubnetId,
    Tag,
)
from cloudd.network.models.l3 import (
    AddressScope,
    AgentNote,
    FloatingIp,
    GroupRule,
    Router,
    SecurityGroup,
    SubnetPool,
    Topology,
)

__all__ = ["AddressScope", "AgentNote", "Allocation", "FloatingIp", "GroupRule", "Network", "Port", "PortGroup", "PortSummary",
           "Rbac", "Router", "SecurityGroup", "Standard", "Subnet", "SubnetId", "SubnetPool", "Tag", "Topology"]
