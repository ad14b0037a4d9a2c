"""A network's dataplane follows its rows: bridge, DHCP, DNS, metadata."""

from sqlalchemy import update

from cloudd.core.jobs import Job, Run, Step
from cloudd.core.work.turns import Turns
from cloudd.drivers.network.base import NetworkDriver
from cloudd.network import changes
from cloudd.network.dataplane import specs as dataplane
from cloudd.network.jobs.attempts import attempt
from cloudd.network.models import Network, Port

DHCP = "network:dhcp"


async def apply(run: Run) -> None:
    """Tell the driver of the network, or of its end; its DHCP port is on the wire then."""
    network_id = run.input["id"]
    async with run.parts.service(Turns).of(network_id):
        async with run.read() as tx:
            specs = await dataplane.network_specs(tx, [network_id])
        driver = run.driver(NetworkDriver)
        if not specs:
            await attempt("removing a network", network_id, lambda: driver.remove_network(network_id))
            return
        await attempt("applying a network", network_id, lambda: driver.apply_network(specs[0]))
    async with run.save() as tx:
        await tx.execute(update(Port).where(Port.network_id == network_id, Port.service == DHCP, Port.admin_state_up,
                                            Port.status != "ACTIVE")
                         .values(status="ACTIVE"))
        await tx.execute(update(Network).where(Network.id == network_id, Network.status == "ERROR").values(status="ACTIVE"))


async def mark_error(run: Run, error: BaseException) -> None:
    async with run.write() as tx:
        await tx.execute(update(Network).where(Network.id == run.input["id"]).values(status="ERROR"))


APPLY = Job(changes.APPLY_NETWORK, steps=[Step(apply)], on_fail=mark_error)
