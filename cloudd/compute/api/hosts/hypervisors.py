"""Hypervisors over HTTP."""

from typing import Any

import orjson

from cloudd.compute.api import API
from cloudd.compute.hosts import hypervisors
from cloudd.compute.hosts.hypervisors import Machine
from cloudd.compute.versions import CPU_INFO_OBJECT, HYPERVISOR_PAGES, HYPERVISOR_WITHOUT_USAGE, STRICT, UUID_OF_SERVICES
from cloudd.core.errors import BadRequest
from cloudd.core.http import Field, Page, Request, Shape
from cloudd.core.http.types import Bool, List, Text

RULE = "os_compute_api:os-hypervisors:{}"
FILTERS = Shape(None,
    Field("limit", List(Text(0, 64)), since=HYPERVISOR_PAGES), Field("marker", List(Text(0, 255)), since=HYPERVISOR_PAGES),
    Field("hypervisor_hostname_pattern", List(Text(1, 255)), since=UUID_OF_SERVICES),
    Field("with_servers", List(Bool(text=True)), since=UUID_OF_SERVICES), extra=STRICT)
WITH_SERVERS = Shape(None, Field("with_servers", List(Bool(text=True)), since=UUID_OF_SERVICES), extra=STRICT)
resource = API.resource("/os-hypervisors", live=True)


def brief(request: Request, machine: Machine, servers: bool) -> dict[str, Any]:
    """What every form tells. Servers come since 2.53 when asked for, and since 2.75 even when there are none."""
    shown: dict[str, Any] = {"id": machine.node.uuid if request.has(UUID_OF_SERVICES) else machine.node.id,
                             "hypervisor_hostname": machine.node.hypervisor_hostname,
                             "state": "up" if machine.is_up else "down",
                             "status": "disabled" if machine.disabled else "enabled"}
    if servers and (machine.holds.servers or request.has(STRICT)):
        shown["servers"] = [{"uuid": key, "name": name} for key, name in machine.holds.servers]
    return shown


def full(request: Request, machine: Machine, servers: bool) -> dict[str, Any]:
    service, info = machine.service, machine.info
    shown = {**brief(request, machine, servers), "host_ip": info.host_ip if info else None,
             "hypervisor_type": info.hypervisor_type if info else None,
             "hypervisor_version": info.hypervisor_version if info else None,
             "service": {"host": machine.node.host, "disabled_reason": service.disabled_reason if service else None,
                         "id": None if service is None else service.uuid if request.has(UUID_OF_SERVICES) else service.id}}
    if request.has(HYPERVISOR_WITHOUT_USAGE):
        return {**shown, "uptime": info.uptime if info else None}
    cpu = machine.cpu_info()
    return {**shown, **machine.usage(), "cpu_info": cpu if request.has(CPU_INFO_OBJECT) else orjson.dumps(cpu).decode()}


def asks_servers(request: Request) -> bool:
    return bool((request.params.get("with_servers") or [False])[-1])


async def page(request: Request, form: Any) -> dict[str, Any]:
    """The list, filtered and cut as asked."""
    pattern = request.query.get("hypervisor_hostname_pattern") if request.has(UUID_OF_SERVICES) else None
    if pattern and ("limit" in request.query or "marker" in request.query):
        raise BadRequest("Paging over hypervisors with the hypervisor_hostname_pattern query parameter is not supported.")
    servers = asks_servers(request)
    found = await hypervisors.machines(request.parts, with_servers=servers, pattern=pattern)
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
    views = [form(request, machine, servers) for machine in cut]
    return request.api.dialect.page(request, "hypervisors", views,
                                    Page(cut, limit, end < len(found) and bool(cut), keys[start + len(cut) - 1] if cut else None))


@resource.get("", policy=RULE.format("list"), query=FILTERS)
async def index(request: Request) -> dict[str, Any]:
    """List the hypervisors."""
    return await page(request, brief)


@resource.get("/detail", policy=RULE.format("list-detail"), query=FILTERS)
async def detail(request: Request) -> dict[str, Any]:
    """List the hypervisors with all that is known of them."""
    return await page(request, full)


@resource.get("/statistics", policy=RULE.format("statistics"), until="2.87")
async def statistics(request: Request) -> dict[str, Any]:
    """Add up what all hypervisors have and hold."""
    found = [machine for machine in await hypervisors.machines(request.parts) if not machine.disabled]
    usages = [machine.usage() for machine in found]
    names = usages[0] if usages else hypervisors.ZERO
    return {"hypervisor_statistics": {"count": len(found), **{name: sum(one[name] for one in usages) for name in names}}}


@resource.get("/{hypervisor_id}", policy=RULE.format("show"), query=WITH_SERVERS)
async def show(request: Request, hypervisor_id: str) -> dict[str, Any]:
    """Show a hypervisor."""
    servers = asks_servers(request)
    machine = await hypervisors.one(request.parts, hypervisor_id, by_uuid=request.has(UUID_OF_SERVICES), with_servers=servers)
    return {"hypervisor": full(request, machine, servers)}


@resource.get("/{hypervisor_id}/uptime", policy=RULE.format("uptime"), until="2.87")
async def uptime(request: Request, hypervisor_id: str) -> dict[str, Any]:
    """Tell how long a hypervisor has been up."""
    machine = await hypervisors.one(request.parts, hypervisor_id, by_uuid=request.has(UUID_OF_SERVICES))
    if machine.info is None:
        raise BadRequest(f"The hypervisor {machine.node.hypervisor_hostname} does not answer.")
    return {"hypervisor": {**brief(request, machine, False), "uptime": machine.info.uptime}}


@resource.get("/{pattern}/search", policy=RULE.format("search"), until="2.52")
async def search(request: Request, pattern: str) -> dict[str, Any]:
    """List the hypervisors whose name has the pattern in it."""
    found = hypervisors.require_some(await hypervisors.machines(request.parts, pattern=pattern), pattern)
    return {"hypervisors": [brief(request, machine, False) for machine in found]}


@resource.get("/{pattern}/servers", policy=RULE.format("servers"), until="2.52")
async def servers(request: Request, pattern: str) -> dict[str, Any]:
    """List the hypervisors whose name has the pattern in it, with their servers."""
    found = hypervisors.require_some(await hypervisors.machines(request.parts, with_servers=True, pattern=pattern), pattern)
    return {"hypervisors": [brief(request, machine, True) for machine in found]}
