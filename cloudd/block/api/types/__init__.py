"""Volume types and what hangs on them, over HTTP; importing this declares them."""

from cloudd.block.api.types import access, default_types, encryption, extra_specs, group_types, qos_specs, types, volume_encryption

__all__ = ["access", "default_types", "encryption", "extra_specs", "group_types", "qos_specs", "types", "volume_encryption"]
