"""What every network driver keeps to. Here on the simulated one; tests/guest/netdriver runs the same on the kernel."""

import asyncio
import uuid
from dataclasses import replace

import pytest
import pytest_asyncio

from cloudd.drivers.network.base import (
    DataplaneSpec,
    DhcpPort,
    FloatingIp,
    NetworkConfig,
    NetworkDriverError,
    NetworkKind,
    NetworkSpec,
    Part,
    PortSpec,
    RouterGateway,
    RouterInterface,
    RouterSpec,
    SecurityGroupSpec,
    Subject,
    SubnetSpec,
    Unsupported,
)
from cloudd.drivers.network.simulated import SimulatedNetworkDriver

pytestmark = pytest.mark.asyncio


def new_id() -> str:
    return str(uuid.uuid4())


def tenant(**more) -> NetworkSpec:
    return NetworkSpec(new_id(), subnets=(SubnetSpec(new_id(), "10.0.0.0/24", "10.0.0.1"),),
                       dhcp_port=DhcpPort(new_id(), "fa:16:3e:00:00:02", ("10.0.0.2/24",)), **more)


def outside() -> NetworkSpec:
    return NetworkSpec(new_id(), NetworkKind.NAT, external=True,
                       subnets=(SubnetSpec(new_id(), "172.24.4.0/24", "172.24.4.1", dhcp=False),))


def router(inner: NetworkSpec, outer: NetworkSpec) -> RouterSpec:
    return RouterSpec(
        new_id(), interfaces=(RouterInterface(new_id(), inner.id, "fa:16:3e:00:01:01", ("10.0.0.1/24",)),),
        gateway=RouterGateway(new_id(), outer.id, "fa:16:3e:00:01:02", ("172.24.4.10/24",), ("172.24.4.1",)),
        floating_ips=(FloatingIp("172.24.4.20", "10.0.0.5"),))


def port(network: NetworkSpec, *groups: str, **more) -> PortSpec:
    port_id = new_id()
    return PortSpec(port_id, network.id, f"tap{port_id[:11]}", "fa:16:3e:00:02:01", ("10.0.0.5",), security_groups=groups, **more)


def everything() -> DataplaneSpec:
    inner, outer, group = tenant(), outside(), SecurityGroupSpec(new_id())
    return DataplaneSpec((inner, outer), (router(inner, outer),), (group,), (port(inner, group.id),))


async def ignore(_) -> None:
    return None


@pytest_asyncio.fixture
async def driver(tmp_path):
    made = SimulatedNetworkDriver(NetworkConfig("contract", str(tmp_path), outbound=False))
    await made.open(ignore, ignore)
    yield made
    await made.close()


@pytest.fixture
def make_tap():
    """The hypervisor's part: make a port's tap. The simulated driver takes taps for granted."""
    return lambda spec: None


@pytest.fixture
def damage(driver):
    """Break a subject behind the driver's back."""
    return driver.damage


@pytest_asyncio.fixture
async def reopened(driver):
    """The driver as after a restart of the daemon."""
    async def again():
        await driver.close()
        await driver.open(ignore, ignore)
        return driver
    return again


async def test_what_is_applied_is_listed_and_what_is_removed_is_not(driver, make_tap):
    spec = everything()
    for _ in range(2):
        for network in spec.networks:
            await driver.apply_network(network)
        await driver.apply_router(spec.routers[0])
        await driver.apply_security_group(spec.security_groups[0])
        await driver.apply_port(spec.ports[0])
    make_tap(spec.ports[0])
    await driver.plug(spec.ports[0].id)
    there = await driver.list()
    assert there.networks == {network.id for network in spec.networks}
    assert there.dhcp == {spec.networks[0].id}
    assert there.routers == {spec.routers[0].id}
    assert there.ports == there.firewall_ports == await driver.plugged() == {spec.ports[0].id}
    assert there.security_groups == {spec.security_groups[0].id}
    for _ in range(2):
        await driver.remove_port(spec.ports[0].id)
        await driver.remove_security_group(spec.security_groups[0].id)
        await driver.remove_router(spec.routers[0].id)
        for network in spec.networks:
            await driver.remove_network(network.id)
    there = await driver.list()
    assert not any((there.networks, there.dhcp, there.routers, there.ports, there.firewall_ports, there.security_groups))


async def test_subjects_may_come_in_any_order(driver, make_tap):
    spec = everything()
    await driver.apply_port(spec.ports[0])
    await driver.apply_router(spec.routers[0])
    await driver.apply_security_group(spec.security_groups[0])
    for network in spec.networks:
        await driver.apply_network(network)
    make_tap(spec.ports[0])
    await driver.plug(spec.ports[0].id)
    assert await driver.plugged() == {spec.ports[0].id}


async def test_restore_makes_what_lacks_keeps_what_is_right_and_removes_the_rest(driver, make_tap, reopened):
    spec = everything()
    report = await driver.restore(spec)
    assert set(report.created) == {f"network {n.id}" for n in spec.networks} | {f"router {spec.routers[0].id}"}
    assert (report.removed, report.failed) == ((), ())
    make_tap(spec.ports[0])
    await driver.plug(spec.ports[0].id)
    driver = await reopened()
    report = await driver.restore(spec)
    assert (report.created, report.removed, report.failed) == ((), (), ())
    assert await driver.plugged() == {spec.ports[0].id}
    driver = await reopened()
    report = await driver.restore(replace(spec, routers=(), ports=()))
    assert f"router {spec.routers[0].id}" in report.removed and f"port {spec.ports[0].id}" in report.removed
    there = await driver.list()
    assert (there.routers, there.ports) == (frozenset(), frozenset())
    assert there.networks == {network.id for network in spec.networks}


