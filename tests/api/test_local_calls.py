"""Operations called from within the daemon: they answer as they do over HTTP, and share the caller's transaction."""

import dataclasses
import re

import orjson
import pytest
from sqlalchemy import select

from cloudd.core import ids
from cloudd.core.errors import Unauthorized
from cloudd.core.http.local import Local
from cloudd.core.http.microversions import show
from cloudd.core.tables import EventRow
from cloudd.identity.tokens.tokens import Tokens
from cloudd.network.models import Network
from tests.api.test_every_operation import GUARDED, SENT, body, name, path

OWN = re.compile(r"""req-[0-9a-f-]{36} | \b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b | http://[^/"]*
                     | \d{4}-\d\d-\d\d[T ][\d:.]+Z? | "(up|uptime|host_time)":\ ?"[^"]*"
                     | "(hours|uptime|total_hours|total_\w+_usage)":\ ?[\d.e-]+""", re.VERBOSE)
KEY = {"keypair": {"name": "local"}}


async def context_of(cloud, client):
    """The caller, as his token makes him."""
    subject = await cloud.parts.service(Tokens).check(client.headers["X-Auth-Token"])
    return dataclasses.replace(subject.context, token=subject, request_id=ids.new_request_id())


@pytest.fixture
async def local(cloud):
    """`call(client, service, method, path, ...)` in-process."""
    async def call(client, *request, **options):
        return await cloud.parts.service(Local).call(await context_of(cloud, client), *request, **options)
    return call


def bare(value):
    """A reply without what names the one request, the moment, or what it made."""
    text = orjson.dumps(value).decode() if not isinstance(value, bytes) else value.decode(errors="replace")
    return OWN.sub("", text)


@pytest.mark.parametrize("operation", [one for one in GUARDED if not one.stream], ids=name)
async def test_an_operation_answers_the_same_in_process(cloud, local, operation):
    version = operation.since if operation.since > (0, 0) else None
    headers = {"OpenStack-API-Version": f"{operation.api.negotiation.service} {show(version)}"} if version else {}
    sent = body(operation) if operation.method in SENT else None
    at = path(operation, ids.new_uuid())                           # of what nobody has made
    for client in (cloud.admin, cloud.demo):
        over_http = await client.request(operation.method, at, headers=headers, json=sent)
        inside = await local(client, operation.api.service, operation.method, at.removeprefix(operation.api.prefixes[0]),
                             version=show(version) if version else None, body=sent)
        assert inside.status == over_http.status
        if operation.method != "HEAD" and over_http.content:
            is_json = "json" in over_http.headers["Content-Type"]
            assert bare(inside.body) == bare(over_http.body if is_json else over_http.content)


async def test_a_resource_is_made_changed_and_deleted_in_process(cloud, local):
    made = await local(cloud.demo, "network", "POST", "/networks", body={"network": {"name": "inside"}})
    assert made.status == 201 and made.ok
    at = f"/networks/{made.body['network']['id']}"
    assert (await cloud.demo.get(f"/networking/v2.0{at}")).body == made.body
    assert (await local(cloud.demo, "network", "PUT", at, body={"network": {"name": "other"}})).body["network"]["name"] == "other"
    listed = await local(cloud.demo, "network", "GET", "/networks", query=[("name", "other"), ("fields", "id")])
    assert listed.body == {"networks": [{"id": made.body["network"]["id"]}]}
    assert (await local(cloud.demo, "network", "DELETE", at)).status == 204
    gone = await local(cloud.demo, "network", "GET", at)
    assert (gone.status, gone.body["NeutronError"]["type"]) == (404, "NetworkNotFound")


async def test_data_is_sent_and_fetched_in_process(cloud, local):
    image = (await local(cloud.demo, "image", "POST", "/images", body={
        "name": "inside", "disk_format": "raw", "container_format": "bare"})).body["id"]
    assert (await local(cloud.demo, "image", "PUT", f"/images/{image}/file", body=b"data" * 1000)).status == 204
    fetched = await local(cloud.demo, "image", "GET", f"/images/{image}/file")
    assert (fetched.status, fetched.body) == (200, b"data" * 1000)
    assert (await local(cloud.demo, "image", "DELETE", f"/images/{image}")).status == 204


