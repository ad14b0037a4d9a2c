"""The tables of compute, one file a subject."""

from cloudd.compute.models.actions import ActionEvent, ServerAction, ServerFault
from cloudd.compute.models.flavors import Flavor, FlavorAccess, FlavorExtraSpec
from cloudd.compute.models.groups import ServerGroup, ServerGroupMember
from cloudd.compute.models.hosts import Aggregate, AggregateHost, AggregateMetadata, ConsoleTicket, Node, Service
from cloudd.compute.models.keypairs import Keypair
from cloudd.compute.models.migrations import Migration
from cloudd.compute.models.servers import BlockDevice, Server, ServerMetadata, ServerPort, ServerTag

__all__ = [
    "ActionEvent", "Aggregate", "AggregateHost", "AggregateMetadata", "BlockDevice", "ConsoleTicket", "Flavor", "FlavorAccess",
    "FlavorExtraSpec", "Keypair", "Migration", "Node", "Server", "ServerAction", "ServerFault", "ServerGroup", "ServerGroupMember",
    "ServerMetadata", "ServerPort", "ServerTag", "Service",
]
