"""What somebody else breaks in the dataplane: it is never open meanwhile, it is seen, and it is mended."""

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest
import pytest_asyncio
from nd_cloud import allow, group, network, sh, subnet, until
from test_nd_restore import reached, whole

from cloudd.core import tasks
from cloudd.drivers.network.base import Part, Subject
from cloudd.drivers.network.linux import dnsmasq, nat
from cloudd.drivers.network.linux.names import dhcp_inner, gateway_inner, host_end, router_inner
from cloudd.drivers.network.linux.outside import egress
from cloudd.network.dataplane.watch import Watch

pytestmark = pytest.mark.asyncio


async def pair(cloud):
    """Two guests of one network; the first may be pinged, the second takes nothing in."""
    open_, closed = group(allow("icmp")), group()
    net = network(subnet("10.0.0.0/24", "10.0.0.1"), dhcp=("10.0.0.2/24",))
    await cloud.driver.apply_network(net)
    for one in (open_, closed):
        await cloud.driver.apply_security_group(one)
    first = (await cloud.guest(net, "10.0.0.5", groups=(open_.id,))).address()
    second = (await cloud.guest(net, "10.0.0.6", groups=(closed.id,))).address()
    return first, second


LOSSES = {
    "table-deleted": "delete table bridge {table}",
    "all-flushed": "flush ruleset",
    "table-flushed": "flush table bridge {table}",
    "chain-flushed": "flush chain bridge {table} forward",
}


@pytest.mark.parametrize("loss", LOSSES)
async def test_guests_are_cut_off_and_not_unfiltered_when_the_firewall_is_lost(cloud, loss):
    first, second = await pair(cloud)
    assert second.pings("10.0.0.5", 3) and not first.pings("10.0.0.6")
    sh("nft", LOSSES[loss].format(table=cloud.driver.names.table), namespace=cloud.plane)
    assert not first.pings("10.0.0.6") and not second.pings("10.0.0.5")
    assert not first.pings("10.0.0.2")


# Seen and mended

@pytest_asyncio.fixture
async def watched(cloud):
    """A cloud with something of everything, and the daemon's watch over it."""
    wanted, guest = await whole(cloud)
    guest.dhcp()
    assert reached(cloud)
    task = tasks.start("watch", Watch(cloud.driver).run())
    yield cloud, wanted, guest
    task.cancel()
    await asyncio.wait([task])


async def mended(cloud):
    async with asyncio.timeout(15):
        while await cloud.driver.compare():
            pass


def spaces(cloud, wanted):
    """Names as the breakages below use them."""
    lan, router = wanted.networks[1], wanted.routers[0]
    names = cloud.driver.names
    return {"table": names.table, "bridge": names.bridge(lan.id), "dhcp": names.dhcp_namespace(lan.id), "plane": cloud.plane,
            "router": names.router_namespace(router.id), "host": cloud.host, "tap": wanted.ports[0].tap,
            "inner": router_inner(router.interfaces[0].port_id), "gateway": gateway_inner(router.gateway.port_id),
            "ns": dhcp_inner(lan.id), "end": host_end(wanted.networks[0].id), "nat": nat.TABLE, "egress": egress.TABLE}


BREAKAGES = {
    "bridge-table": "plane: nft delete table bridge {table}",
    "all-tables": "plane: nft flush ruleset",
    "main-chain": "plane: nft flush chain bridge {table} forward",
    "router-nat-flushed": "router: nft flush table {nat}",
    "router-nat-deleted": "router: nft flush ruleset",
    "router-egress": "router: nft delete table {egress}",
    "host-table": "host: nft flush ruleset",
    "bridge": "plane: ip link delete {bridge}",
    "bridge-down": "plane: ip link set {bridge} down",
    "bridge-mtu": "plane: ip link set {bridge} mtu 1300",
    "tap-off-its-bridge": "plane: ip link set {tap} nomaster",
    "tap-down": "plane: ip link set {tap} down",
    "tap-unguarded": "plane: tc qdisc delete dev {tap} clsact",
    "router-address-gone": "router: ip addr flush dev {inner}",
    "router-address-added": "router: ip addr add 10.0.0.5/24 dev {inner}",
    "router-interface-gone": "router: ip link delete {inner}",
    "router-interface-down": "router: ip link set {gateway} down",
    "router-route": "router: ip route delete default",
    "router-forwarding": "router: sysctl -qw net.ipv4.ip_forward=0",
    "dhcp-address": "dhcp: ip addr flush dev {ns}",
    "dhcp-link": "dhcp: ip link delete {ns}",
    "host-address": "host: ip addr flush dev {end}",
    "host-end": "host: ip link delete {end}",
    "router-namespace": ": ip netns delete {router}",
    "dhcp-namespace": ": ip netns delete {dhcp}",
    "bridge-netfilter": "plane: sysctl -qw net.bridge.bridge-nf-call-iptables=0",
}
UNHEARD = {"router-forwarding", "bridge-netfilter"}                       # the kernel tells nobody: seen at the next look at everything


