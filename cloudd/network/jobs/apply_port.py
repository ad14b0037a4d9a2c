"""A guest port's firewall follows its row; a port that is gone or unbound is taken out of the dataplane."""

from sqlalchemy import update

from cloudd.core.jobs import Job, Run, Step
from cloudd.core.work.turns import Turns
from cloudd.drivers.network.base import NetworkDriver
from cloudd.network import changes
from cloudd.network.dataplane import specs as dataplane
from cloudd.network.jobs.attempts import attempt
from cloudd.network.models import Port


async def apply(run: Run) -> None:
    port_id = run.input["id"]
    async with run.parts.service(Turns).of(port_id):
        async with run.read() as tx:
            specs = await dataplane.port_specs(tx, [port_id])
        driver = run.driver(NetworkDriver)
        if not specs:
            await attempt("removing a port", port_id, lambda: driver.remove_port(port_id))
            return
        await attempt("applying a port", port_id, lambda: driver.apply_port(specs[0]))
    status = "ACTIVE" if port_id in await driver.plugged() else "DOWN"
    async with run.save() as tx:
        await tx.execute(update(Port).where(Port.id == port_id, Port.status == "ERROR").values(status=status))


async def mark_error(run: Run, error: BaseException) -> None:
    """Never ACTIVE with a firewall that is not the wanted one."""
    async with run.write() as tx:
        await tx.execute(update(Port).where(Port.id == run.input["id"]).values(status="ERROR"))


APPLY = Job(changes.APPLY_PORT, steps=[Step(apply)], on_fail=mark_error)
