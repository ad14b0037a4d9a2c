"""Reboot a server: soft lets the guest shut down first, hard does not; either way it boots from a domain made anew."""

from cloudd.compute import states
from cloudd.compute.jobs import steps
from cloudd.compute.jobs.start_server import SWITCH_ON
from cloudd.compute.models import Server
from cloudd.core.jobs import Job, Run, Step


async def go_down(run: Run) -> None:
    hard = run.input["hard"]
    async with run.write() as tx:
        states.working(await tx.get_one(Server, run.input["server"]), "reboot_started_hard" if hard else "reboot_started")
    await (steps.switch_off if hard else steps.shut_down)(run)


REBOOT = Job("compute.server.reboot", [Step(go_down, deadline="guest"), *SWITCH_ON, Step(steps.running(states.ACTIVE, "reboot"))],
             on_fail=steps.failed("reboot", "The server could not be rebooted", broken=True, unless_running=True))
