"""Hypervisors over HTTP."""

from typing import Any

import orjson

from cloudd.compute.api import API
from cloudd.compute.hosts import hypervisors
from cloudd.compute.hosts.hypervisors import Machine
from cloudd.compute.versions import CPU_INFO_OBJECT, HYPERVISOR_PAGES, HYPERVISOR_WITHOUT_USAGE, STRICT, UUID_OF_SERVICES
from cloudd.core.errors import BadRequest
from cloudd.core.http import Field, Page, Request, Shape
from cloudd.core.http.shapes import UNSET
from cloudd.core.http.types import Bool, Enum, Int, List, Map, Raw, Record, Text, Uuid

RULE = "os_compute_api:os-hypervisors:{}"
FILTERS = Shape(None,
    Field("limit", List(Text(0, 64)), since=HYPERVISOR_PAGES), Field("marker", List(Text(0, 255)), since=HYPERVISOR_PAGES),
    Field("hypervisor_hostname_pattern", List(Text(1, 255)), since=UUID_OF_SERVICES),
    Field("with_servers", List(Bool(text=True)), since=UUID_OF_SERVICES), extra=STRICT)
WITH_SERVERS = Shape(None, Field("with_servers", List(Bool(text=True)), since=UUID_OF_SERVICES), extra=STRICT)


def asks_servers(request: Request) -> bool:
    return bool((request.params.get("with_servers") or [False])[-1])


def told(name: str) -> Any:
    """What the hypervisor tells, while it is in reach."""
    return lambda machine, request: getattr(machine.info, name) if machine.info else None


def used(name: str) -> Any:
    return lambda machine, request: machine.usage[name]


def servers_on(machine: Machine, request: Request) -> Any:
    """Since 2.53 when asked for, and since 2.75 even when there are none."""
    there = machine.holds.servers or (asks_servers(request) and request.has(STRICT))
    return [{"uuid": key, "name": name} for key, name in machine.holds.servers] if there else UNSET


def service_of(machine: Machine, request: Request) -> dict[str, Any]:
    service = machine.service
    return {"host": machine.node.host, "disabled_reason": service.disabled_reason if service else None,
            "id": None if service is None else service.uuid if request.has(UUID_OF_SERVICES) else service.id}


BRIEF = (
    Field("id", Int(), of="node.id", until="2.52"), Field("id", Uuid(), of="node.uuid", since=UUID_OF_SERVICES),
    Field("hypervisor_hostname", Text(), of="node.hypervisor_hostname"),
    Field("state", Enum("up", "down"), of=lambda machine, request: "up" if machine.is_up else "down"),
    Field("status", Enum("enabled", "disabled"), of=lambda machine, request: "disabled" if machine.disabled else "enabled"),
)
SERVERS = Field("servers", List(Record({"uuid": Uuid(), "name": Text()})), of=servers_on, sometimes=True)
SERVICE = Record({"host": Text(), "disabled_reason": Text(null=True), "id": Raw({"type": ["integer", "string", "null"]})})
LISTED = Shape("hypervisor", *BRIEF, SERVERS)
UPTIME = Shape("hypervisor", *BRIEF, Field("uptime", Text(), of="info.uptime"))
HYPERVISOR = Shape("hypervisor", *BRIEF, SERVERS,
    Field("host_ip", Text(null=True), of=told("host_ip")), Field("hypervisor_type", Text(null=True), of=told("hypervisor_type")),
    Field("hypervisor_version", Int(null=True), of=told("hypervisor_version")), Field("service", SERVICE, of=service_of),
    Field("uptime", Text(null=True), of=told("uptime"), since=HYPERVISOR_WITHOUT_USAGE),
    *(Field(name, Int(), of=used(name), until="2.87") for name in hypervisors.ZERO),
    Field("cpu_info", Text(), of=lambda machine, request: orjson.dumps(machine.cpu_info()).decode(), until="2.27"),
    Field("cpu_info", Map(), of=lambda machine, request: machine.cpu_info(), since=CPU_INFO_OBJECT, until="2.87"),
)
STATISTICS = Record({"hypervisor_statistics": Record(dict.fromkeys(("count", *hypervisors.ZERO), Int()))})
resource = API.resource("/os-hypervisors", live=True)


