"""Consoles over HTTP: the log of the serial line, and tickets for screens and lines."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute import consoles
from cloudd.compute.api import API
from cloudd.compute.consoles.proxy import PATHS, address
from cloudd.compute.models import Server
from cloudd.compute.versions import CONSOLE_TOKENS_OF_ALL_TYPES, MKS_CONSOLE, REMOTE_CONSOLES, SPICE_DIRECT
from cloudd.core.errors import BadRequest, Conflict, NotFound, Unauthorized, Unavailable
from cloudd.core.http import Field, Request, Shape
from cloudd.core.http.types import NULL, Enum, Int, Obj, Raw, Record, Text
from cloudd.drivers.hypervisor.base import DomainNotFound, Hypervisor, HypervisorError
from cloudd.drivers.hypervisor.base import Unsupported as GuestHasNone

RULE = "os_compute_api:os-remote-consoles"
OLD_LAST = "2.5"
OLD_TYPES = ("novnc", "xvpvnc")
LENGTH = Raw({"type": ["integer", "string", "null"], "pattern": "^-?[0-9]+$", "minimum": -1})
OUTPUT = Shape(None, Field("os-getConsoleOutput", Obj({"length": LENGTH}), required=True))
PROTOCOLS, TYPES = ("vnc", "spice", "rdp", "serial"), ("novnc", "xvpvnc", "rdp-html5", "spice-html5", "serial")
BELONGS = {"vnc": ("novnc", "xvpvnc"), "spice": ("spice-html5", "spice-direct"), "rdp": ("rdp-html5",), "serial": ("serial",),
           "mks": ("webmks",)}
REMOTE = Shape("remote_console",
    Field("protocol", Enum(*PROTOCOLS), required=True, until="2.7"),
    Field("protocol", Enum(*PROTOCOLS, "mks"), required=True, since=MKS_CONSOLE),
    Field("type", Enum(*TYPES), required=True, until="2.7"),
    Field("type", Enum(*TYPES, "webmks"), required=True, since=MKS_CONSOLE, until="2.98"),
    Field("type", Enum(*TYPES, "webmks", "spice-direct"), required=True, since=SPICE_DIRECT))
OPENED = {"type": Text(), "url": Text()}
CONSOLE = Record({"console": Record(OPENED)})
REMOTE_OPENED = Record({"remote_console": Record({"protocol": Text(), **OPENED})})
TOKEN = Shape("console", *(Field(name, Text()) for name in ("instance_uuid", "host", "internal_access_path")), Field("port", Int()),
              Field("tls_port", NULL, since=SPICE_DIRECT))
server_resource = API.resource("/servers/{server}")


def old(action: str, *types: str) -> Shape:
    return Shape(None, Field(action, Obj({"type": Enum(*types)}, ["type"]), required=True))


@server_resource.post("/action", action="os-getConsoleOutput", live=True, body=OUTPUT,
                      policy="os_compute_api:os-console-output", answer=Record({"output": Text()}))
async def output(request: Request, server: Server, body: dict[str, Any]) -> dict[str, Any]:
    """Show the end of what the guest wrote to its serial line."""
    length = body["os-getConsoleOutput"].get("length")
    lines = -1 if length is None else int(length)
    if lines < -1:
        raise BadRequest(f"Invalid input for field/attribute length. Value: {length}. It must be -1 or more.")
    if server.host is None:
        raise Conflict(f"Instance {server.id} is not ready: it is on no host yet.", type="InstanceNotReady")
    try:
        data = await request.driver(Hypervisor).consoles.log(server.id)
    except (DomainNotFound, GuestHasNone) as exc:
        raise NotFound("Guest does not have a console available.", type="ConsoleNotAvailable") from exc
    except HypervisorError as exc:
        raise Unavailable(f"The console of server {server.id} cannot be read: {exc}") from exc
    text = data.decode("utf-8", "replace").replace("\0", "")
    return {"output": text if lines == -1 else tail(text, lines)}


def tail(text: str, lines: int) -> str:
    """The last lines of a text."""
    return "".join(text.splitlines(keepends=True)[-lines:]) if lines else ""


async def opened(request: Request, tx: AsyncSession, server: Server, wanted: str) -> dict[str, Any]:
    kind = consoles.require_console(server, wanted)
    token = await consoles.make(request.context, tx, server, kind, request.settings.compute.console_token_ttl)
    return {"type": str(kind), "url": address(request.base_url, kind, token)}


@server_resource.post("/action", action="os-getVNCConsole", until=OLD_LAST, body=old("os-getVNCConsole", *OLD_TYPES), policy=RULE,
                      answer=CONSOLE)
async def vnc_console(request: Request, tx: AsyncSession, server: Server, body: dict[str, Any]) -> dict[str, Any]:
    """Open a guest's screen."""
    return {"console": await opened(request, tx, server, body["os-getVNCConsole"]["type"])}


@server_resource.post("/action", action="os-getSerialConsole", until=OLD_LAST, body=old("os-getSerialConsole", "serial"),
                      policy=RULE, answer=CONSOLE)
async def serial_console(request: Request, tx: AsyncSession, server: Server, body: dict[str, Any]) -> dict[str, Any]:
    """Open a guest's serial line."""
    return {"console": await opened(request, tx, server, "serial")}


@server_resource.post("/action", action="os-getSPICEConsole", until=OLD_LAST, body=old("os-getSPICEConsole", "spice-html5"),
                      policy=RULE, answer=CONSOLE)
async def spice_console(request: Request, tx: AsyncSession, server: Server, body: dict[str, Any]) -> dict[str, Any]:
    """Open a guest's screen by SPICE, which there is not here."""
    return {"console": await opened(request, tx, server, "spice-html5")}


@server_resource.post("/remote-consoles", since=REMOTE_CONSOLES, body=REMOTE, policy=RULE, answer=REMOTE_OPENED)
async def remote_console(request: Request, tx: AsyncSession, server: Server, body: dict[str, Any]) -> dict[str, Any]:
    """Open a guest's screen or serial line."""
    if body["type"] not in BELONGS[body["protocol"]]:
        raise BadRequest(f"Unavailable console type {body['type']}: protocol {body['protocol']} does not have it.",
                         type="ConsoleTypeUnavailable")
    return {"remote_console": {"protocol": body["protocol"], **await opened(request, tx, server, body["type"])}}


@API.resource("/os-console-auth-tokens").get("/{console_token}", policy="os_compute_api:os-console-auth-tokens", answer=TOKEN)
async def show_token(request: Request, tx: AsyncSession, console_token: str) -> dict[str, Any]:
    """Show what a console's token opens. It is opened at this daemon, so this is where it leads."""
    if not request.has(CONSOLE_TOKENS_OF_ALL_TYPES):
        raise Unauthorized("The requested console type details are not accessible: before 2.31 only RDP's were.")
    found = await consoles.find(tx, console_token, request.context.now())
    if found is None:
        raise NotFound("Token not found: it does not exist, was used, or has expired.")
    host, port = request.settings.server.addresses()[0]
    shown = {"instance_uuid": found.server_id, "host": host, "port": port, "internal_access_path": PATHS[found.console_type]}
    return {"console": {**shown, "tls_port": None} if request.has(SPICE_DIRECT) else shown}
