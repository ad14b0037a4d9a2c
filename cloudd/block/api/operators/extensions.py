"""The list of extensions: since long all are part of Cinder, and old clients still ask."""

from typing import Any

from cloudd.block.api import API
from cloudd.core.errors import NotFound
from cloudd.core.http.types import NONE, List, Record, Text

KNOWN = {
    "OS-SCH-HNT": ("SchedulerHints", "2013-04-18T00:00:00+00:00"),
    "backups": ("Backups", "2012-12-12T00:00:00+00:00"),
    "capabilities": ("Capabilities", "2015-08-31T00:00:00+00:00"),
    "cgsnapshots": ("Cgsnapshots", "2014-08-18T00:00:00+00:00"),
    "consistencygroups": ("Consistencygroups", "2014-08-18T00:00:00+00:00"),
    "encryption": ("VolumeTypeEncryption", "2013-07-01T00:00:00+00:00"),
    "os-admin-actions": ("AdminActions", "2012-08-25T00:00:00+00:00"),
    "os-availability-zone": ("AvailabilityZones", "2013-06-27T00:00:00+00:00"),
    "os-extended-services": ("ExtendedServices", "2014-01-10T00:00:00-00:00"),
    "os-extended-snapshot-attributes": ("ExtendedSnapshotAttributes", "2012-06-19T00:00:00+00:00"),
    "os-hosts": ("Hosts", "2011-06-29T00:00:00+00:00"),
    "os-quota-class-sets": ("QuotaClasses", "2012-03-12T00:00:00+00:00"),
    "os-quota-sets": ("Quotas", "2011-08-08T00:00:00+00:00"),
    "os-services": ("Services", "2012-10-28T00:00:00-00:00"),
    "os-snapshot-actions": ("SnapshotActions", "2013-07-16T00:00:00+00:00"),
    "os-snapshot-manage": ("SnapshotManage", "2014-12-31T00:00:00+00:00"),
    "os-snapshot-unmanage": ("SnapshotUnmanage", "2014-12-31T00:00:00+00:00"),
    "os-types-extra-specs": ("TypesExtraSpecs", "2011-08-24T00:00:00+00:00"),
    "os-types-manage": ("TypesManage", "2011-08-24T00:00:00+00:00"),
    "os-used-limits": ("UsedLimits", "2013-10-03T00:00:00+00:00"),
    "os-vol-host-attr": ("VolumeHostAttribute", "2011-11-03T00:00:00+00:00"),
    "os-vol-image-meta": ("VolumeImageMetadata", "2012-12-07T00:00:00+00:00"),
    "os-vol-mig-status-attr": ("VolumeMigStatusAttribute", "2013-08-08T00:00:00+00:00"),
    "os-vol-tenant-attr": ("VolumeTenantAttribute", "2011-11-03T00:00:00+00:00"),
    "os-volume-actions": ("VolumeActions", "2012-05-31T00:00:00+00:00"),
    "os-volume-encryption-metadata": ("VolumeEncryptionMetadata", "2013-07-10T00:00:00+00:00"),
    "os-volume-manage": ("VolumeManage", "2014-02-10T00:00:00+00:00"),
    "os-volume-transfer": ("VolumeTransfer", "2013-05-29T00:00:00+00:00"),
    "os-volume-type-access": ("VolumeTypeAccess", "2014-06-26T00:00:00Z"),
    "os-volume-unmanage": ("VolumeUnmanage", "2012-05-31T00:00:00+00:00"),
    "qos-specs": ("Qos_specs_manage", "2013-08-02T00:00:00+00:00"),
    "scheduler-stats": ("Scheduler_stats", "2014-09-07T00:00:00+00:00"),
}
"""Name and date of each, by its alias."""
EXTENSION = Record({**dict.fromkeys(("alias", "name", "description", "updated"), Text()), "links": NONE})
SEE = "volume_extension:type_get_all"
"""Upstream asks no policy."""
resource = API.resource("/extensions", policy=SEE)


def view(alias: str) -> dict[str, Any]:
    name, updated = KNOWN[alias]
    return {"alias": alias, "name": name, "description": f"{name}: a part of every Cinder.", "updated": updated, "links": []}


@resource.get("", answer=Record({"extensions": List(EXTENSION)}))
async def index() -> dict[str, Any]:
    """List the extensions."""
    return {"extensions": [view(alias) for alias in KNOWN]}


@resource.get("/{alias}", answer=Record({"extension": EXTENSION}))
async def show(alias: str) -> dict[str, Any]:
    """Show an extension."""
    if alias not in KNOWN:
        raise NotFound(f"The resource could not be found: there is no extension {alias[:255]}.")
    return {"extension": view(alias)}
