"""Secrets: made in one step or two, shown, handed out, deleted; errors as Barbican's clients expect them."""

import asyncio
import base64
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from cloudd.core import clock
from cloudd.keymanager import models, secrets
from cloudd.keymanager.models import ProjectKey, Secret
from tests.api.keymanager.safe import NOBODY, WORDS, S, make_safe, words
from tests.waiting import until


async def test_versions_answer_without_a_token_in_both_forms(cloud):
    for version, status in ((None, "stable"), ("1.0", "stable"), ("1.1", "CURRENT"), ("1.2", "CURRENT"), ("latest", "CURRENT")):
        headers = {"OpenStack-API-Version": f"key-manager {version}"} if version else {}
        every = await cloud.anonymous.get("/key-manager", headers=headers)
        one = await cloud.anonymous.get("/key-manager/v1/", headers=headers)
        assert (every.status, one.status) == (300, 200)
        listed = every.body["versions"]
        found = listed["values"] if status == "stable" else listed
        assert found == [one.body["version"]]
        assert found[0]["status"] == status and found[0]["links"][0]["href"] == f"{cloud.url}/key-manager/v1/"
        if status == "CURRENT":
            assert (found[0]["min_version"], found[0]["max_version"]) == ("1.0", "1.2")
    beyond = await cloud.anonymous.get("/key-manager", headers={"OpenStack-API-Version": "key-manager 1.3"})
    assert beyond.status == 406 and "maximum is 1.2" in words(beyond)


async def test_the_catalog_has_it_without_a_version(cloud):
    catalog = (await cloud.admin.get("/identity/v3/auth/catalog")).body["catalog"]
    entry = next(one for one in catalog if one["type"] == "key-manager")
    assert entry["name"] == "barbican" and {point["url"] for point in entry["endpoints"]} == {f"{cloud.url}/key-manager"}


async def test_made_in_one_step_shown_and_handed_out(safe):
    path = await safe.make(name=" a key ", algorithm="aes", bit_length=256, mode="xts", secret_type="symmetric",
                           expiration="2999-12-31T23:59:59", payload=base64.b64encode(bytes(range(32))).decode(),
                           payload_content_type="application/octet-stream", payload_content_encoding="base64")
    shown = await safe.show(path)
    for name in ("created", "updated"):
        moment = shown.pop(name)
        assert abs(clock.parse(moment) - clock.now()) < timedelta(minutes=5) and "." in moment and "Z" not in moment
    assert shown == {
        "status": "ACTIVE", "expiration": "2999-12-31T23:59:59.000000", "name": "a key", "algorithm": "aes", "mode": "xts",
        "creator_id": safe.user.user_id, "secret_type": "symmetric", "bit_length": 256,
        "content_types": {"default": "application/octet-stream"}, "secret_ref": safe.user.url + path}
    answer = await safe.call("GET", f"{path}/payload", headers={"Accept": "application/octet-stream"})
    assert answer.content == bytes(range(32)) and answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Type"] == "application/octet-stream"


async def test_what_is_left_out_is_null_and_opaque(safe):
    shown = await safe.show(await safe.make())
    assert {name: shown[name] for name in ("name", "algorithm", "mode", "bit_length", "expiration")} == dict.fromkeys(
        ("name", "algorithm", "mode", "bit_length", "expiration"))
    assert shown["secret_type"] == "opaque" and "content_types" not in shown and "consumers" not in shown
    assert (await safe.at("1.1").show(shown["secret_ref"].removeprefix(safe.user.url)))["consumers"] == []


@pytest.mark.parametrize(("kind", "encoding", "sent", "got"), [
    ("text/plain", None, "gr\u00fc\u00df dich".encode(), "gr\u00fc\u00df dich".encode()),
    ("text/plain; charset=utf-8", None, b" kept as it is \n", b" kept as it is \n"),
    ("application/octet-stream", None, b"\x00\xff", b"\x00\xff"), ("application/octet-stream", "base64", b"AP8=", b"\x00\xff")])
