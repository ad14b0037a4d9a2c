"""Bringing the whole dataplane to a wanted state at once: at the daemon's start, after a crash, after a reboot.

Order: the firewall first, as one transaction, so that no guest is ever unfiltered; then what is ours but not wanted goes,
since it may hold addresses that others need; then networks, routers and taps. A subject that fails is reported, and
does not keep the others from being restored.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from cloudd.drivers.network import checked
from cloudd.drivers.network.base import (
    DataplaneSpec,
    Inventory,
    NetworkConfig,
    NetworkDriverError,
    PortSpec,
    RestoreReport,
)
from cloudd.drivers.network.linux import bridges, external, inventory, links, netns, rights
from cloudd.drivers.network.linux.firewall import Wanted
from cloudd.drivers.network.linux.metadata_sockets import served
from cloudd.drivers.network.linux.names import Names
from cloudd.drivers.network.linux.outside import uplinks
from cloudd.drivers.network.linux.plane import Dataplane

T = TypeVar("T")


async def restore(driver: Dataplane, wanted: DataplaneSpec) -> RestoreReport:
    await driver.workers.run(bridges.prepare, driver.config.namespace)
    before = await driver.list()
    wanted, failed = checked.dataplane(wanted)
    failed += await filter_first(driver, wanted)
    removed = await sweep(driver, wanted)
    driver.networks, driver.routers, driver.router_rules, driver.cabled = {}, {}, {}, {}
    failed += await each("network", wanted.networks, driver.make_network)
    await driver.workers.run(driver.host_rules.apply, list(driver.networks.values()), True)
    failed += await each("router", wanted.routers, driver.apply_router)
    failed += await plug_all(driver, wanted.ports)
    return RestoreReport(created_since(before, wanted), tuple(removed), tuple(failed))


async def filter_first(driver: Dataplane, wanted: DataplaneSpec) -> list[str]:
    driver.zones.keep(spec.id for spec in wanted.networks)
    zones = {driver.names.bridge(spec.id): driver.zones.claim(spec) for spec in wanted.networks}
    state = Wanted({port.id: port for port in wanted.ports}, {group.id: group for group in wanted.security_groups}, zones,
                   served((spec.id for spec in wanted.networks), wanted.routers))
    async with driver.firewall_lock:
        changed, refused = await driver.workers.run(driver.firewall.restore, state)
        judge = driver.judge()
    driver.cut_zones.update(driver.zones.numbers.values())
    review = rights.of_everything(judge.wanted, judge.zones) if changed else rights.Review()
    await driver.review_flows(review, judge)
    return refused


async def each(kind: str, specs: Iterable[T], apply: Callable[[T], Awaitable[object]]) -> list[str]:
    """Apply all, side by side; what failed and why."""
    specs = list(specs)
    results = await asyncio.gather(*(apply(spec) for spec in specs), return_exceptions=True)
    failed = []
    for spec, result in zip(specs, results, strict=True):
        if isinstance(result, NetworkDriverError):
            failed.append(f"{kind} {spec.id}: {result}")
        elif isinstance(result, BaseException):
            raise result
    return failed


async def plug_all(driver: Dataplane, ports: Iterable[PortSpec]) -> list[str]:
    """Plug the taps that exist: those of guests that still run, and of paused ones that wait for it."""
    there = await driver.workers.run(existing_taps, driver.config)
    return await each("port", [port for port in ports if port.tap in there], lambda port: driver.plug(port.id))


def existing_taps(config: NetworkConfig) -> set[str]:
    found: set[str] = set()
    for namespace in {config.namespace, config.host_namespace}:
        with netns.route(namespace) as ip:
            found |= set(links.read_all(ip))
    return found


def created_since(before: Inventory, wanted: DataplaneSpec) -> tuple[str, ...]:
    networks = [f"network {spec.id}" for spec in wanted.networks if spec.id not in before.networks]
    return (*networks, *(f"router {spec.id}" for spec in wanted.routers if spec.id not in before.routers))


# Removing what is ours but not wanted

async def sweep(driver: Dataplane, wanted: DataplaneSpec) -> list[str]:
    networks = {spec.id: spec for spec in wanted.networks}
    served = {spec.id for spec in wanted.networks if spec.dhcp_port}
    routers = {spec.id for spec in wanted.routers}
    removed = []
    for kind, kept in (("router", routers), ("dhcp", served)):
        for owner in await driver.workers.run(stray_servers, driver.config, driver.names, kind, kept):
            await (driver.remove_router(owner) if kind == "router" else driver.drop_dhcp(owner))
            removed.append(f"{kind} {owner}")
    return removed + await driver.workers.run(sweep_links, driver.config, driver.names, set(networks),
                                              {port.id for port in wanted.ports})


def stray_servers(config: NetworkConfig, names: Names, kind: str, kept: set[str]) -> list[str]:
    """Routers or DHCP servers that nobody wants, by their namespaces and by what their processes left."""
    found = {owner for some, owner in inventory.namespaces(names) if some == kind}
    found |= {folder.name for folder in inventory.folders(config, "ra" if kind == "router" else kind)}
    return sorted(found - kept)


def sweep_links(config: NetworkConfig, names: Names, networks: set[str], ports: set[str]) -> list[str]:
    removed = []
    for link, kind, owner in inventory.owners(config.namespace, names):
        if kind == "port" and owner not in ports:
            bridges.unplug(names, config.namespace, owner, link.name)
        elif kind in ("external", "vlan", "uplink") and owner not in networks:
            external.remove(config, names, owner)
        elif kind in ("network", "dhcp") and owner not in networks:
            with netns.route(config.namespace) as ip:
                links.remove(ip, link.name)
        else:
            continue
        removed.append(f"{kind} {owner}")
    uplinks.release(config, names)
    return removed
