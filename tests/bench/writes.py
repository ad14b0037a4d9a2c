"""What one change costs in processor time, with all the work that follows it, and a list of many ports."""

import statistics
import time
from collections.abc import Callable
from typing import Any

from tests.bench import cloud, load, rows
from tests.bench.figures import Figure
from tests.bench.process import Measured

TIMES = 60
ALONE = 15
PORTS, MORE = 1_000, 10_000
QUIET_SECONDS = 0.5
PLENTY = {f"CLOUDD_QUOTA_{name}": "-1" for name in ("NETWORK", "PORT", "SUBNET", "KEY_PAIRS", "INSTANCES", "CORES", "RAM")}
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJyyBJMzBbLM0cYdTxyEdDPm1oyEJV8cCoMaBt0mLBZX a@b"
BEFORE = {"network": 21.0, "port": 30.0, "key pair": 13.0, "token from a token": 12.0, "1,000 ports": 149.0,
          "server's order": 40.0, "server until it is ACTIVE": 200.0}
"""Milliseconds, measured before the short way through the frame; on another machine of two cores."""
AIMS = {"network": 8, "port": 8, "key pair": 4, "token from a token": 4, "1,000 ports": 50, "server's order": 15,
        "server until it is ACTIVE": 60}


def figures(full: bool) -> list[Figure]:
    with cloud.new() as place, place.serving(**PLENTY) as daemon:
        place.fill()
        caller = place.caller("demo")
        found = [_figure(name, _cost(daemon, place, change)) for name, change in _changes(caller).items()]
        return [*found, *_servers(daemon, place, caller), *_lists(daemon, place, caller)]


def _servers(daemon: Measured, place: cloud.Cloud, caller: cloud.Caller) -> list[Figure]:
    """A simulated server with an image and a network: how long its order takes when nothing else is done, and what all of it costs."""
    image, network = cloud.image(caller), _network(caller)
    flavor = next(item["id"] for item in caller.get("/compute/v2.1/flavors")["flavors"] if item["name"] == "m1.nano")
    body = {"server": {"name": "bench", "imageRef": image, "flavorRef": flavor, "networks": [{"uuid": network}]}}
    seconds: list[float] = []

    def order(number: int) -> None:
        began = time.perf_counter()
        made = caller.post("/compute/v2.1/servers", body)["server"]["id"]
        seconds.append(time.perf_counter() - began)
        rows.active(caller, {made})
    for number in range(ALONE):
        order(number)
    cost = _cost(daemon, place, lambda number: caller.post("/compute/v2.1/servers", body))
    answered = statistics.median(seconds) * 1000
    return [Figure("a server's order is answered", answered, "ms", (("before", BEFORE["server's order"]),), most=AIMS["server's order"]),
            _figure("server until it is ACTIVE", cost)]


def _figure(name: str, value: float) -> Figure:
    return Figure(f"processor for a {name}", value, "ms", (("before", BEFORE[name]),), most=AIMS[name])


def _changes(caller: cloud.Caller) -> dict[str, Callable[[int], Any]]:
    network = _network(caller)
    token = {"identity": {"methods": ["token"], "token": {"id": caller.token}}, "scope": {"project": {"id": caller.project_id}}}
    return {
        "network": lambda number: caller.post("/networking/v2.0/networks", {"network": {"name": f"bench-{number}"}}),
        "port": lambda number: caller.post("/networking/v2.0/ports", {"port": {"network_id": network}}),
        "key pair": lambda number: caller.post("/compute/v2.1/os-keypairs", {"keypair": {"name": f"k{number}", "public_key": KEY}}),
        "token from a token": lambda number: caller.post("/identity/v3/auth/tokens", {"auth": token}),
    }


def _network(caller: cloud.Caller) -> str:
    made = caller.post("/networking/v2.0/networks", {"network": {"name": "bench"}})["network"]["id"]
    caller.post("/networking/v2.0/subnets", {"subnet": {"network_id": made, "ip_version": 4, "cidr": "10.65.0.0/16"}})
    return made


def _cost(daemon: Measured, place: cloud.Cloud, change: Callable[[int], Any]) -> float:
    """Milliseconds of the daemon's processor a change, until nothing follows any more."""
    for number in range(-3, 0):
        change(number)
    time.sleep(QUIET_SECONDS)
    before = daemon.spent()
    for number in range(TIMES):
        change(number)
    time.sleep(QUIET_SECONDS)
    return daemon.spent().since(before).cpu * 1000 / TIMES


def _lists(daemon: Measured, place: cloud.Cloud, caller: cloud.Caller) -> list[Figure]:
    network, path = _network(caller), "/networking/v2.0/ports?network_id="
    _ports(caller, network, PORTS)
    many = _list(daemon, place, caller, path + network)
    _ports(caller, network, MORE - PORTS)
    more = _list(daemon, place, caller, path + network)
    before = (("before", BEFORE["1,000 ports"]),)
    return [Figure(f"processor for GET /ports, {PORTS:,} ports", many, "ms", before, most=AIMS["1,000 ports"]),
            Figure(f"processor for GET /ports, {MORE:,} ports", more, "ms", ((f"{PORTS:,} ports", many),), times=11)]


def _ports(caller: cloud.Caller, network: str, count: int) -> None:
    for _ in range(count // 500):
        caller.post("/networking/v2.0/ports", {"ports": [{"network_id": network} for _ in range(500)]})


def _list(daemon: Measured, place: cloud.Cloud, caller: cloud.Caller, path: str) -> float:
    """Milliseconds of the daemon's processor."""
    message = load.request("GET", path, {"X-Auth-Token": caller.token})
    load.send(place.port, message, connections=1, seconds=60, most=2)
    before = daemon.spent()
    answered = load.send(place.port, message, connections=1, seconds=60, most=7)
    return daemon.spent().since(before).cpu * 1000 / len(answered.seconds)