async def test_made_in_two_steps(safe, kind, encoding, sent, got):
    path = await safe.make(name="later")
    empty = await safe.call("GET", f"{path}/payload", headers={"Accept": "text/plain"})
    assert empty.status == 404 and "has no payload" in words(empty)
    headers = {"Content-Type": kind, **({"Content-Encoding": encoding} if encoding else {})}
    assert (await safe.call("PUT", path, data=sent, headers=headers)).status == 204
    assert await safe.payload(path, kind.partition(";")[0]) == got
    assert (await safe.show(path))["content_types"] == {"default": kind.partition(";")[0]}
    again = await safe.call("PUT", path, data=b"other", headers={"Content-Type": "text/plain"})
    assert again.status == 409 and "already has data" in words(again)
    assert await safe.payload(path, kind.partition(";")[0]) == got


async def test_of_two_second_steps_at_once_one_wins(safe):
    path = await safe.make()
    answers = await asyncio.gather(*(safe.call("PUT", path, data=f"{number}".encode(), headers={"Content-Type": "text/plain"})
                                     for number in range(8)))
    assert sorted(answer.status for answer in answers) == [204] + [409] * 7
    won = next(number for number, answer in enumerate(answers) if answer.status == 204)
    assert await safe.payload(path) == f"{won}".encode()


@pytest.mark.parametrize(("headers", "data", "status", "said"), [
    ({"Content-Type": "application/json"}, b"{}", 415, "text/plain"), ({"Content-Type": "text/html"}, b"x", 415, "text/plain"),
    ({"Content-Type": "text/plain; charset=latin-1"}, b"x", 415, "text/plain"),
    ({"Content-Type": "text/plain"}, b"", 400, "No data"), ({"Content-Type": "text/plain"}, b"\xff", 400, "UTF-8"),
    ({"Content-Type": "application/octet-stream", "Content-Encoding": "base64"}, b"!", 400, "base64"),
    ({"Content-Type": "application/octet-stream", "Content-Encoding": "gzip"}, b"x", 415, "gzip"),
    ({"Content-Type": "text/plain"}, b"x" * 20_001, 413, "20000")])
async def test_second_steps_that_fail_change_nothing(safe, headers, data, status, said):
    path = await safe.make()
    answer = await safe.call("PUT", path, data=data, headers=headers)
    assert answer.status == status and said in words(answer), answer.content
    assert "content_types" not in await safe.show(path)


@pytest.mark.parametrize(("body", "status", "said"), [
    ({**WORDS, "payload": ""}, 400, "empty"), ({**WORDS, "payload": "  \n"}, 400, "empty"), ({"payload": "x"}, 400, "payload_content_type"),
    ({**WORDS, "payload": 5}, 400, "payload"), ({"payload_content_type": "text/plain"}, 400, "payload must be provided"),
    ({**WORDS, "payload_content_type": "text/html"}, 400, "text/html"),
    ({**WORDS, "payload_content_encoding": "base64"}, 400, "leave it out"),
    ({**WORDS, "payload_content_encoding": "gzip"}, 400, "gzip"), ({**WORDS, "payload_content_type": None}, 400, "payload_content_type"),
    ({**WORDS, "payload_content_type": "application/octet-stream"}, 400, "use base64"),
    ({**WORDS, "payload_content_type": "application/octet-stream", "payload_content_encoding": "base64"}, 400, "not base64"),
    ({**WORDS, "payload": "x" * 20_001}, 413, "20000"), ({"name": "x" * 256}, 400, "name"), ({"name": 5}, 400, "name"),
    ({"bit_length": 0}, 400, "minimum of 1"), ({"bit_length": -1}, 400, "minimum"), ({"bit_length": 2**63}, 400, "maximum"),
    ({"bit_length": "256"}, 400, "integer"), ({"secret_type": "key"}, 400, "'key' is not one of"), ({"algorithm": None}, 400, "algorithm"),
    ({"expiration": "2001-01-01"}, 400, "before current time"), ({"expiration": "tomorrow"}, 400, "'tomorrow'"),
    ({"expiration": "9999-12-31T23:59:59-14:00"}, 400, "expiration"), ([], 400, ""), ("x", 400, "")])
