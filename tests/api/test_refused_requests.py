"""What is refused costs nothing that stays: no cycles for the collector, no more of a stranger's body than is needed."""

import gc
import types
from pathlib import Path
from urllib.parse import quote

import pytest
import yarl

import cloudd
from cloudd.core.errors import CloudError

HOME = str(Path(cloudd.__file__).parent)
LOGIN = "/identity/v3/auth/tokens"
KINDS = {
    "schema": ("anonymous", "POST", LOGIN, {"json": {"auth": {"identity": "x" * 5000}}}),
    "wrong password": ("anonymous", "POST", LOGIN, {"json": {"auth": {"identity": {"methods": ["password"], "password": {"user": {
        "name": "nobody", "domain": {"id": "default"}, "password": "x"}}}}}}),
    "not JSON": ("anonymous", "POST", LOGIN, {"data": b"{", "headers": {"Content-Type": "application/json"}}),
    "too large": ("anonymous", "POST", LOGIN, {"data": b"x" * 70_000, "headers": {"Content-Type": "application/json"}}),
    "no token": ("anonymous", "POST", "/compute/v2.1/servers", {"json": {"server": {}}}),
    "compute": ("demo", "POST", "/compute/v2.1/servers", {"json": {"server": {"name": 5}}}),
    "network": ("demo", "POST", "/networking/v2.0/networks", {"json": {"network": {"mtu": "x"}}}),
    "image": ("demo", "POST", "/image/v2/images", {"json": {"name": 5}}),
    "patch": ("demo", "PATCH", "/image/v2/images/x", {"json": [{}]}),
    "keys": ("demo", "POST", "/key-manager/v1/secrets", {"json": {"payload": 5}}),
    "forbidden": ("demo", "POST", "/identity/v3/users", {"json": {"user": {"name": "x"}}}),
    "not there": ("demo", "GET", "/compute/v2.1/servers/x", {}),
    "no such path": ("demo", "GET", "/nowhere", {}),
    "no such method": ("demo", "PUT", "/compute/v2.1/servers", {}),
    "no such version": ("demo", "GET", "/compute/v2.1/servers", {"headers": {"OpenStack-API-Version": "compute 2.999"}}),
}


def ours(thing):
    """Whether something that only the collector could free was made on the way of a request."""
    frame = thing if isinstance(thing, types.FrameType) else getattr(thing, "tb_frame", None)
    return isinstance(thing, CloudError) or (frame is not None and frame.f_code.co_filename.startswith(HOME))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_refused_request_leaves_nothing_to_the_collector(cloud, kind):
    who, method, path, options = KINDS[kind]
    client = getattr(cloud, who)
    await client.request(method, path, **options)
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for _ in range(3):
            assert 400 <= (await client.request(method, path, **options)).status < 500
        gc.collect()
        left = [thing for thing in gc.garbage if ours(thing)]
        assert not left, left[:5]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


async def test_a_body_of_a_stranger_is_cut_at_the_limit_for_strangers(cloud):
    for sent in ({"data": b"[" * 70_000}, {"data": chunks(70_000)}):
        answer = await cloud.anonymous.request("POST", LOGIN, headers={"Content-Type": "application/json"}, **sent)
        assert answer.status == 413 and "max_anonymous_body_size" in answer.content.decode(), answer.content
    answer = await cloud.anonymous.request("POST", "/identity/v3/OS-OAUTH2/token", data=b"x" * 70_000)
    assert answer.status == 413
    answer = await cloud.admin.post("/identity/v3/projects", {"project": {"name": "x" * 70_000}})
    assert answer.status == 400                                # somebody known may send more: it is too long a name, no more


async def chunks(size):
    for _ in range(size // 10_000):
        yield b"x" * 10_000


@pytest.mark.parametrize("encoding", ["gzip", "br", "x-unknown"])
async def test_a_body_in_an_unknown_encoding_is_415(cloud, encoding):
    for path in (LOGIN, "/compute/v2.1/os-keypairs", "/networking/v2.0/networks", "/image/v2/images"):
        answer = await cloud.admin.request("POST", path, data=b"{}", headers={
            "Content-Type": "application/json", "Content-Encoding": encoding})
        assert answer.status == 415 and encoding in answer.content.decode(), answer.content
        assert answer.headers["Accept-Encoding"] == "identity" and answer.headers["X-Openstack-Request-Id"]


@pytest.mark.parametrize("host", ["a b", "[::1", "x/../y", "x:999999", "x\u00e9", 'x"', "x@y", "x" * 300])
async def test_a_host_that_is_none_is_refused_and_stands_in_no_answer(cloud, host):
    for path in ("/identity/v3", "/compute/v2.1/servers"):
        for client in (cloud.anonymous, cloud.demo):
            answer = await client.get(path, headers={"Host": host})
            assert answer.status == 400 and host not in answer.content.decode() + str(answer.headers)


async def test_what_the_declarations_do_not_require_breaks_no_handler(cloud):
    pool = {"subnetpool": {"name": "p", "prefixes": ["10.0.0.0/8"]}}
    pool_id = (await cloud.demo.post("/networking/v2.0/subnetpools", pool)).body["subnetpool"]["id"]
    there = f"/networking/v2.0/subnetpools/{pool_id}"
    for change, body in (("tags", {}), ("add_prefixes", {"subnetpool": {}}), ("remove_prefixes", {"subnetpool": {}})):
        assert (await cloud.demo.put(f"{there}/{change}", body)).status == 400
    nobody = {"subnetpool": {"address_scope_id": "00000000-0000-4000-8000-000000000000"}}
    assert (await cloud.demo.put(there, nobody)).status == 404
    answer = await cloud.admin.patch("/identity/v3/regions/RegionOne", {"region": {"description": None}})
    assert answer.status == 200 and answer.body["region"]["description"] == ""
    assert (await cloud.demo.get("/image/v2/images?sort_dir=0")).status == 400
    assert (await cloud.demo.get("/networking/v2.0/networks?limit=%C2%B2")).status == 400
    assert (await cloud.demo.get(f"/compute/v2.1/servers?limit={'9' * 5000}")).status == 400
    for depth in (101, 300, 900, 2000):
        assert (await cloud.admin.request("POST", "/identity/v3/regions", data=b'{"region":' * depth + b"1" + b"}" * depth, headers={
            "Content-Type": "application/json"})).status == 400



@pytest.mark.parametrize("name", ["a\nb", "a\r\nX-Forged: yes", "a b", "\u00e9", "a/b", "50%", "OS::X"])
async def test_what_somebody_named_stands_quoted_in_a_location(cloud, name):
    made = await cloud.admin.post("/image/v2/metadefs/namespaces", {"namespace": name})
    assert made.status in (201, 400), made.content
    if made.status == 201:
        assert made.headers["Location"].endswith("/image/v2/metadefs/namespaces/" + quote(name, safe=":"))
        assert "X-Forged" not in made.headers
        if "/" not in name:
            async with cloud.session.delete(yarl.URL(made.headers["Location"], encoded=True), headers=cloud.admin.headers) as answer:
                assert answer.status == 204