async def test_a_subject_that_cannot_be_made_is_reported_by_restore_and_raised_by_apply(driver):
    spec = everything()
    bad = tenant(kind=NetworkKind.BRIDGED, physical_network="nowhere")
    report = await driver.restore(replace(spec, networks=(*spec.networks, bad)))
    assert len(report.failed) == 1 and report.failed[0].startswith(f"network {bad.id}: ")
    with pytest.raises(Unsupported):
        await driver.apply_network(bad)


async def test_a_port_that_was_not_applied_is_not_plugged(driver, make_tap):
    network = tenant()
    spec = port(network)
    make_tap(spec)
    await driver.apply_network(network)
    with pytest.raises(NetworkDriverError):
        await driver.plug(spec.id)
    assert await driver.plugged() == frozenset()


async def test_a_port_without_its_network_is_not_plugged(driver, make_tap):
    spec = port(tenant())
    make_tap(spec)
    await driver.apply_port(spec)
    with pytest.raises(NetworkDriverError):
        await driver.plug(spec.id)


async def test_a_network_is_held_as_it_was_applied_last(driver):
    network = tenant()
    assert not driver.holds(network)
    await driver.apply_network(network)
    assert driver.holds(network) and not driver.holds(replace(network, mtu=1400))
    await driver.remove_network(network.id)
    assert not driver.holds(network)


async def test_unplugging_and_plugging_again(driver, make_tap):
    network = tenant()
    spec = port(network)
    await driver.apply_network(network)
    await driver.apply_port(spec)
    make_tap(spec)
    for _ in range(2):
        await driver.plug(spec.id)
        await driver.plug(spec.id)
        await driver.unplug(spec.id)
        await driver.unplug(spec.id)
        assert await driver.plugged() == frozenset()
    await driver.plug(spec.id)
    assert set(await driver.counters([spec.id, new_id()])) == {spec.id}


async def test_ports_without_security_have_no_firewall(driver):
    network = tenant()
    await driver.apply_network(network)
    spec = port(network)
    await driver.apply_port(spec)
    assert (await driver.list()).firewall_ports == {spec.id}
    await driver.apply_port(replace(spec, port_security=False))
    assert (await driver.list()).firewall_ports == frozenset()
    await driver.apply_port(replace(spec, port_security=False, admin_state_up=False))
    assert (await driver.list()).firewall_ports == {spec.id}


async def test_a_conntrack_zone_belongs_to_one_network(driver):
    await driver.apply_network(tenant(zone=7))
    with pytest.raises(NetworkDriverError):
        await driver.apply_network(tenant(zone=7))


async def standing(driver, make_tap):
    """Everything, with its guest plugged; the subject of each part."""
    spec = everything()
    await driver.restore(spec)
    make_tap(spec.ports[0])
    await driver.plug(spec.ports[0].id)
    return {Part.FIREWALL: Subject(Part.FIREWALL), Part.NETWORK: Subject(Part.NETWORK, spec.networks[0].id),
            Part.ROUTER: Subject(Part.ROUTER, spec.routers[0].id), Part.PORT: Subject(Part.PORT, spec.ports[0].id)}


PARTS = [Part.FIREWALL, Part.NETWORK, Part.ROUTER, Part.PORT]


@pytest.mark.parametrize("part", PARTS)
async def test_what_somebody_else_breaks_is_told_and_mended(driver, make_tap, damage, part):
    subject = (await standing(driver, make_tap))[part]
    assert await driver.compare() == ()
    before = await driver.list()
    damage(part, subject.id)
    found = await driver.compare()
    assert subject in {one.subject for one in found} and all(one.what for one in found)
    assert {one.subject for one in await driver.compare([subject])} == {subject}
    for one in dict.fromkeys(one.subject for one in found):
        await driver.mend(one)
    assert (await driver.compare(), await driver.list()) == ((), before)


@pytest.mark.parametrize("part", PARTS)
async def test_what_somebody_else_breaks_is_news_at_once(driver, make_tap, damage, part):
    subject = (await standing(driver, make_tap))[part]
    damage(part, subject.id)
    async with asyncio.timeout(10):
        while subject not in (await driver.touched() or (subject,)):
            pass


async def test_mending_what_is_well_or_unknown_changes_nothing(driver, make_tap):
    subjects = await standing(driver, make_tap)
    before = await driver.list()
    for subject in (*subjects.values(), Subject(Part.HOST), *(Subject(part, new_id()) for part in PARTS[1:])):
        await driver.mend(subject)
        assert await driver.compare([subject]) == ()
    assert await driver.list() == before


async def test_what_was_unplugged_or_removed_is_no_difference(driver, make_tap):
    subjects = await standing(driver, make_tap)
    await driver.unplug(subjects[Part.PORT].id)
    assert await driver.compare() == ()
    await driver.remove_router(subjects[Part.ROUTER].id)
    await driver.remove_network(subjects[Part.NETWORK].id)
    assert await driver.compare() == ()


async def test_nobody_has_asked_what_could_not_be_answered(driver, make_tap):
    subjects = await standing(driver, make_tap)
    assert {name: count for name, count in (await driver.refused()).items() if name} == {subjects[Part.ROUTER].id: 0}


async def test_health_and_caps(driver):
    await driver.restore(DataplaneSpec())
    assert (await driver.health()).ok
    caps = await driver.caps()
    assert caps.max_mtu >= 9000 and caps.external_nat and caps.external_bridged == () and not caps.outbound
