"""A router's dataplane follows its rows: interfaces, gateway, routes, floating addresses."""

from sqlalchemy import update

from cloudd.core.jobs import Job, Run, Step
from cloudd.drivers.network.base import NetworkDriver, RouterSpec
from cloudd.network import changes
from cloudd.network.dataplane import specs as dataplane
from cloudd.network.jobs.attempts import attempt
from cloudd.network.models import FloatingIp, Port, Router

OWNERS = ("network:router_interface", "network:router_gateway")


async def apply(run: Run) -> None:
    """Tell the driver of the router and the networks that it joins, or of its end; then say that its ports work."""
    router_id = run.input["id"]
    async with run.read() as tx:
        specs = await dataplane.router_specs(tx, [router_id])
    driver = run.driver(NetworkDriver)
    if not specs:
        await attempt("removing a router", router_id, lambda: driver.remove_router(router_id))
        return
    await attempt("applying a router", router_id, lambda: driver.apply_router(specs[0]))
    await _mark_working(run, specs[0])


async def _mark_working(run: Run, spec: RouterSpec) -> None:
    """What was just applied is ACTIVE; what changed meanwhile waits for the job that follows."""
    ports = [interface.port_id for interface in spec.interfaces] + ([spec.gateway.port_id] if spec.gateway else [])
    addresses = [one.floating for one in spec.floating_ips]
    async with run.save() as tx:
        await tx.execute(update(Port).where(Port.id.in_(ports), Port.status != "ACTIVE").values(status="ACTIVE"))
        await tx.execute(update(FloatingIp).where(FloatingIp.router_id == spec.id, FloatingIp.floating_ip_address.in_(addresses),
                                                  FloatingIp.status != "ACTIVE").values(status="ACTIVE"))
        await tx.execute(update(Router).where(Router.id == spec.id, Router.status == "ERROR").values(status="ACTIVE"))


async def mark_error(run: Run, error: BaseException) -> None:
    async with run.write() as tx:
        await tx.execute(update(Router).where(Router.id == run.input["id"]).values(status="ERROR"))
        await tx.execute(update(FloatingIp).where(FloatingIp.router_id == run.input["id"]).values(status="ERROR"))


APPLY = Job(changes.APPLY_ROUTER, steps=[Step(apply)], on_fail=mark_error)
