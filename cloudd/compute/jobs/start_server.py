"""Start a server; or start it again after the host came back without it."""

from cloudd.compute import states
from cloudd.compute.jobs import steps
from cloudd.core.jobs import Job, Step

SWITCH_ON = (Step(steps.define, brief=True), Step(steps.start_wired, undo=steps.take_down, brief=True))

START = Job("compute.server.start", [*SWITCH_ON, Step(steps.running(states.ACTIVE, "power_on"))],
            on_fail=steps.failed("power_on", "The server could not be started"))
RESTORE = Job("compute.server.restore", [*SWITCH_ON, Step(steps.running(states.ACTIVE, "power_on"))],
              on_fail=steps.failed("power_on", "The server could not be started again after the host came back", broken=True))
