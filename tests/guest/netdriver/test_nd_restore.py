"""Starting again: nothing changes where all is well, everything comes back where it was destroyed."""

import asyncio
import os
import signal
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from nd_cloud import allow, external, group, host_of, mac, network, router, sh, subnet, until

from cloudd.drivers.network.base import (
    DataplaneSpec,
    FloatingIp,
    Ipv6Mode,
    NetworkDriverError,
    PortSpec,
    TapMissing,
)
from cloudd.drivers.network.linux import dnsmasq

pytestmark = pytest.mark.asyncio


async def whole(cloud):
    """A cloud with something of everything, and the guest in it."""
    sg = group(allow("icmp"), allow("tcp", 22))
    outside = external()
    net = network(subnet("10.0.0.0/24", "10.0.0.1"),
                  subnet("fd00:a::/64", "fd00:a::1", ipv6_ra_mode=Ipv6Mode.SLAAC, ipv6_address_mode=Ipv6Mode.SLAAC),
                  dhcp=("10.0.0.2/24", "fd00:a::2/64"))
    spec = router((net, ("10.0.0.1/24", "fd00:a::1/64")), gateway=(outside, "172.24.4.10/24"),
                  floating_ips=(FloatingIp("172.24.4.50", "10.0.0.5"),))
    await cloud.driver.restore(DataplaneSpec((outside, net), (spec,), (sg,)))
    guest = await cloud.guest(net, "10.0.0.5", groups=(sg.id,))
    net = replace(net, hosts=(host_of(guest, hostname="vm"),))
    await cloud.driver.apply_network(net)
    return DataplaneSpec((outside, net), (spec,), (sg,), (guest.port,)), guest


def reached(cloud):
    return "1 packets received" in sh("busybox", "ping", "-c", "1", "-W", "1", "172.24.4.50", namespace=cloud.host, check=False)


def picture(cloud, wanted):
    """All that the kernel has: links with their indexes, rules, addresses, processes."""
    spaces = [cloud.plane, cloud.host, *(cloud.driver.names.dhcp_namespace(n.id) for n in wanted.networks if n.dhcp_port),
              *(cloud.driver.names.router_namespace(r.id) for r in wanted.routers)]
    seen = {}
    for space in spaces:
        links = sh("ip", "-o", "link", namespace=space)
        seen[space] = (links, sh("ip", "-o", "addr", namespace=space), sh("ip", "route", namespace=space),
                       sh("nft", "-s", "list", "ruleset", namespace=space))
    pids = {folder: dnsmasq.running(folder) for folder in sorted(Path(cloud.state).glob("*/*")) if folder.is_dir()}
    return seen, pids


def without_lifetimes(pictured):
    import re
    seen, pids = pictured
    lines = [f"{space}: {line}" for space, texts in seen.items() for text in texts for line in text.splitlines()]
    return [re.sub(r"\d+sec|tentative ", "", line) for line in lines] + [f"{folder}: {pid}" for folder, pid in pids.items()]


def differences(cloud, wanted, before):
    return sorted(set(without_lifetimes(picture(cloud, wanted))) ^ set(before))


async def test_restore_of_what_is_there_changes_nothing(cloud):
    wanted, guest = await whole(cloud)
    guest.dhcp()
    assert reached(cloud)
    before = without_lifetimes(picture(cloud, wanted))
    for _ in range(2):
        report = await cloud.driver.restore(wanted)
        assert (report.created, report.removed, report.failed) == ((), (), ())
        assert differences(cloud, wanted, before) == []
    await cloud.restart()
    assert await cloud.driver.restore(wanted) == report
    assert differences(cloud, wanted, before) == []
    assert (await guest.metadata())["network"] == wanted.networks[1].id


async def test_applying_the_same_again_changes_nothing(cloud):
    wanted, guest = await whole(cloud)
    before = without_lifetimes(picture(cloud, wanted))
    for net in wanted.networks:
        await cloud.driver.apply_network(net)
    await cloud.driver.apply_router(wanted.routers[0])
    await cloud.driver.apply_security_group(wanted.security_groups[0])
    await cloud.driver.apply_port(guest.port)
    await cloud.driver.plug(guest.port.id)
    assert differences(cloud, wanted, before) == []
    assert await cloud.driver.plugged() == {guest.port.id}


async def test_everything_comes_back_after_a_reboot(cloud):
    wanted, guest = await whole(cloud)
    spaces = [cloud.driver.names.dhcp_namespace(wanted.networks[1].id), cloud.driver.names.router_namespace(wanted.routers[0].id)]
    await cloud.driver.close()
    for space in [cloud.plane, *spaces]:
        sh("ip", "netns", "delete", space)
    stop_all_dnsmasq(cloud)
    sh("nft", "flush", "ruleset", namespace=cloud.host)
    await until("the tap's end", lambda: "eth0" not in guest.run("ip", "link"))
    cloud.make_tap(guest)
    await cloud.open()
    report = await cloud.driver.restore(wanted)
    assert report.failed == () and len(report.created) == 3
    assert await cloud.driver.plugged() == {guest.port.id}
    assert guest.dhcp()["ip"] == "10.0.0.5"
    await until("the floating address", lambda: reached(cloud))
    assert (await guest.metadata())["network"] == wanted.networks[1].id


def stop_all_dnsmasq(cloud):
    for folder in Path(cloud.state).glob("*/*"):
        dnsmasq.stop(folder)


@pytest.mark.parametrize("what", ["dhcp", "router"])
async def test_a_namespace_that_was_deleted_comes_back_though_its_processes_live(cloud, what):
    wanted, guest = await whole(cloud)
    names = cloud.driver.names
    sh("ip", "netns", "delete", names.dhcp_namespace(wanted.networks[1].id) if what == "dhcp"
       else names.router_namespace(wanted.routers[0].id))
    assert (await cloud.driver.restore(wanted)).failed == ()
    assert guest.dhcp()["ip"] == "10.0.0.5"
    await until("the floating address", lambda: reached(cloud))
    assert (await guest.metadata())["network"] == wanted.networks[1].id


