"""Servers by the thousand: copies of one that was made in earnest, written beside it into the database."""

import ipaddress
import json
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, create_engine, func, insert, select

from cloudd.compute.models import BlockDevice, Server, ServerMetadata, ServerPort
from cloudd.core.database import Base
from cloudd.network.models import Allocation, Port, PortGroup
from tests.bench import cloud

RANGE = ipaddress.ip_network("10.64.0.0/16")
FIRST_HOST = 1000
BATCH = 500


def pattern(place: cloud.Cloud, caller: cloud.Caller) -> str:
    """One active server with an image, a key, metadata, a port with an address and a security group; its id."""
    network = caller.post("/networking/v2.0/networks", {"network": {"name": "wide"}})["network"]["id"]
    caller.post("/networking/v2.0/subnets", {"subnet": {"network_id": network, "ip_version": 4, "cidr": str(RANGE)}})
    server = order(caller, cloud.image(caller), network)
    active(caller, {server})
    return server


def order(caller: cloud.Caller, image: str, network: str, **more: Any) -> str:
    """Ask for servers; the id of the first."""
    flavors = caller.get("/compute/v2.1/flavors")["flavors"]
    flavor = next(item["id"] for item in flavors if item["name"] == "m1.nano")
    body = {"name": "bench", "imageRef": image, "flavorRef": flavor, "key_name": "demo", "networks": [{"uuid": network}],
            "metadata": {"purpose": "bench"}, **more}
    return caller.post("/compute/v2.1/servers", {"server": body})["server"]["id"]


def active(caller: cloud.Caller, wanted: set[str] | None = None, count: int = 1, seconds: float = 120) -> None:
    """Wait until these servers, or so many, are active."""
    from tests.bench.process import wait

    def ready() -> bool:
        states = {item["id"]: item["status"] for item in caller.get("/compute/v2.1/servers/detail")["servers"]}
        if "ERROR" in states.values():
            raise RuntimeError(f"a server failed: {json.dumps(states)}")
        if wanted is not None:
            return all(states.get(server) == "ACTIVE" for server in wanted)
        return sum(state == "ACTIVE" for state in states.values()) >= count

    wait(ready, seconds, 0.02)


def multiply(state: Path, server: str, count: int) -> None:
    """Until `count` servers like this one are there. The daemon runs on: nothing of them is ever on the hypervisor."""
    engine = create_engine(f"sqlite:///{state}/cloudd.db", connect_args={"timeout": 30})
    with engine.begin() as connection:
        number = connection.execute(select(func.max(Server.number))).scalar_one()
        have = connection.execute(select(func.count()).select_from(Server)).scalar_one()
        port = connection.execute(select(ServerPort.port_id).where(ServerPort.server_id == server)).scalar_one()
        patterns = [(model.__table__, _rows(connection, model, name, value)) for model, name, value in (
            (Server, "id", server), (ServerMetadata, "server_id", server), (BlockDevice, "server_id", server),
            (Port, "id", port), (Allocation, "port_id", port), (PortGroup, "port_id", port), (ServerPort, "port_id", port))]
        for first in range(have, count, BATCH):
            copies = [_copy(patterns, number + 1 + at - have, server, port) for at in range(first, min(first + BATCH, count))]
            for table, _ in patterns:
                connection.execute(insert(table), [row for copy in copies for row in copy[table.name]])
    engine.dispose()


def _rows(connection: Connection, model: type[Base], column: str, value: str) -> list[dict[str, Any]]:
    table = model.__table__
    return [dict(row._mapping) for row in connection.execute(select(table).where(table.c[column] == value))]


def _copy(patterns: list[tuple[Table, list[dict[str, Any]]]], number: int, server: str, port: str) -> dict[str, list[Any]]:
    """The rows of one more server, under ids, a number and addresses of its own."""
    ids = {server: str(uuid.uuid4()), port: str(uuid.uuid4())}
    own: dict[str, Any] = {"number": number, "ip_address": str(RANGE[FIRST_HOST + number]), "mac_address": f"fa:16:3f:{number >> 16:02x}:"
           f"{number >> 8 & 255:02x}:{number & 255:02x}", "name": f"bench-{number}"}
    made: dict[str, list[Any]] = {}
    own["created_at"] = patterns[0][1][0]["created_at"] + timedelta(seconds=number)
    for table, rows in patterns:
        changes = own if table.name in ("compute_servers", "network_ports", "network_allocations") else {}
        made[table.name] = [{**{name: ids.get(value, value) if isinstance(value, str) else value for name, value in row.items()},
                             **{name: value for name, value in changes.items() if name in row},
                             **({"id": str(uuid.uuid4())} if table.name == "compute_block_devices" else {})} for row in rows]
    return made
