"""Fetch an image into the hypervisor's cache before a server needs it."""

from cloudd.compute.boot import disks as boot_disks
from cloudd.core.jobs import Job, Run, Step


async def fetch(run: Run) -> None:
    await boot_disks.fetch(run.parts, run.input["image"])


CACHE = Job("compute.image.cache", [Step(fetch, deadline="transfer")], limit=1)