async def page(request: Request) -> Page:
    """The list, filtered and cut as asked."""
    pattern = request.query.get("hypervisor_hostname_pattern") if request.has(UUID_OF_SERVICES) else None
    if pattern and ("limit" in request.query or "marker" in request.query):
        raise BadRequest("Paging over hypervisors with the hypervisor_hostname_pattern query parameter is not supported.")
    found = await hypervisors.machines(request.parts, with_servers=asks_servers(request), pattern=pattern)
    if pattern:
        hypervisors.require_some(found, pattern)
    keys = [str(machine.node.uuid if request.has(UUID_OF_SERVICES) else machine.node.id) for machine in found]
    start, limit = 0, None
    if request.has(HYPERVISOR_PAGES):
        asked = request.api.dialect.read_list(request)
        limit = asked.limit
        if asked.marker is not None:
            if asked.marker not in keys:
                raise BadRequest(f"marker [{asked.marker}] not found")
            start = keys.index(asked.marker) + 1
    end = len(found) if limit is None else start + limit
    cut = found[start:end]
    return Page(cut, limit, end < len(found) and bool(cut), keys[start + len(cut) - 1] if cut else None)


@resource.get("", policy=RULE.format("list"), query=FILTERS, reply=LISTED)
async def index(request: Request) -> Page:
    """List the hypervisors."""
    return await page(request)


@resource.get("/detail", policy=RULE.format("list-detail"), query=FILTERS, reply=HYPERVISOR)
async def detail(request: Request) -> Page:
    """List the hypervisors with all that is known of them."""
    return await page(request)


@resource.get("/statistics", policy=RULE.format("statistics"), until="2.87", answer=STATISTICS)
async def statistics(request: Request) -> dict[str, Any]:
    """Add up what all hypervisors have and hold."""
    found = [machine for machine in await hypervisors.machines(request.parts) if not machine.disabled]
    return {"hypervisor_statistics": {"count": len(found), **{name: sum(machine.usage[name] for machine in found)
                                                              for name in hypervisors.ZERO}}}


@resource.get("/{hypervisor_id}", policy=RULE.format("show"), query=WITH_SERVERS, reply=HYPERVISOR)
async def show(request: Request, hypervisor_id: str) -> Machine:
    """Show a hypervisor."""
    return await hypervisors.one(request.parts, hypervisor_id, by_uuid=request.has(UUID_OF_SERVICES),
                                 with_servers=asks_servers(request))


@resource.get("/{hypervisor_id}/uptime", policy=RULE.format("uptime"), until="2.87", reply=UPTIME, many=False)
async def uptime(request: Request, hypervisor_id: str) -> Machine:
    """Tell how long a hypervisor has been up."""
    machine = await hypervisors.one(request.parts, hypervisor_id, by_uuid=request.has(UUID_OF_SERVICES))
    if machine.info is None:
        raise BadRequest(f"The hypervisor {machine.node.hypervisor_hostname} does not answer.")
    return machine


@resource.get("/{pattern}/search", policy=RULE.format("search"), until="2.52", reply=LISTED)
async def search(request: Request, pattern: str) -> list[Machine]:
    """List the hypervisors whose name has the pattern in it."""
    return hypervisors.require_some(await hypervisors.machines(request.parts, pattern=pattern), pattern)


@resource.get("/{pattern}/servers", policy=RULE.format("servers"), until="2.52", reply=LISTED)
async def servers(request: Request, pattern: str) -> list[Machine]:
    """List the hypervisors whose name has the pattern in it, with their servers."""
    return hypervisors.require_some(await hypervisors.machines(request.parts, with_servers=True, pattern=pattern), pattern)
