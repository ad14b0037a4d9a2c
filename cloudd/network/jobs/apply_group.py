"""A security group's rules in the firewall follow its rows."""

from cloudd.core import log
from cloudd.core.jobs import Job, Run, Step
from cloudd.core.work.turns import Turns
from cloudd.drivers.network.base import NetworkDriver
from cloudd.network import changes
from cloudd.network.dataplane import repair
from cloudd.network.dataplane import specs as dataplane
from cloudd.network.jobs.attempts import attempt

LOG = log.get("cloudd.network")


async def apply(run: Run) -> None:
    group_id = run.input["id"]
    async with run.parts.service(Turns).of(group_id):
        async with run.read() as tx:
            specs = await dataplane.group_specs(tx, [group_id])
        driver = run.driver(NetworkDriver)
        if specs:
            await attempt("applying a security group", group_id, lambda: driver.apply_security_group(specs[0]))
        else:
            await attempt("removing a security group", group_id, lambda: driver.remove_security_group(group_id))


async def tell(run: Run, error: BaseException) -> None:
    """A group has no status in which to say it."""
    repair.UNAPPLIED_GROUPS.add(run.input["id"])
    LOG.error("a security group's rules are not in force", security_group=run.input["id"], error=str(error))


APPLY = Job(changes.APPLY_GROUP, steps=[Step(apply)], on_fail=tell)
