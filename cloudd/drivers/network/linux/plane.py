"""The driver as its own parts see it: what restoring, comparing and listening need of it."""

import asyncio
import builtins
from typing import Protocol

from cloudd.drivers.network.base import Inventory, NetworkConfig, NetworkSpec, RouterSpec
from cloudd.drivers.network.linux import external, netns, rights
from cloudd.drivers.network.linux.firewall import Firewall
from cloudd.drivers.network.linux.names import Names
from cloudd.drivers.network.linux.nft_state import Ruleset
from cloudd.drivers.network.linux.zones import Zones


class Dataplane(Protocol):
    config: NetworkConfig
    names: Names
    workers: netns.Workers
    zones: Zones
    firewall: Firewall
    firewall_lock: asyncio.Lock
    host_rules: external.HostRules
    networks: dict[str, NetworkSpec]
    routers: dict[str, RouterSpec]
    router_rules: dict[str, Ruleset]
    dhcp_rules: dict[str, Ruleset]
    cabled: dict[str, int]
    cut_zones: set[int]

    def lock(self, key: str) -> asyncio.Lock: ...
    def judge(self) -> rights.Rights: ...
    async def review_flows(self, review: rights.Review, judge: rights.Rights) -> None: ...
    async def list(self) -> Inventory: ...
    async def make_network(self, spec: NetworkSpec) -> bool: ...
    async def apply_network(self, spec: NetworkSpec) -> None: ...
    async def apply_router(self, spec: RouterSpec) -> None: ...
    async def remove_router(self, router_id: str) -> None: ...
    async def drop_dhcp(self, network_id: str) -> None: ...
    async def plug(self, port_id: str) -> None: ...
    async def mend_firewall(self) -> builtins.list[str]: ...