async def test_bodies_that_cannot_be(safe, body, status, said):
    answer = await safe.call("POST", "", json=body)
    assert answer.status == status and said in words(answer), answer.content


async def test_ids_that_nobody_has(safe):
    for path in (f"{S}/{NOBODY}", f"{S}/{NOBODY}/payload", f"{S}/{NOBODY}/metadata", f"{S}/not-an-id", f"{S}/{NOBODY}/consumers"):
        answer = await safe.call("GET", path)
        assert answer.status == 404 and "Secret not found" in words(answer)


async def test_the_payload_by_the_secrets_own_address_as_clients_of_before_ask(safe):
    path = await safe.make(**WORDS)
    assert (await safe.call("GET", path, headers={"Accept": "text/plain"})).content == b"a-secret"
    for accept in ("application/json", "*/*", "", "text/html, */*"):
        answer = await safe.call("GET", path, headers={"Accept": accept})
        assert answer.status == 200 and answer.body["secret_ref"], accept
    refused = await safe.call("GET", f"{path}/payload", headers={"Accept": "application/json"})
    assert refused.status == 406 and "application/json" in words(refused)


async def test_octets_that_are_no_text_are_not_given_as_text(safe):
    path = await safe.make()
    assert (await safe.call("PUT", path, data=b"\xff", headers={"Content-Type": "application/octet-stream"})).status == 204
    assert (await safe.call("GET", f"{path}/payload", headers={"Accept": "text/plain"})).status == 406
    assert await safe.payload(path, "application/octet-stream") == b"\xff"


@pytest.mark.parametrize("kind", ["symmetric", "public", "private", "certificate", "passphrase", "opaque"])
async def test_every_type_is_kept(safe, kind):
    path = await safe.make(secret_type=kind, **WORDS)
    assert (await safe.show(path))["secret_type"] == kind and await safe.payload(path) == b"a-secret"


async def test_deleted_it_is_gone_with_all_of_it(cloud, safe):
    path = await safe.make(**WORDS)
    secret_id = path.rpartition("/")[2]
    assert (await safe.call("POST", f"{path}/metadata", json={"key": "a", "value": "b"})).status == 201
    assert (await safe.call("DELETE", path)).status == 204
    for where in (path, f"{path}/payload", f"{path}/metadata"):
        assert (await safe.call("GET", where)).status == 404
    assert (await safe.call("DELETE", path)).status == 404
    async with cloud.parts.database.read() as tx:
        for table in (models.SecretPayload, models.SecretMetadatum, models.SecretConsumer):
            assert (await tx.execute(select(func.count()).where(table.secret_id == secret_id))).scalar_one() == 0


async def test_at_its_time_a_secret_is_gone(cloud):
    safe = await make_safe(cloud)
    soon = clock.now() + timedelta(hours=1)
    path = await safe.make(name="mortal", expiration=clock.iso(soon), **WORDS)
    assert await safe.list() == ["mortal"]
    async with cloud.parts.database.write() as tx:            # an hour later
        row = (await tx.execute(select(Secret).where(Secret.id == path.rpartition("/")[2]))).scalar_one()
        row.expiration = clock.now() - timedelta(seconds=1)
    assert await safe.list() == [] and (await safe.call("GET", path)).status == 404
    assert (await safe.call("GET", f"{path}/payload")).status == 404
    async with cloud.parts.database.write() as tx:
        assert await secrets.forget_expired(tx, clock.now()) >= 1
        assert await tx.get(Secret, row.id) is None


async def test_a_deleted_project_takes_its_secrets_and_their_key_along(cloud):
    safe = await make_safe(cloud)
    await safe.make(**WORDS)
    assert (await cloud.admin.delete(f"/identity/v3/projects/{safe.user.project_id}")).status == 204

    async def gone():
        async with cloud.parts.database.read() as tx:
            secrets = (await tx.execute(select(func.count()).where(Secret.project_id == safe.user.project_id))).scalar_one()
            return secrets == 0 and await tx.get(ProjectKey, safe.user.project_id) is None
    await until(gone)
