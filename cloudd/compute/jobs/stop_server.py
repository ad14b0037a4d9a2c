"""Stop a server: its guest is asked first, then switched off."""

from cloudd.compute import states
from cloudd.compute.jobs import steps
from cloudd.core.jobs import Job, Step

STOP = Job("compute.server.stop", [
    Step(steps.shut_down, deadline="guest"),
    Step(steps.unwire),
    Step(steps.marked(states.STOPPED, "power_off")),
], on_fail=steps.failed("power_off", "The server could not be stopped"))
