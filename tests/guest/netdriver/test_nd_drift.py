"""What somebody else breaks in the dataplane: it is never open meanwhile, it is seen, and it is mended."""

import pytest
from nd_cloud import allow, group, network, sh, subnet

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
