"""Ranges, pools and the search for a free address."""

import ipaddress

import pytest

from cloudd.core.context import Context
from cloudd.core.database import Base, Database
from cloudd.core.errors import BadRequest, Conflict
from cloudd.network import standard
from cloudd.network.l2 import pools, subnetpools
from cloudd.network.models import Allocation, Network, Port, Subnet, SubnetPool
from cloudd.network.ports import addresses

CALLER = Context(project_id="p")


@pytest.mark.parametrize("cidr, gateway, wanted", [
    ("10.0.0.0/24", "10.0.0.1", [("10.0.0.2", "10.0.0.254")]),
    ("10.0.0.0/24", "10.0.0.100", [("10.0.0.1", "10.0.0.99"), ("10.0.0.101", "10.0.0.254")]),
    ("10.0.0.0/24", None, [("10.0.0.1", "10.0.0.254")]),
    ("10.0.0.0/24", "192.168.0.1", [("10.0.0.1", "10.0.0.254")]),
    ("10.0.0.0/31", "10.0.0.0", [("10.0.0.1", "10.0.0.1")]),
    ("10.0.0.5/32", None, [("10.0.0.5", "10.0.0.5")]),
    ("fd00::/64", "fd00::1", [("fd00::2", "fd00::ffff:ffff:ffff:ffff")]),
])
def test_default_pools_leave_out_what_hosts_cannot_have(cidr, gateway, wanted):
    made = pools.default_pools(ipaddress.ip_network(cidr), gateway)
    assert [(one["start"], one["end"]) for one in made] == wanted


def test_pools_are_ordered_and_checked():
    net = ipaddress.ip_network("10.0.0.0/24")
    two = [{"start": "10.0.0.50", "end": "10.0.0.60"}, {"start": "10.0.0.5", "end": "10.0.0.6"}]
    assert pools.check_pools(net, two, "10.0.0.1") == two[::-1] and pools.size(two) == 13
    with pytest.raises(Conflict, match=r"10\.0\.0\.55"):
        pools.check_pools(net, two, "10.0.0.55")
    with pytest.raises(BadRequest, match="spans beyond"):
        pools.check_pools(net, [{"start": "10.0.0.250", "end": "10.0.0.255"}], None)
    with pytest.raises(BadRequest, match="not valid"):
        pools.check_pools(net, [{"start": "fd00::1", "end": "fd00::2"}], None)


def test_gateways_are_addresses_that_a_host_may_have():
    net = ipaddress.ip_network("10.0.0.0/24")
    pools.check_gateway(net, "192.168.7.1")                  # outside: allowed, as Neutron does
    for gateway in ("10.0.0.0", "10.0.0.255", "fd00::1"):
        with pytest.raises(BadRequest):
            pools.check_gateway(net, gateway)


def test_the_address_that_a_guest_makes_of_its_mac():
    assert addresses.from_mac("2001:db8::/64", "fa:16:3e:11:22:33") == "2001:db8::f816:3eff:fe11:2233"


@pytest.mark.parametrize("taken, length, wanted", [
    ([], 26, "10.8.0.0/26"), (["10.8.0.0/26"], 26, "10.8.0.64/26"), (["10.8.0.64/26"], 25, "10.8.0.128/25"),
    (["10.8.0.0/24"], 24, "10.9.0.0/24"), (["10.8.0.0/24", "10.9.0.0/25"], 24, None), ([], 20, None),
    (["10.8.0.0/30", "10.8.0.4/32"], 30, "10.8.0.8/30"),
])
def test_the_first_free_range_of_a_pool(taken, length, wanted):
    pool = SubnetPool(prefixes=["10.8.0.0/24", "10.9.0.0/24"], ip_version=4)
    found = subnetpools._free(pool, [ipaddress.ip_network(one) for one in taken], length)
    assert (None if found is None else str(found)) == wanted


@pytest.fixture
async def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/addresses.db")
    async with database._writer.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield database
    await database.close()


async def scene(tx, first, last):
    network = standard.born(CALLER, Network, "p", rbac=[])
    subnet = standard.born(CALLER, Subnet, "p", network_id=network.id, cidr="10.0.0.0/8", ip_version=4,
                           allocation_pools=[{"start": first, "end": last}])
    port = standard.born(CALLER, Port, "p", network_id=network.id, mac_address="fa:16:3e:00:00:01", fixed_ips=[], group_rows=[])
    tx.add_all([network, subnet, port])
    await tx.flush()
    return subnet, port


async def take(tx, subnet, port):
    address = await addresses.free_address(tx, subnet)
    if address is not None:
        tx.add(Allocation(subnet_id=subnet.id, ip_address=address, port_id=port.id, network_id=port.network_id))
        await tx.flush()
    return address


async def test_every_address_is_given_once_and_then_none(database):
    async with database.write() as tx:
        subnet, port = await scene(tx, "10.0.0.1", "10.0.0.200")
        given = [await take(tx, subnet, port) for _ in range(201)]
        assert given[200] is None and len(set(given[:200])) == 200


async def test_a_gap_behind_a_full_window_is_found(database):
    async with database.write() as tx:
        subnet, port = await scene(tx, "10.0.0.1", "10.0.0.200")
        for _ in range(200):
            await take(tx, subnet, port)
        await tx.delete(await tx.get_one(Allocation, (subnet.id, "10.0.0.150")))
        await tx.flush()
        subnet.next_address = "10.0.0.1"
        assert await take(tx, subnet, port) == "10.0.0.150"


async def test_millions_of_addresses_cost_one_query(database):
    async with database.write() as tx:
        subnet, port = await scene(tx, "10.0.0.1", "10.255.255.254")
        before = database.queries
        assert await addresses.free_address(tx, subnet) == "10.0.0.1"
        assert database.queries == before + 1
