"""The metadata service, asked over real sockets: who asks is told by network and source address, nothing else."""

import base64
import itertools
import socket

import aiohttp
import orjson
import pytest
from sqlalchemy import update
from yarl import URL

from cloudd.compute.metadata import sessions
from cloudd.compute.models import Server
from cloudd.drivers.network.base import MetadataListener
from cloudd.network.dataplane.metadata import MetadataDesk
from cloudd.network.models.l2 import Allocation
from tests.api.compute.rooms import make_room

SOURCES = (f"127.9.{number}.5" for number in itertools.count(1))


@pytest.fixture(scope="module")
async def room(cloud):
    return await make_room(cloud)


async def guest(room, **more):
    """A server whose one address is a loopback address of its own, so that a client here can speak from it."""
    server = await room.server(networks=[{"uuid": room.network}], **more)
    ports = (await room.user.get(f"/networking/v2.0/ports?device_id={server}")).body["ports"]
    address = next(SOURCES)
    async with room.cloud.parts.database.write() as tx:
        await tx.execute(update(Allocation).where(Allocation.port_id == ports[0]["id"]).values(ip_address=address))
    return server, address


@pytest.fixture
async def service(room):
    """Where the service listens for guests of the room's network."""
    door = socket.create_server(("127.0.0.1", 0))
    desk = room.cloud.parts.service(MetadataDesk)
    await desk.appeared(MetadataListener("test", room.network, None, 4, door))
    yield f"http://127.0.0.1:{door.getsockname()[1]}"
    await desk.gone("test")
    door.close()


async def ask(service, address, path, method="GET", **options):
    connector = aiohttp.TCPConnector(local_addr=(address, 0))
    async with aiohttp.ClientSession(connector=connector) as session:
        async with session.request(method, URL(service + path, encoded=True), **options) as answer:
            return answer.status, await answer.read(), answer.headers


async def test_a_guest_reads_its_own(room, service):
    script = base64.b64encode(b"#!/bin/sh\necho hello\n").decode()
    server, address = await guest(room, name="asker", user_data=script, metadata={"role": "web"})
    status, body, headers = await ask(service, address, "/openstack/latest/meta_data.json")
    meta = orjson.loads(body)
    assert status == 200 and headers["Content-Type"] == "application/json"
    assert (meta["uuid"], meta["name"], meta["meta"]) == (server, "asker", {"role": "web"})
    assert base64.b64decode(meta["random_seed"])
    assert (await ask(service, address, "/openstack/latest/user_data"))[1] == b"#!/bin/sh\necho hello\n"
    assert (await ask(service, address, "/latest/user-data"))[1] == b"#!/bin/sh\necho hello\n"
    assert (await ask(service, address, "/2009-04-04/meta-data/local-ipv4"))[1].decode() == address
    assert b"meta_data.json" in (await ask(service, address, "/openstack/latest/"))[1]
    network = orjson.loads((await ask(service, address, "/openstack/latest/network_data.json"))[1])
    assert network["links"][0]["type"] == "bridge" and network["networks"][0]["type"] == "ipv4_dhcp"


async def test_what_was_not_sent_is_not_there_at_once(room, service):
    _, address = await guest(room)
    for path in ("/openstack/latest/user_data", "/latest/user-data", "/openstack/2099-01-01/meta_data.json", "/nothing"):
        assert (await ask(service, address, path))[0] == 404


async def test_strangers_are_told_nothing(service):
    for path in ("/openstack/latest/meta_data.json", "/latest/meta-data/instance-id"):
        status, body, _ = await ask(service, "127.99.0.1", path, headers={"X-Forwarded-For": "127.9.1.5", "X-Instance-ID": "any"})
        assert status == 404 and b"uuid" not in body


async def test_a_password_is_left_once_and_read_by_its_owner(room, service):
    server, address = await guest(room)
    path = "/openstack/2013-10-17/password"
    assert (await ask(service, address, path, "POST", data=b"x" * 256))[0] == 400
    assert (await ask(service, address, path, "POST", data="é".encode()))[0] == 400
    assert (await ask(service, address, path, "POST", data=b"ENCRYPTED"))[0] == 200
    assert (await ask(service, address, path, "POST", data=b"AGAIN"))[0] == 409
    assert (await ask(service, address, path))[1] == b"ENCRYPTED"
    answer = await room.user.get(f"/compute/v2.1/servers/{server}/os-server-password")
    assert answer.body == {"password": "ENCRYPTED"}
    assert (await room.user.delete(f"/compute/v2.1/servers/{server}/os-server-password")).status == 204
    assert (await ask(service, address, path, "POST", data=b"AGAIN"))[0] == 200


