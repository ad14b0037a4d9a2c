"""The outside of every module: operations declared once, and from them routing, validation, policy and OpenAPI.

    API = Api("compute", prefixes=("/compute/v2.1",), history=HISTORY, dialect=Nova(), ...)
    servers = API.resource("/servers", server=load_server)

    @servers.post("/{server}/action", action="reboot", status=202, body=REBOOT, policy="os_compute_api:servers:reboot")
    async def reboot(request, tx, server, body):
        await servers_power.reboot(request.context, tx, server, hard=body["type"] == "HARD")

A handler names what it wants by its parameters: `request`, `tx`, `body`, and the path's names. `{server}` is loaded by the
resource's loader (the row in the caller's sight, or 404), a name without a loader is the text itself.
"""

from cloudd.core.http.api import Api, Page, Reply, Resource
from cloudd.core.http.microversions import Change, History, V
from cloudd.core.http.request import Request
from cloudd.core.http.shapes import Field, Shape

__all__ = ["Api", "Change", "Field", "History", "Page", "Reply", "Request", "Resource", "Shape", "V"]
