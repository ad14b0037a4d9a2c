"""The list of extensions: since long all are part of Nova, and old clients still ask."""

from typing import Any

from cloudd.compute.api import API
from cloudd.core.errors import NotFound
from cloudd.core.http import Field, Request, Shape
from cloudd.core.http.dialects import LINKS
from cloudd.core.http.types import Raw, Text

UPDATED = "2014-12-03T00:00:00Z"
NAMES = {
    "NMN": "Multinic", "OS-DCF": "DiskConfig", "OS-EXT-AZ": "ExtendedAvailabilityZone", "OS-EXT-IPS": "ExtendedIps",
    "OS-EXT-IPS-MAC": "ExtendedIpsMac", "OS-EXT-SRV-ATTR": "ExtendedServerAttributes", "OS-EXT-STS": "ExtendedStatus",
    "OS-FLV-DISABLED": "FlavorDisabled", "OS-FLV-EXT-DATA": "FlavorExtraData", "OS-SCH-HNT": "SchedulerHints",
    "OS-SRV-USG": "ServerUsage", "flavors": "Flavors", "image-size": "ImageSize", "ips": "Ips", "limits": "Limits",
    "os-access-ips": "AccessIPs", "os-admin-actions": "AdminActions", "os-admin-password": "AdminPassword",
    "os-aggregates": "Aggregates", "os-attach-interfaces": "AttachInterfaces", "os-availability-zone": "AvailabilityZone",
    "os-block-device-mapping": "BlockDeviceMapping", "os-block-device-mapping-v2-boot": "BlockDeviceMappingV2Boot",
    "os-config-drive": "ConfigDrive", "os-console-auth-tokens": "ConsoleAuthTokens", "os-console-output": "ConsoleOutput",
    "os-consoles": "Consoles", "os-deferred-delete": "DeferredDelete", "os-extended-quotas": "ExtendedQuotas",
    "os-extended-volumes": "ExtendedVolumes", "os-flavor-access": "FlavorAccess", "os-flavor-extra-specs": "FlavorExtraSpecs",
    "os-flavor-manage": "FlavorManage", "os-flavor-rxtx": "FlavorRxtx", "os-flavor-swap": "FlavorSwap",
    "os-hypervisors": "Hypervisors", "os-instance-actions": "InstanceActions", "os-keypairs": "Keypairs",
    "os-lock-server": "LockServer", "os-migrations": "Migrations", "os-multiple-create": "MultipleCreate",
    "os-pause-server": "PauseServer", "os-quota-class-sets": "QuotaClassSets", "os-quota-sets": "QuotaSets",
    "os-remote-consoles": "RemoteConsoles", "os-rescue": "Rescue", "os-security-groups": "SecurityGroups",
    "os-server-diagnostics": "ServerDiagnostics", "os-server-external-events": "ServerExternalEvents",
    "os-server-group-quotas": "ServerGroupQuotas", "os-server-groups": "ServerGroups", "os-server-list-multi-status":
    "ServerListMultiStatus", "os-server-password": "ServerPassword", "os-server-sort-keys": "ServerSortKeys",
    "os-server-start-stop": "ServerStartStop", "os-services": "Services", "os-simple-tenant-usage": "SimpleTenantUsage",
    "os-suspend-server": "SuspendServer", "os-tenant-networks": "TenantNetworks", "os-used-limits": "UsedLimits",
    "os-used-limits-for-admin": "UsedLimitsForAdmin", "os-user-data": "UserData", "os-user-quotas": "UserQuotas",
    "server-metadata": "ServerMetadata", "servers": "Servers", "versions": "Versions",
}
EXTENSION = Shape("extension", *(Field(name, Text()) for name in ("alias", "name", "description", "updated", "namespace")),
                  Field("links", Raw(LINKS)))
resource = API.resource("/extensions", policy="os_compute_api:extensions", answer=EXTENSION)


def view(alias: str) -> dict[str, Any]:
    return {"alias": alias, "name": NAMES[alias], "description": "", "links": [], "updated": UPDATED,
            "namespace": "http://docs.openstack.org/compute/ext/fake_xml"}


@resource.get("")
async def index(request: Request) -> dict[str, Any]:
    """List the extensions."""
    return {"extensions": [view(alias) for alias in sorted(NAMES)]}


@resource.get("/{alias}")
async def show(alias: str) -> dict[str, Any]:
    """Show an extension."""
    if alias not in NAMES:
        raise NotFound(f"The resource could not be found: there is no extension {alias}.")
    return {"extension": view(alias)}