async def test_a_microversion_is_obeyed(cloud, local):
    await local(cloud.demo, "compute", "POST", "/os-keypairs", body=KEY)
    old = await local(cloud.demo, "compute", "GET", "/os-keypairs/local", version="2.1")
    new = await local(cloud.demo, "compute", "GET", "/os-keypairs/local", version="2.2")
    assert "type" not in old.body["keypair"] and new.body["keypair"]["type"] == "ssh"
    assert (await local(cloud.demo, "compute", "GET", "/os-keypairs", version="2.999")).status == 406
    assert (await local(cloud.demo, "compute", "DELETE", "/os-keypairs/local")).status == 202


async def test_it_happens_in_the_callers_transaction_or_not_at_all(cloud, local):
    database = cloud.parts.database
    with pytest.raises(KeyboardInterrupt):
        async with database.write() as tx:
            made = await local(cloud.demo, "network", "POST", "/networks", body={"network": {"name": "lost"}}, tx=tx)
            lost = made.body["network"]["id"]
            assert (await local(cloud.demo, "network", "GET", f"/networks/{lost}", tx=tx)).status == 200
            raise KeyboardInterrupt
    assert (await cloud.demo.get(f"/networking/v2.0/networks/{lost}")).status == 404
    async with database.write() as tx:
        made = await local(cloud.demo, "network", "POST", "/networks", body={"network": {"name": "kept"}}, tx=tx)
        kept = made.body["network"]["id"]
    async with database.read() as tx:
        names = (await tx.execute(select(EventRow.name).where(EventRow.resource_id.in_([kept, lost])))).scalars().all()
    assert names == ["network.create.end"]
    assert (await cloud.demo.delete(f"/networking/v2.0/networks/{kept}")).status == 204


async def test_a_refusal_undoes_its_own_part_only(cloud, local):
    user = await cloud.project_user("refused-in-part")
    await local(cloud.admin, "network", "PUT", f"/quotas/{user.project_id}", body={"quota": {"network": 1}})
    async with cloud.parts.database.write() as tx:
        first = await local(user, "network", "POST", "/networks", body={"network": {"name": "first"}}, tx=tx)
        second = await local(user, "network", "POST", "/networks", body={"network": {"name": "second"}}, tx=tx)
        assert (first.status, second.status, second.body["NeutronError"]["type"]) == (201, 409, "OverQuota")
    async with cloud.parts.database.read() as tx:
        found = (await tx.execute(select(Network.name).where(Network.project_id == user.project_id))).scalars().all()
    assert found == ["first"]


async def test_a_forbidden_call_is_told_in_the_callers_transaction(cloud, local):
    user = await cloud.project_user("told")                   # of the others so much was told by now that no more is
    async with cloud.parts.database.write() as tx:
        refused = await local(user, "compute", "GET", "/os-services", tx=tx)
        assert refused.status == 403
        told = select(EventRow).where(EventRow.name == "request.refused", EventRow.request_id == refused.headers["X-Openstack-Request-Id"])
        row = (await tx.execute(told)).scalar_one()
        assert row.payload["path"] == "/compute/v2.1/os-services"


async def test_access_rules_hold_in_process(cloud, local):
    context = await context_of(cloud, cloud.demo)
    rules = {"access_rules": [{"service": "compute", "method": "GET", "path": "/v2.1/flavors"}]}
    bound = dataclasses.replace(context, token=dataclasses.replace(context.token, application_credential=rules))
    calls = cloud.parts.service(Local)
    assert (await calls.call(bound, "compute", "GET", "/flavors")).status == 200
    assert (await calls.call(bound, "compute", "GET", "/servers")).status == Unauthorized.status
    assert (await calls.call(bound, "network", "GET", "/networks")).status == Unauthorized.status


async def test_a_service_that_is_not_there(cloud, local):
    with pytest.raises(LookupError, match="no service 'volumes'"):
        await local(cloud.demo, "volumes", "GET", "/volumes")
