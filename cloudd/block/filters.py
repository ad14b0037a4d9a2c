"""What users may ask of each list. Administrators may ask for any column; which of these are on is the operator's."""

from collections.abc import Collection

from cloudd.block.config import CONFIG
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest

FILTERS: dict[str, tuple[str, ...]] = {
    "volume": ("name", "status", "metadata", "bootable", "migration_status", "availability_zone", "group_id", "size", "created_at",
               "updated_at", "consumes_quota"),
    "backup": ("name", "status", "volume_id"),
    "snapshot": ("name", "status", "volume_id", "metadata", "availability_zone", "consumes_quota"),
    "group": ("name",),
    "group_snapshot": ("name", "status", "group_id"),
    "attachment": ("volume_id", "status", "instance_id", "attach_status"),
    "message": ("resource_uuid", "resource_type", "event_id", "request_id", "message_level"),
    "pool": ("name", "volume_type"),
    "volume_type": ("is_public", "extra_specs"),
}


def of(resource: str) -> tuple[str, ...]:
    """The filters that users have of a list, under upstream's names; `name~` also finds a part of a name."""
    return CONFIG.filters.get(resource, FILTERS.get(resource, ()))


def every() -> dict[str, tuple[str, ...]]:
    return {**FILTERS, **CONFIG.filters}


def refuse(context: Context, resource: str, given: Collection[str], *, like: bool) -> None:
    """Raise BadRequest for a filter that the caller has not. What `all_tenants` asks for, old clients always send."""
    if context.is_admin and resource != "pool":
        return
    have = set(of(resource))
    if like:
        have |= {name.removesuffix("~") for name in have}
    if wrong := [name for name in given if name not in have and name != "all_tenants"]:
        raise BadRequest(f"Invalid filters {','.join(wrong)} are found in query options: use {', '.join(sorted(have)) or 'none'}.")
