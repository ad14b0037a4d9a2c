"""What a back end can, over HTTP."""

from collections.abc import Callable
from typing import Any

from cloudd.block.api import API
from cloudd.block.backends import Backends, name_of
from cloudd.block.operators.services import host_of
from cloudd.core.errors import NotFound
from cloudd.core.http import Request
from cloudd.core.http.types import NONE, NULL, Map, Record, Text
from cloudd.drivers.volume.base import Capabilities, LiveSnapshots

CAPABILITIES = Record({**dict.fromkeys(("namespace", "vendor_name", "volume_backend_name", "pool_name", "driver_version",
                                        "storage_protocol", "description"), Text()), "display_name": NULL, "visibility": NULL,
                       "replication_targets": NONE,
                       "properties": Map(Record(dict.fromkeys(("title", "description", "type"), Text())))})
SAID: tuple[tuple[str, str, str, Callable[[Capabilities], bool]], ...] = (
    ("thin_provisioning", "Thin Provisioning", "volumes take room when they are written to", lambda caps: caps.thin),
    ("thick_provisioning", "Thick Provisioning", "volumes can have all of their room from the beginning", lambda caps: caps.thick),
    ("multiattach", "Multiattach", "several servers can have a volume at once", lambda caps: caps.multiattach),
    ("qos", "QoS", "limits of QoS specs are obeyed", lambda caps: True),
    ("replication_enabled", "Replication", "volumes are replicated to another back end", lambda caps: False),
    ("live_snapshots", "Live Snapshots", "volumes that are in use can have snapshots",
     lambda caps: caps.live_snapshots is not LiveSnapshots.NONE),
    ("online_extend", "Online Extend", "volumes that are in use can be extended", lambda caps: caps.live_extend),
    ("manage", "Manage", "what is in the back end already can become a volume", lambda caps: caps.manage))


@API.resource("/capabilities").get("/{hostname}", policy="volume_extension:capabilities", answer=CAPABILITIES, many=False)
async def show(request: Request, hostname: str) -> dict[str, Any]:
    """Show what a back end can; it is named as HOST@BACKEND."""
    there = request.service(Backends)
    place = there.at(hostname)
    if place is None:
        raise NotFound(f"Can't find service: {hostname[:255]}. Back ends: {', '.join(map(host_of, there.by_name)) or 'none'}.")
    name = name_of(place)
    caps = there.by_name[name].caps()
    return {"namespace": f"OS::Storage::Capabilities::{hostname}", "vendor_name": "cloudd", "volume_backend_name": name,
            "pool_name": name, "driver_version": "1", "storage_protocol": caps.kind, "display_name": None, "visibility": None,
            "description": f"Volumes of the driver {caps.kind}.", "replication_targets": [], "properties": properties(caps)}


def properties(caps: Capabilities) -> dict[str, dict[str, str]]:
    """Each that there is, with whether this back end has it, in Cinder's form."""
    return {name: {"title": title, "description": f"{'Yes' if has(caps) else 'No'}: {words}.", "type": "boolean"}
            for name, title, words, has in SAID}
