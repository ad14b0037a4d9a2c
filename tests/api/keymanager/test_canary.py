"""A payload is nowhere but in its answer: not in the log at debug level, not in events, jobs, the database or its files."""

import base64
import io
import logging
import os

import pytest
from sqlalchemy import inspect, text

from cloudd import keymanager
from cloudd.core import log
from cloudd.core.context import internal
from tests.api.conftest import make_settings, run_cloud
from tests.api.keymanager.safe import Safe, words

CANARY = "CANARY-5f3a9c71e2"
FORMS = (CANARY, base64.b64encode(CANARY.encode()).decode(), CANARY.encode().hex())
TEXT = {"payload": CANARY, "payload_content_type": "text/plain"}


@pytest.fixture
async def cage(engine, clouds, tmp_path):
    """A cloud of its own whose log, all of it, is kept as it would be printed."""
    said, kept = io.StringIO(), (logging.getLogger().handlers[:], logging.getLogger().level, logging.getLogger("cloudd").level)
    log.setup("json", "debug")
    for form in (log.Json(), logging.Formatter("%(message)s %(args)s %(facts)s", defaults={"facts": ""})):
        handler = logging.StreamHandler(said)
        handler.setFormatter(form)
        logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel("DEBUG")
    try:
        async for cloud in run_cloud(make_settings(tmp_path, "[server]\nlog_level = debug\n", clouds.url(engine, "canary"))):
            yield cloud, said, tmp_path
    finally:
        logging.getLogger().handlers[:] = kept[0]
        logging.getLogger().setLevel(kept[1])
        logging.getLogger("cloudd").setLevel(kept[2])


async def use(safe):
    """All that the API can be asked with a payload, well and badly. What it answered."""
    answers, base = [], base64.b64encode(CANARY.encode()).decode()
    path = await safe.make(name="one", **TEXT)
    binary = await safe.make(name="two", payload=base, payload_content_type="application/octet-stream", payload_content_encoding="base64")
    later = await safe.make(name="three")
    put = {"data": CANARY.encode(), "headers": {"Content-Type": "text/plain"}}
    assert (await safe.call("PUT", later, **put)).status == 204
    answers.append(await safe.call("PUT", later, **put))
    for one in (path, binary, later):
        assert await safe.payload(one) == CANARY.encode()
        assert (await safe.call("GET", one, headers={"Accept": "text/plain"})).content == CANARY.encode()
        answers += [await safe.call("GET", one), await safe.call("GET", f"{one}/payload"), await safe.call("GET", f"{one}/metadata"),
                    await safe.call("POST", f"{one}/consumers", json={"service": "a", "resource_type": "b", "resource_id": "c"}),
                    await safe.call("PUT", f"{one}/metadata", json={"metadata": {"a": "b"}}), await safe.call("GET", "?name=%25")]
    for body in ({**TEXT, "payload": [CANARY]}, {**TEXT, "payload": {"payload": CANARY}}, {**TEXT, "secret_type": 5},
                 {**TEXT, "bit_length": -1}, {**TEXT, "payload_content_type": "x/y"}, {**TEXT, "payload_content_encoding": "base64"},
                 {**TEXT, "expiration": "x"},
                 {**TEXT, "payload": CANARY * 2000}, [TEXT], {"secret": TEXT}, {**TEXT, "payload_content_type": None}):
        answers.append(await safe.call("POST", "", json=body))
    for data in (b'{"payload": "%s' % CANARY.encode(), b'{"payload": "%s", "a": \xff}' % CANARY.encode()):
        answers.append(await safe.call("POST", "", data=data, headers={"Content-Type": "application/json"}))
    for headers in ({"Content-Type": "text/html"}, {"Content-Type": "application/octet-stream", "Content-Encoding": "base64"}):
        answers.append(await safe.call("PUT", await safe.make(), data=CANARY.encode(), headers=headers))
    return answers, path


async def rows_of(cloud):
    """Every value in every table, as text."""
    async with cloud.parts.database.read() as tx:
        tables = await (await tx.connection()).run_sync(lambda connection: inspect(connection).get_table_names())
        return {name: repr([tuple(row) for row in await tx.execute(text(f'SELECT * FROM "{name}"'))]) for name in tables}


def files_of(directory):
    for root, _, names in os.walk(directory):
        for name in names:
            with open(os.path.join(root, name), "rb") as handle:
                yield os.path.join(root, name), handle.read()


async def test_a_payload_is_nowhere_but_in_its_answer(cage):
    cloud, said, directory = cage
    safe = Safe(cloud.demo, "1.1")
    log.get("cloudd.keymanager").debug("the log is at debug")
    answers, path = await use(safe)
    stranger = Safe(await cloud.project_user("stranger"))
    refused = await stranger.call("GET", f"{path}/payload", headers={"Accept": "text/plain"})
    context, secret_id = internal(cloud.demo.project_id), path.rpartition("/")[2]
    async with cloud.parts.database.write() as tx:
        assert await keymanager.open_payload(cloud.parts, context, tx, secret_id, purpose="volume 5") == CANARY.encode()
        await keymanager.copy(cloud.parts, context, tx, secret_id)
    assert (await safe.call("DELETE", path)).status == 204
    await cloud.settled()
    log_text, tables = said.getvalue(), await rows_of(cloud)
    assert "/key-manager/v1/secrets" in log_text and "the log is at debug" in log_text
    assert "keymanager.secret.opened" in tables["core_events"] and refused.status == 403
    for form in FORMS:
        assert form not in log_text, log_text[log_text.find(form) - 300:][:600]
        assert not [name for name, found in tables.items() if form in found]
        assert not [name for name, content in files_of(directory) if form.encode() in content]
        assert not [answer.content for answer in (*answers, refused) if form.encode() in answer.content]
    assert all(words(answer) for answer in answers if answer.status >= 400)


async def test_the_audit_log_tells_who_was_given_what(cage):
    cloud, _, _ = cage
    safe = Safe(cloud.demo, "1.1")
    path = await safe.make(name="told", **TEXT)
    await safe.payload(path)
    await safe.call("POST", f"{path}/metadata", json={"key": "a", "value": "b"})
    await safe.call("POST", f"{path}/consumers", json={"service": "a", "resource_type": "b", "resource_id": "c"})
    await safe.call("DELETE", f"{path}/consumers", json={"service": "a", "resource_type": "b", "resource_id": "c"})
    await safe.call("DELETE", path)
    async with cloud.parts.database.read() as tx:
        query = "SELECT name, user_id, project_id, address FROM core_events WHERE resource_id = :id ORDER BY serial"
        rows = list(await tx.execute(text(query), {"id": path.rpartition("/")[2]}))
    assert [row[0] for row in rows] == [
        "keymanager.secret.created", "keymanager.secret.opened", "keymanager.secret.metadata_updated", "keymanager.consumer.added",
        "keymanager.consumer.removed", "keymanager.secret.deleted"]
    assert {tuple(row[1:]) for row in rows} == {(safe.user.user_id, safe.user.project_id, "127.0.0.1")}