async def test_session_tokens_of_ec2_are_given_to_who_asks(room, service):
    _, address = await guest(room)
    header = "X-aws-ec2-metadata-token-ttl-seconds"
    status, token, _ = await ask(service, address, "/latest/api/token", "PUT", headers={header: "60"})
    assert status == 200 and token
    assert (await ask(service, address, "/latest/api/token", "PUT"))[0] == 400
    got = await ask(service, address, "/latest/meta-data/instance-id", headers={"X-aws-ec2-metadata-token": token.decode()})
    assert got[0] == 200 and got[1].startswith(b"i-")
    assert (await ask(service, address, "/latest/meta-data/", "DELETE"))[0] == 405


async def test_doubled_slashes_and_dots_are_folded(room, service):
    server, address = await guest(room)
    for path in ("/openstack//latest/meta_data.json", "//openstack/./latest//meta_data.json",
                 "/openstack/2018-08-27/../latest/meta_data.json"):
        status, body, _ = await ask(service, address, path)
        assert status == 200 and orjson.loads(body)["uuid"] == server, path


async def test_a_session_token_is_checked_as_ec2_does(room, service):
    server, address = await guest(room)
    _, other = await guest(room)
    header, path = "X-aws-ec2-metadata-token-ttl-seconds", "/latest/api/token"

    async def token(ttl="60", who=address, **more):
        return await ask(service, who, path, "PUT", headers={header: ttl, **more})
    for wrong in ("0", "21601", "-1", "1.5", "x", ""):
        assert (await token(wrong))[0] == 400, wrong
    assert (await token(**{"X-Forwarded-For": "10.0.0.1"}))[0] == 403
    assert (await ask(service, address, path))[0] == 405
    status, mine, headers = await token("21600")
    assert (status, headers[header]) == (200, "21600")
    theirs = (await token(who=other))[1]
    async with room.cloud.parts.database.read() as tx:
        seed = (await tx.get_one(Server, server)).random_seed
    for sent, expected in ((mine, 200), (theirs, 401), (b"nonsense", 401), (b"", 401),
                           (sessions.made(seed, 1000.0).encode(), 401)):
        answer = await ask(service, address, "/latest/meta-data/instance-id", headers={"X-aws-ec2-metadata-token": sent.decode()})
        assert answer[0] == expected, sent
    openstack = await ask(service, address, "/openstack/latest/meta_data.json", headers={"X-aws-ec2-metadata-token": "nonsense"})
    assert openstack[0] == 200


async def test_a_deleted_server_is_nobody(room, service):
    server, address = await guest(room)
    await room.user.delete(f"/compute/v2.1/servers/{server}")
    await room.cloud.settled()
    assert (await ask(service, address, "/openstack/latest/meta_data.json"))[0] == 404


async def test_a_member_reads_another_projects_user_data_by_the_device_id_of_his_own_port(room, cloud):
    script = base64.b64encode(b"#!/bin/sh\necho secret\n").decode()
    victim, _ = await guest(room, name="victim", user_data=script)
    sly = await make_room(cloud)
    server, address = await guest(sly, name="sly")
    port = (await sly.user.get(f"/networking/v2.0/ports?device_id={server}")).body["ports"][0]["id"]
    changed = await sly.user.put(f"/networking/v2.0/ports/{port}", {"port": {"device_id": victim}})
    assert changed.status == 200, changed.content
    door = socket.create_server(("127.0.0.1", 0))
    desk = cloud.parts.service(MetadataDesk)
    await desk.appeared(MetadataListener("sly", sly.network, None, 4, door))
    service = f"http://127.0.0.1:{door.getsockname()[1]}"
    try:
        assert (await ask(service, address, "/openstack/latest/user_data"))[0] == 404
        meta = orjson.loads((await ask(service, address, "/openstack/latest/meta_data.json"))[1])
        assert meta["uuid"] == server
        assert (await ask(service, address, "/openstack/latest/password", "POST", data=b"stolen"))[0] == 200
    finally:
        await desk.gone("sly")
        door.close()
    password = await room.user.get(f"/compute/v2.1/servers/{victim}/os-server-password")
    assert password.body == {"password": ""}
