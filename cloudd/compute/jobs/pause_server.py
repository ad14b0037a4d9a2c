"""Hold a guest still, and let it go on."""

from cloudd.compute import states
from cloudd.compute.jobs import steps
from cloudd.core.jobs import Job, Run, Step


async def hold(run: Run) -> None:
    await steps.hypervisor(run).pause(run.input["server"])


PAUSE = Job("compute.server.pause", [Step(hold), Step(steps.marked(states.PAUSED, "pause"))],
            on_fail=steps.failed("pause", "The server could not be paused"))
UNPAUSE = Job("compute.server.unpause", [Step(steps.let_run), Step(steps.marked(states.ACTIVE, "unpause"))],
              on_fail=steps.failed("unpause", "The server could not be unpaused"))
