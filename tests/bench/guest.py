"""A real guest: ordered by the API until it is ACTIVE and until it asks for a login, against `virsh start` of the same domain.

The whole cloud is sealed off in namespaces of its own (tests/realcloud.py). Both sides begin with the image in the cache, and take
turns, so that other work on the machine meets both.
"""

import asyncio
import os
import re
import statistics
import tempfile
import time
from pathlib import Path

from tests import realcloud, realtenant
from tests.bench import idle
from tests.bench.figures import Figure
from tests.bench.process import Measured
from tests.bench.twin import Twin
from tests.waiting import until

IMAGE = Path(os.environ.get("CLOUDD_TEST_IMAGE", realcloud.ROOT / "build/testguest/testguest.qcow2"))
RUNS, RUNS_FULL = 5, 9
BEFORE = 0.413                 # of create to ACTIVE, 1.42 times virsh start, when its steps were done and saved one after the other
PROMPT = re.compile(r"login:\s*$", re.MULTILINE)


def figures(full: bool) -> list[Figure]:
    if os.geteuid() or not IMAGE.exists():
        print(f"guest: needs root and {IMAGE} (make guest)")
        return []
    with tempfile.TemporaryDirectory(prefix="cloudd-bench-") as directory:
        cloud = realcloud.RealCloud(Path(directory), f"bench-{os.getpid()}")
        with realcloud.running(cloud):
            cloud.daemon.init("--no-guest", "--guest-image", str(IMAGE))
            return asyncio.run(_measured(cloud, RUNS_FULL if full else RUNS))


async def _measured(cloud: realcloud.RealCloud, runs: int) -> list[Figure]:
    async with realtenant.at_work(cloud) as tenant:
        first, server = await _active(tenant)                  # brings the image into the cache
        twin = await asyncio.to_thread(Twin.of, cloud, tenant.domain_names()[server], server)
        first_login = await _asks(tenant, server, first)
        await tenant.delete(server)
        made, peers = [], []
        for _ in range(runs):
            made.append(await _lived(tenant))
            peers.append(await asyncio.to_thread(twin.start))
        active, server = await _active(tenant)
        await _asks(tenant, server, active)
        daemon = Measured(cloud.daemon.process)
        cpu, sleeps = idle.of(daemon, idle.WINDOW_SECONDS)
        memory = daemon.resident_mb()
    active, login = (statistics.median(times) for times in zip(*made, strict=True))
    return [
        Figure("server create to ACTIVE", active, "s", (("virsh start of its domain", statistics.median(peers)), ("before", BEFORE)),
               times=1.2),
        Figure("server create to ACTIVE, first of its image", first, "s", (("a later one", active),)),
        Figure("server create to login prompt", login, "s", (("of it, to ACTIVE", active),)),
        Figure("server create to login prompt, first of its image", first_login, "s", (("a later one", login),)),
        Figure("resident memory with libvirt and a guest", memory, "MB"),
        Figure(f"processor with libvirt and a guest, idle for {idle.WINDOW_SECONDS} s", cpu, "%", (("one core", 100.0),), most=1),
        Figure("wake-ups a minute with libvirt and a guest", sleeps, ""),
    ]


async def _active(tenant: realtenant.Tenant) -> tuple[float, str]:
    """Seconds from the order to ACTIVE, and the server's id."""
    image = await tenant.named("/image/v2/images", "images", "testguest")
    networks = [{"uuid": await tenant.named(f"{realtenant.N}/networks", "networks", "private")}]
    began = time.perf_counter()
    server = await tenant.create(realtenant.short_name("bench"), imageRef=image, networks=networks)
    await tenant.becomes(server, "ACTIVE")
    return time.perf_counter() - began, server


async def _asks(tenant: realtenant.Tenant, server: str, since: float) -> float:
    """Seconds from the order to the login prompt, when `since` of them are over."""
    began = time.perf_counter()

    async def prompt() -> bool:
        return bool(PROMPT.search(await tenant.console(server)))
    await until(prompt, realtenant.BOOT_SECONDS)
    return since + time.perf_counter() - began


async def _lived(tenant: realtenant.Tenant) -> tuple[float, float]:
    """A server's way to ACTIVE and to the prompt; deleted then."""
    active, server = await _active(tenant)
    login = await _asks(tenant, server, active)
    await tenant.delete(server)
    return active, login
