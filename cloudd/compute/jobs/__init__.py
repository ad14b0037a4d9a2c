"""The long operations of compute; importing this registers them."""

from cloudd.compute.jobs import (
    attach_interface,
    attach_volume,
    cache_image,
    create_server,
    delete_server,
    detach_interface,
    detach_volume,
    observe_server,
    pause_server,
    reboot_server,
    rebuild_server,
    rescue_server,
    resize_server,
    snapshot_server,
    start_server,
    stop_server,
    suspend_server,
)

__all__ = ["attach_interface", "attach_volume", "cache_image", "create_server", "delete_server", "detach_interface",
           "detach_volume", "observe_server", "pause_server", "reboot_server", "rebuild_server", "rescue_server",
           "resize_server", "snapshot_server", "start_server", "stop_server", "suspend_server"]
