"""Cutting flows that live on in connection tracking after the rule that let them in is gone."""

import ipaddress
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

from cloudd.drivers.network.base import NetworkDriverError, PortSpec, SecurityGroupSpec
from cloudd.drivers.network.linux import netns
from cloudd.drivers.network.linux.firewall import Wanted

NONE_FOUND = "0 flow entries"


@dataclass(frozen=True, order=True)
class Flows:
    """All flows from or to an address in a zone; without a zone, in the whole namespace."""

    address: str
    zone: int | None = None


def cut(namespace: str, flows: Iterable[Flows]) -> None:
    """Delete the flows (blocking). An address with a prefix is taken as a network."""
    with netns.inside(namespace):
        for flow in sorted(set(flows), key=lambda flow: (flow.zone or 0, flow.address)):
            for side in ("src", "dst"):
                delete(flow, side)


def delete(flow: Flows, side: str) -> None:
    family = "ipv6" if ":" in flow.address else "ipv4"
    match = [f"--mask-{side}", mask(flow.address), f"--orig-{side}", flow.address.split("/")[0]] if "/" in flow.address \
        else [f"--orig-{side}", flow.address]
    zone = ["--zone", str(flow.zone)] if flow.zone is not None else []
    argv = ["conntrack", "--delete", "--family", family, *zone, *match]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode and NONE_FOUND not in done.stderr:
        raise NetworkDriverError(f"`{' '.join(argv)}` failed: {done.stderr.strip()}")


def mask(cidr: str) -> str:
    return str(ipaddress.ip_network(cidr, strict=False).netmask)


def after_port(wanted: Wanted, before: PortSpec | None, after: PortSpec | None, zones: dict[str, int]) -> set[Flows]:
    """What to cut when a port changed: its own flows if it may do less, and those of groups that trusted its addresses."""
    if before is None:
        return set()
    flows: set[Flows] = set()
    gone = set(addresses(before)) - set(addresses(after) if after else ())
    if narrowed(before, after):
        flows |= in_zones(addresses(before), zones, [before])
    elif gone:
        flows |= in_zones(gone, zones, [before])
    left = set(before.security_groups) - set(after.security_groups if after else ())
    for group in before.security_groups:
        lost = addresses(before) if group in left else gone
        if lost:
            trusting = [port for other in wanted.referring(group) for port in wanted.members(other)]
            flows |= in_zones(lost, zones, trusting)
    return flows


def narrowed(before: PortSpec, after: PortSpec | None) -> bool:
    """Whether something that the port could do before is forbidden now."""
    if after is None or (before.admin_state_up and not after.admin_state_up):
        return True
    if not after.port_security:
        return False
    return not before.port_security or bool(set(before.security_groups) - set(after.security_groups))


def after_group(wanted: Wanted, before: SecurityGroupSpec | None, after: SecurityGroupSpec | None,
                zones: dict[str, int]) -> set[Flows]:
    """What to cut when a group's rules changed: all flows of its members if a rule went. Those still allowed come back
    by themselves with their next packet."""
    if before is None or not set(before.rules) - set(after.rules if after else ()):
        return set()
    return {flow for port in wanted.members(before.id) for flow in in_zones(addresses(port), zones, [port])}


def addresses(port: PortSpec) -> list[str]:
    return [*port.addresses, *(pair.address for pair in port.allowed_pairs)]


def in_zones(some: Iterable[str], zones: dict[str, int], ports: Iterable[PortSpec]) -> set[Flows]:
    found = {zones[port.network_id] for port in ports if port.network_id in zones}
    return {Flows(address, zone) for address in some for zone in found}
