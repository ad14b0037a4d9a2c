"""Comparing the kernel with what was applied last, subject by subject, and mending what differs.

A comparison of everything looks first without any lock, at one picture of the links; what seems wrong is looked at again
under its subject's lock, so that what is only being applied is no difference.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from cloudd.drivers.network.base import (
    Difference,
    NetworkDriverError,
    NetworkKind,
    Part,
    Subject,
)
from cloudd.drivers.network.linux import bridges, inventory, netns
from cloudd.drivers.network.linux.drift import checks
from cloudd.drivers.network.linux.nft_state import Ruleset
from cloudd.drivers.network.linux.plane import Dataplane

HOST, FIREWALL = Subject(Part.HOST), Subject(Part.FIREWALL)
ORDER = list(Part)


# Comparing

async def compare(driver: Dataplane, subjects: Iterable[Subject] | None) -> tuple[Difference, ...]:
    if not await driver.workers.run(netns.exists, driver.config.namespace):
        return (Difference(HOST, f"the dataplane's namespace {driver.config.namespace} is gone"),)
    asked = set(everything(driver)) if subjects is None else {one for one in subjects if wanted(driver, one)}
    if subjects is None:
        asked = await suspects(driver, asked)
    found: list[Difference] = []
    for subject in sorted(asked, key=place):
        async with driver.firewall_lock if subject in (HOST, FIREWALL) else driver.lock(f"{subject.part} {subject.id}"):
            try:
                found += [Difference(subject, what) for what in await look(driver, subject, {})]
            except NetworkDriverError as exc:
                found.append(Difference(subject, f"cannot be looked at: {exc}"))
    return tuple(found)


def place(subject: Subject) -> tuple[int, str]:
    return ORDER.index(subject.part), subject.id


def everything(driver: Dataplane) -> list[Subject]:
    return [HOST, FIREWALL, *(Subject(Part.NETWORK, one) for one in driver.networks),
            *(Subject(Part.ROUTER, one) for one in driver.routers), *(Subject(Part.PORT, one) for one in driver.cabled)]


def wanted(driver: Dataplane, subject: Subject) -> bool:
    known: Mapping[Part, Mapping[str, object]] = {
        Part.NETWORK: driver.networks, Part.ROUTER: driver.routers, Part.PORT: driver.cabled}
    return subject.part not in known or subject.id in known[subject.part]


async def suspects(driver: Dataplane, subjects: Iterable[Subject]) -> set[Subject]:
    known = await driver.workers.run(checks.snapshot, (driver.config.namespace, driver.config.host_namespace))
    found = set()
    for subject in subjects:
        try:
            if await look(driver, subject, known):
                found.add(subject)
        except NetworkDriverError:                   # it went, or came, while we looked
            found.add(subject)
    return found


async def look(driver: Dataplane, subject: Subject, known: checks.View | Mapping[str, Mapping[str, checks.Link]]) -> list[str]:
    """What is wrong with one subject, in words."""
    if not wanted(driver, subject):
        return []
    work = {Part.HOST: host, Part.FIREWALL: firewall, Part.NETWORK: network, Part.ROUTER: router, Part.PORT: port}[subject.part]
    return await driver.workers.run(collected, work, driver, subject.id, known)


Look = Callable[[Dataplane, str, checks.View], Iterator[str]]


def collected(work: Look, driver: Dataplane, subject_id: str, known: Mapping[str, Mapping[str, checks.Link]]) -> list[str]:
    with checks.View(known) as view:
        return list(work(driver, subject_id, view))


def changed(rules: Ruleset) -> Iterator[str]:
    """What of nftables the kernel has otherwise now."""
    return (f"table {what} is changed or gone" if what in rules.tables else f"{what} is changed or gone" for what in rules.compare())


def host(driver: Dataplane, _: str, view: checks.View) -> Iterator[str]:
    config = driver.config
    yield from inventory.settings(config.namespace)
    yield from changed(driver.host_rules.ruleset)
    if config.outbound and any(spec.kind == NetworkKind.NAT for spec in driver.networks.values()):
        with netns.inside(config.host_namespace):
            if netns.peek("ipv4/ip_forward") == "0":
                yield "the host does not forward packets (net.ipv4.ip_forward)"


def firewall(driver: Dataplane, _: str, view: checks.View) -> Iterator[str]:
    yield from changed(driver.firewall.ruleset)


def network(driver: Dataplane, network_id: str, view: checks.View) -> Iterator[str]:
    yield from checks.network(driver.config, driver.names, driver.networks[network_id], view)
    if network_id in driver.dhcp_rules and netns.exists(driver.names.dhcp_namespace(network_id)):
        yield from changed(driver.dhcp_rules[network_id])


def router(driver: Dataplane, router_id: str, view: checks.View) -> Iterator[str]:
    yield from checks.router(driver.config, driver.names, driver.routers[router_id], driver.networks, view)
    if router_id in driver.router_rules and netns.exists(driver.names.router_namespace(router_id)):
        yield from changed(driver.router_rules[router_id])


def port(driver: Dataplane, port_id: str, view: checks.View) -> Iterator[str]:
    spec = driver.firewall.wanted.ports.get(port_id)
    where = driver.networks.get(spec.network_id) if spec else None
    if spec and where:
        yield from checks.port(driver.config, driver.names, spec, spec.mtu or where.mtu, driver.cabled[port_id], view)


# Mending

async def mend(driver: Dataplane, subject: Subject) -> None:
    if subject.part is Part.HOST:
        await mend_host(driver)
    elif subject.part is Part.FIREWALL:
        await driver.mend_firewall()
    elif not wanted(driver, subject):
        return
    elif subject.part is Part.NETWORK:
        forget(driver.dhcp_rules.get(subject.id))
        await driver.apply_network(driver.networks[subject.id])
    elif subject.part is Part.ROUTER:
        forget(driver.router_rules.get(subject.id))
        await driver.apply_router(driver.routers[subject.id])
    else:
        await driver.plug(subject.id)


async def mend_host(driver: Dataplane) -> None:
    """The frame; what stood in a namespace that was lost is then found to differ."""
    lost = not await driver.workers.run(netns.exists, driver.config.namespace)
    await driver.workers.run(bridges.prepare, driver.config.namespace)
    async with driver.firewall_lock:
        await driver.workers.run(driver.host_rules.apply, list(driver.networks.values()), True)
    if lost:
        await mend(driver, FIREWALL)


def forget(ruleset: Ruleset | None) -> None:
    """Let the next change replace all of a table, whatever it holds."""
    if ruleset is not None:
        ruleset.known = False
