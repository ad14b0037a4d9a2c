"""Save a guest's memory to disk and switch it off; and go on from there."""

import asyncio

from cloudd.compute import states
from cloudd.compute.jobs import steps
from cloudd.core.jobs import Job, Run, Step
from cloudd.drivers.hypervisor.base import DomainState


async def save_memory(run: Run) -> None:
    if await steps.state_of(run) in steps.LIVE:
        await steps.hypervisor(run).save(run.input["server"])


async def restore_wired(run: Run) -> None:
    await steps.start_wired(run, _restore_memory)


async def unwire_and_save(run: Run) -> None:
    await steps.unwire(run)
    await save_memory(run)


async def _restore_memory(run: Run, taps: asyncio.Event) -> None:
    """The guest as it was, held until its ports are wired. Without saved memory it boots: better than to stay away."""
    state = await steps.state_of(run)
    if state is DomainState.SUSPENDED:
        await steps.hypervisor(run).restore(run.input["server"], paused=True, taps=taps)
    else:
        await steps.start_paused(run, taps)


SUSPEND = Job("compute.server.suspend", [
    Step(save_memory, deadline="memory"), Step(steps.unwire), Step(steps.marked(states.SUSPENDED, "suspend")),
], on_fail=steps.failed("suspend", "The server could not be suspended"))
RESUME = Job("compute.server.resume", [
    Step(restore_wired, undo=unwire_and_save, deadline="memory"), Step(steps.let_run), Step(steps.marked(states.ACTIVE, "resume")),
], on_fail=steps.failed("resume", "The server could not be resumed"))
