"""What the settings say of networks, held once for the whole module: logic has no other way to them than its arguments."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.quotas import Quotas
from cloudd.network import usage

DEFAULT_QUOTAS = {"network": 100, "subnet": 100, "subnetpool": -1, "port": 500, "router": 10, "floatingip": 50,
                  "security_group": 10, "security_group_rule": 100, "rbac_policy": 10}


@dataclass
class Config:
    """Filled by NetworkModule from the settings."""

    host: str = "localhost"
    dns_domain: str = "openstacklocal"
    mtu: int = 1500
    mac_base: str = "fa:16:3e:00:00:00"
    bridged: tuple[str, ...] = ()
    zone: str = "nova"


class NetworkQuotas(Quotas):
    async def used(self, tx: AsyncSession, project_id: str, names: Collection[str]) -> Mapping[str, int]:
        return await usage.count(tx, project_id, names)


CONFIG = Config()
QUOTAS = NetworkQuotas("network", dict(DEFAULT_QUOTAS), usage.count)
