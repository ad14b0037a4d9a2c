"""The jobs of networks: each brings one subject of the dataplane to what the rows say when it runs."""

from cloudd.network.jobs import apply_group, apply_network, apply_port, apply_router

__all__ = ["apply_group", "apply_network", "apply_port", "apply_router"]
