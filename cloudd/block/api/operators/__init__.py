"""What operators see and steer, over HTTP; importing this declares it."""

from cloudd.block.api.operators import (
    availability_zones,
    capabilities,
    clusters,
    extensions,
    hosts,
    limits,
    log_levels,
    messages,
    pools,
    quota_sets,
    resource_filters,
    services,
    workers,
)

__all__ = ["availability_zones", "capabilities", "clusters", "extensions", "hosts", "limits", "log_levels", "messages", "pools",
           "quota_sets", "resource_filters", "services", "workers"]