async def test_what_nobody_wants_goes(cloud):
    wanted, guest = await whole(cloud)
    await cloud.restart()
    report = await cloud.driver.restore(DataplaneSpec())
    assert report.failed == ()
    there = await cloud.driver.list()
    assert not any((there.networks, there.routers, there.dhcp, there.ports, there.firewall_ports, there.security_groups))
    left = sh("ip", "-o", "link", namespace=cloud.plane).splitlines()
    assert [line.split(":")[1].split("@")[0].strip() for line in left if "ifb" not in line] == ["lo", guest.port.tap]
    assert "xh-" not in sh("ip", "link", namespace=cloud.host)


async def test_guests_flows_go_on_through_a_restart(cloud):
    wanted, guest = await whole(cloud)
    guest.address("10.0.0.1")
    listening = guest.listen(22)
    from nd_cloud import in_host
    flow = in_host(cloud, "172.24.4.50", 22)
    answer, _ = listening.accept()
    await cloud.restart()
    await cloud.driver.restore(wanted)
    flow.sendall(b"still here")
    answer.settimeout(5)
    assert answer.recv(100) == b"still here"


async def test_dnsmasq_that_dies_is_started_again(cloud):
    wanted, guest = await whole(cloud)
    folder = Path(cloud.state) / "dhcp" / wanted.networks[1].id
    first = dnsmasq.running(folder)
    os.kill(first, signal.SIGKILL)
    await until("another process", lambda: dnsmasq.running(folder) not in (None, first))
    assert guest.dhcp()["ip"] == "10.0.0.5"


async def test_dnsmasq_that_is_given_another_configuration_is_no_problem(cloud):
    wanted, _ = await whole(cloud)
    lan = wanted.networks[1]
    folder, told = Path(cloud.state) / "dhcp" / lan.id, []
    first = dnsmasq.running(folder)
    change = asyncio.ensure_future(cloud.driver.apply_network(replace(lan, dns_domain="other.example")))
    while not change.done():
        told += cloud.driver.supervisor.problems()
        await asyncio.sleep(0)
    await change
    assert (told, cloud.driver.supervisor.problems()) == ([], [])
    assert dnsmasq.running(folder) not in (None, first)


async def test_one_broken_subject_does_not_stop_the_others(cloud):
    wanted, guest = await whole(cloud)
    broken = replace(wanted.networks[1], id=str(uuid.uuid4()), dhcp_port=None, kind="bridged", physical_network="nowhere")
    report = await cloud.driver.restore(replace(wanted, networks=(broken, *wanted.networks)))
    assert len(report.failed) == 1 and broken.id in report.failed[0]
    assert reached(cloud) or guest.dhcp()


async def test_a_rule_that_is_refused_at_restore_closes_its_group_only(cloud):
    wanted, guest = await whole(cloud)
    bad = group(allow("no-such-protocol"))
    port = replace(guest.port, id=str(uuid.uuid4()), tap="tapbad", addresses=("not an address",))
    await cloud.restart()
    report = await cloud.driver.restore(replace(wanted, security_groups=(bad, *wanted.security_groups),
                                                ports=(*wanted.ports, port)))
    assert sorted(line.split(":")[0] for line in report.failed) == sorted([f"security group {bad.id}", f"port {port.id}"])
    guest.dhcp()
    assert reached(cloud)
    with pytest.raises(NetworkDriverError):
        await cloud.driver.apply_port(port)


async def test_a_refused_rule_changes_nothing(cloud):
    wanted, guest = await whole(cloud)
    before = cloud.ruleset()
    sg = wanted.security_groups[0]
    with pytest.raises(NetworkDriverError):
        await cloud.driver.apply_security_group(replace(sg, rules=(replace(sg.rules[0], protocol="no-such-thing"),)))
    assert cloud.ruleset() == before
    await cloud.driver.apply_security_group(sg)
    assert cloud.ruleset() == before


async def test_a_real_tap_moves_and_is_counted(cloud):
    wanted, guest = await whole(cloud)
    port = PortSpec(str(uuid.uuid4()), wanted.networks[1].id, f"tap{os.getpid()}x", mac(77), ("10.0.0.77",))
    await cloud.driver.apply_port(port)
    with pytest.raises(TapMissing):
        await cloud.driver.plug(port.id)
    sh("ip", "tuntap", "add", "mode", "tap", "name", port.tap, namespace=cloud.host)
    await cloud.driver.plug(port.id)
    await cloud.driver.plug(port.id)
    link = sh("ip", "-d", "link", "show", port.tap, namespace=cloud.plane)
    assert "mtu 1442" in link and "tun type tap" in link and "master br-" in link
    assert await cloud.driver.plugged() == {port.id, guest.port.id}
    guest.dhcp()
    counted = await cloud.driver.counters([port.id, guest.port.id, str(uuid.uuid4())])
    assert set(counted) == {port.id, guest.port.id}
    assert counted[guest.port.id].tx_packets > 0 and counted[guest.port.id].rx_bytes > 0
    await cloud.driver.remove_port(port.id)
    assert await cloud.driver.plugged() == {guest.port.id}


async def test_health_tells_what_is_wrong(cloud):
    await whole(cloud)
    assert (await cloud.driver.health()).ok
    sh("nft", "flush", "ruleset", namespace=cloud.plane)
    sh("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0", namespace=cloud.plane)
    told = await cloud.driver.health()
    assert not told.ok and len(told.problems) == 2