@pytest.mark.parametrize("breakage", BREAKAGES)
async def test_the_dataplane_does_not_stay_broken(watched, breakage):
    cloud, wanted, guest = watched
    known = spaces(cloud, wanted)
    where, command = BREAKAGES[breakage].split(": ", 1) if not BREAKAGES[breakage].startswith(":") else ("", BREAKAGES[breakage][2:])
    sh(*command.format(**known).split(), namespace=known[where] if where else "")
    if breakage in UNHEARD:
        await Watch(cloud.driver).look()
    await mended(cloud)
    assert guest.dhcp()["ip"] == "10.0.0.5"
    await until("the floating address", lambda: reached(cloud))
    assert (await guest.metadata())["network"] == wanted.networks[1].id
    assert (await cloud.driver.health()).ok


async def test_dnsmasq_that_is_killed_and_its_files_lost_serves_again(watched):
    cloud, wanted, guest = watched
    folder = Path(cloud.state) / "dhcp" / wanted.networks[1].id
    first = dnsmasq.running(folder)
    for file in folder.iterdir():
        file.unlink()
    os.kill(first, signal.SIGKILL)
    await until("another process", lambda: dnsmasq.running(folder) not in (None, first))
    await mended(cloud)
    assert guest.dhcp()["ip"] == "10.0.0.5"


async def test_the_dataplanes_namespace_comes_back_though_taps_went_with_it(watched):
    cloud, wanted, guest = watched
    sh("ip", "netns", "delete", cloud.plane)
    await until("the dataplane's namespace", lambda: cloud.plane in sh("ip", "netns"))
    await mended(cloud)
    await until("the tap's end", lambda: "eth0" not in guest.run("ip", "link"))
    cloud.make_tap(guest)                                                 # the guest is started again
    await cloud.driver.plug(guest.port.id)
    assert guest.dhcp()["ip"] == "10.0.0.5"
    await until("the floating address", lambda: reached(cloud))


async def test_mending_touches_only_what_differs(watched):
    cloud, wanted, guest = watched
    from nd_cloud import in_host
    listening = guest.listen(22)
    flow = in_host(cloud, "172.24.4.50", 22)
    answer, _ = listening.accept()
    before = sh("ip", "-o", "link", namespace=cloud.plane)
    sh("nft", "delete", "table", "bridge", cloud.driver.names.table, namespace=cloud.plane)
    await mended(cloud)
    assert sh("ip", "-o", "link", namespace=cloud.plane) == before
    flow.sendall(b"still here")
    answer.settimeout(5)
    assert answer.recv(100) == b"still here"


async def test_guests_stay_filtered_while_the_firewall_is_flushed_again_and_again(watched):
    """One sends all the time to a port that is closed; nothing comes through, although the tables go every moment."""
    cloud, wanted, guest = watched
    other = (await cloud.guest(wanted.networks[1], "10.0.0.6", groups=guest.port.security_groups)).address()
    other.run("ip", "neigh", "replace", "10.0.0.5", "lladdr", guest.port.mac, "dev", "eth0")
    heard = guest.make_socket(socket.AF_INET, socket.SOCK_DGRAM)
    heard.bind(("10.0.0.5", 9999))
    heard.settimeout(0)
    sender = other.make_socket(socket.AF_INET, socket.SOCK_DGRAM)
    for _ in range(20):
        sh("nft", "flush", "ruleset", namespace=cloud.plane)
        for _ in range(50):
            sender.sendto(b"let me in", ("10.0.0.5", 9999))
        await cloud.driver.list()                                         # the watch has its turn
    await Watch(cloud.driver).look()                                      # ours may have given up for the moment
    await mended(cloud)
    assert other.pings("10.0.0.5", 3)                                     # what was sent has come, if it comes at all
    with pytest.raises(BlockingIOError):
        heard.recv(100)


async def test_what_is_being_applied_is_no_difference(watched):
    cloud, wanted, guest = watched
    told = []
    change = asyncio.gather(*(cloud.driver.apply_router(wanted.routers[0]) for _ in range(5)),
                            *(cloud.driver.apply_network(net) for net in wanted.networks for _ in range(5)))
    while not change.done():
        told += await cloud.driver.compare()
    await change
    assert told == []
    assert await cloud.driver.compare([Subject(Part.ROUTER, wanted.routers[0].id)]) == ()
