"""The long operations of block storage; importing this registers them."""

from cloudd.block.jobs import (
    create_volume,
    delete_volume,
    extend_volume,
    manage_volume,
    reimage_volume,
    revert_volume,
    snapshots,
    upload_volume,
)

__all__ = ["create_volume", "delete_volume", "extend_volume", "manage_volume", "reimage_volume", "revert_volume", "snapshots",
           "upload_volume"]
