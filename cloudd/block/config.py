"""What the settings say of block storage, held once for the whole module: logic has no other way to them than this."""

from dataclasses import dataclass
from typing import Any


@dataclass
class Config:
    """Filled by BlockModule when it opens."""

    host: str = "localhost"
    zone: str = "nova"
    default_type: str = "__DEFAULT__"
    over_subscription: float = 20.0
    reserved: int = 0

    def from_settings(self, settings: Any, host: str) -> None:
        options = settings.block
        self.host = options.host_name or host
        self.zone = options.default_availability_zone
        self.default_type = options.default_volume_type
        self.over_subscription, self.reserved = options.max_over_subscription_ratio, options.reserved_percentage


CONFIG = Config()
