"""Every operation is asked hostile things, the same ones each time (seeded): nothing is answered with 500, no connection is dropped."""

import asyncio
import collections
import logging

import pytest

from cloudd.daemon import MODULES
from tests.api.conftest import make_settings, run_cloud
from tests.api.hostile import Maker

OPERATIONS = [operation for module in MODULES for api in module.apis for operation in api.operations]
EACH = 3
"""Requests at each operation."""
ORDER = {"GET": 0, "HEAD": 0, "POST": 1, "PATCH": 2, "PUT": 2, "DELETE": 3}


class Wire:
    """One connection, opened again when an answer closed it."""

    def __init__(self, url):
        self.host, self.port = url.removeprefix("http://").split(":")
        self.writer = None

    async def say(self, data):
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(self.host, int(self.port))
        self.writer.write(data)
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 30)
        status = int(head.split(b" ", 2)[1])
        headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
        if b"content-length" in headers and not data.startswith(b"HEAD"):
            await self.reader.readexactly(int(headers[b"content-length"]))
        elif headers.get(b"transfer-encoding") == b"chunked" or status == 101:
            headers[b"connection"] = b"close"
        if headers.get(b"connection") == b"close" or head.startswith(b"HTTP/1.0"):
            await self.close()
        return status, headers

    async def close(self):
        if self.writer is not None:
            self.writer.close()
            self.writer = None


class Crashes(logging.Handler):
    """The errors that the daemon logs."""

    def __init__(self):
        super().__init__(logging.ERROR)
        self.seen = []

    def emit(self, record):
        self.seen.append(logging.Formatter().format(record) + repr(getattr(record, "facts", "")))


async def known(cloud):
    """Ids of what is there, by collection; of identity's only what was made for this, lest nobody can log in any more."""
    found = {}
    for operation in OPERATIONS:
        if operation.method == "GET" and operation.auth and not operation.names:
            path = operation.api.prefixes[0] + operation.path
            ours = operation.api.service == "identity"
            answer = await (cloud.admin if ours else cloud.demo).get(path)
            if answer.status == 200 and answer.headers["Content-Type"].startswith("application/json"):
                rows = next((value for value in answer.body.values() if isinstance(value, list)), ())
                names = [row.get("id") or row.get("secret_ref", "").rpartition("/")[2] or row.get("name") for row in rows
                         if isinstance(row, dict) and (not ours or str(row.get("name") or row.get("id")).startswith("prey"))]
                found[path] = [name for name in names if name]
    return found


async def furnish(cloud):
    """Something of most kinds, in a project of its own."""
    user = cloud.demo
    network = (await user.post("/networking/v2.0/networks", {"network": {"name": "net"}})).body["network"]["id"]
    subnet = {"network_id": network, "ip_version": 4, "cidr": "10.9.8.0/24"}
    await user.post("/networking/v2.0/subnets", {"subnet": subnet})
    for path, body in (("/networking/v2.0/routers", {"router": {"name": "r"}}),
                       ("/networking/v2.0/ports", {"port": {"network_id": network}}),
                       ("/networking/v2.0/security-groups", {"security_group": {"name": "g"}}),
                       ("/compute/v2.1/os-keypairs", {"keypair": {"name": "k"}}),
                       ("/networking/v2.0/subnetpools", {"subnetpool": {"name": "p", "prefixes": ["10.0.0.0/8"]}}),
                       ("/identity/v3/credentials", {"credential": {"type": "cert", "blob": "{}"}}),
                       ("/key-manager/v1/secrets", {"name": "s", "payload": "x", "payload_content_type": "text/plain"}),
                       ("/compute/v2.1/os-server-groups", {"server_group": {"name": "s", "policies": ["affinity"]}})):
        answer = await user.post(path, body)
        assert answer.status in (200, 201), (path, answer.content)
    image = (await user.post("/image/v2/images", {"name": "i", "disk_format": "raw", "container_format": "bare"})).body["id"]
    await user.request("PUT", f"/image/v2/images/{image}/file", data=b"x" * 1024, headers={"Content-Type": "application/octet-stream"})
    for number in range(2):
        flavor = {"name": f"f{number}", "ram": 64, "vcpus": 1, "disk": 1}
        flavor_id = (await cloud.admin.post("/compute/v2.1/flavors", {"flavor": flavor})).body["flavor"]["id"]
    server = {"name": "s", "flavorRef": flavor_id, "imageRef": image, "networks": [{"uuid": network}]}
    assert (await user.post("/compute/v2.1/servers", {"server": server})).status == 202
    for path, body in (("/compute/v2.1/os-aggregates", {"aggregate": {"name": "a"}}), ("/identity/v3/regions", {"region": {"id": "prey"}}),
                       ("/identity/v3/groups", {"group": {"name": "prey"}}), ("/identity/v3/projects", {"project": {"name": "prey"}}),
                       ("/identity/v3/domains", {"domain": {"name": "prey", "enabled": False}}),
                       ("/identity/v3/roles", {"role": {"name": "prey"}}), ("/identity/v3/users", {"user": {"name": "prey"}}),
                       ("/identity/v3/services", {"service": {"name": "prey", "type": "x"}}),
                       ("/image/v2/metadefs/namespaces", {"namespace": "n"})):
        answer = await cloud.admin.post(path, body)
        assert answer.status in (200, 201), (path, answer.content)
    await cloud.settled()


async def attack(cloud, seed, many):
    """What broke, by where it broke, and how often each status was answered."""
    await furnish(cloud)
    maker, wire, crashes = Maker(seed, await known(cloud)), Wire(cloud.url), Crashes()
    bad, statuses = collections.defaultdict(list), collections.Counter()
    logging.getLogger().addHandler(crashes)
    admin = await cloud.project_user("hostile", role="admin")
    try:
        for operation in sorted(OPERATIONS, key=lambda one: ORDER[one.method]):
            for request in maker.of(operation, many):
                crashes.seen.clear()
                who = maker.random.choice([admin, cloud.demo, admin])
                try:
                    status, _ = await wire.say(request.wire(who.headers["X-Auth-Token"]))
                except (asyncio.IncompleteReadError, ConnectionError, TimeoutError, ValueError) as exc:
                    status = repr(exc)[:60]
                    await wire.close()
                statuses[status] += 1
                if status == 500 or isinstance(status, str) or crashes.seen:
                    bad[f"{operation.method} {operation.api.prefixes[0]}{operation.path} {operation.action or ''}"].append((
                        request, "\n".join(crashes.seen) or str(status)))
    finally:
        logging.getLogger().removeHandler(crashes)
        await wire.close()
    return bad, statuses


@pytest.fixture
async def victim(engine, clouds, tmp_path):
    """A cloud of its own, to be thrown away."""
    async for cloud in run_cloud(make_settings(tmp_path, url=clouds.url(engine, "hostile"))):
        yield cloud


async def test_nothing_hostile_is_answered_with_500_or_a_dropped_connection(victim, engine):
    bad, statuses = await attack(victim, 2 if engine == "postgresql" else 1, EACH)
    assert not bad, [(place, found[0][0], found[0][1][-2000:]) for place, found in bad.items()][:5]
    assert sum(statuses.values()) == EACH * len(OPERATIONS) and statuses[200] > 200 and statuses[400] > 200, statuses
