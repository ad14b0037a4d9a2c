"""What the settings say of block storage, held once for the whole module: logic has no other way to them than this."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloudd.core.errors import StartError


@dataclass
class Config:
    """Filled by BlockModule when it opens."""

    host: str = "localhost"
    zone: str = "nova"
    default_type: str = "__DEFAULT__"
    over_subscription: float = 20.0
    reserved: int = 0
    default_group_type: str = ""
    message_days: int = 30
    filters: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def from_settings(self, settings: Any, host: str) -> None:
        options = settings.block
        self.host = options.host_name or host
        self.zone = options.default_availability_zone
        self.default_type = options.default_volume_type
        self.over_subscription, self.reserved = options.max_over_subscription_ratio, options.reserved_percentage
        self.default_group_type, self.message_days = options.default_group_type, options.message_days
        self.filters = read_filters(options.resource_filters)


def read_filters(path: str) -> dict[str, tuple[str, ...]]:
    """The filters that users have, by list, from a file as Cinder's resource_filters.json. Raises StartError."""
    if not path:
        return {}
    try:
        found = json.loads(Path(path).read_text())
    except (OSError, ValueError) as exc:
        raise StartError(f"[block] resource_filters = {path}: {exc}") from exc
    if not isinstance(found, dict) or not all(isinstance(names, list) and all(isinstance(name, str) for name in names)
                                              for names in found.values()):
        raise StartError(f"[block] resource_filters = {path}: it must be an object of lists of names, as "
                         '{"volume": ["name", "status"]}')
    return {resource: tuple(names) for resource, names in found.items()}


CONFIG = Config()
