"""Bring a server's row to what its guest did by itself: it switched itself off, it crashed, somebody paused it."""

from cloudd.compute import states
from cloudd.compute.jobs import steps
from cloudd.compute.models import Server
from cloudd.compute.servers import actions
from cloudd.compute.servers.events import tell
from cloudd.core import clock
from cloudd.core.jobs import Job, Run, Step
from cloudd.drivers.hypervisor.base import DomainState

FOLLOWS = (states.ACTIVE, states.PAUSED, states.STOPPED, states.SUSPENDED, states.RESCUED)
ACTIONS = {states.STOPPED: "stop", states.ACTIVE: "start", states.PAUSED: "pause", states.SUSPENDED: "suspend"}
NOTICES = {states.STOPPED: "power_off", states.ACTIVE: "power_on", states.PAUSED: "pause", states.SUSPENDED: "suspend"}


async def follow(run: Run) -> None:
    """Look again, since all may have changed since the news came; then write what is so."""
    domain = await steps.state_of(run)
    seen = steps.SEEN[domain]
    async with run.save() as tx:
        server = await tx.get_one(Server, run.input["server"])
        failed = server.vm_state == states.ERROR
        followed = seen == states.ACTIVE and await actions.only_power_failed(tx, server.id) if failed else server.vm_state in FOLLOWS
        idle = server.task_state is None and server.deleted_at is None and followed
        same = seen == server.vm_state or (seen == states.ACTIVE and server.vm_state == states.RESCUED)
        if not idle or same:
            return
        states.settle(server, seen)
        server.power_state = states.CRASHED if domain is DomainState.CRASHED else server.power_state
        server.updated_at = clock.now()
        if not failed:                               # it did nothing of itself: it ran all the time
            await actions.begin(tx, run.context, server, ACTIONS[seen])
            await actions.finish(tx, server.id, run.row.request_id)
        await tell(tx, run.context, server, f"{NOTICES[seen]}.end")


async def unwire(run: Run) -> None:
    """A guest that is off has no tap: its ports are DOWN."""
    if await steps.state_of(run) not in steps.LIVE:
        await steps.unwire(run)


OBSERVE = Job("compute.server.observe", [Step(follow), Step(unwire)])
