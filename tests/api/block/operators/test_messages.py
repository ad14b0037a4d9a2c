"""Messages: what their readers see of what went wrong."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from cloudd.block import messages
from cloudd.block.models import Message
from cloudd.block.operators import messages as reading
from cloudd.core import clock
from cloudd.core.context import internal
from cloudd.core.ids import new_uuid
from tests.api.block.forms import B, at, fits

M = f"{B}/messages"


async def leave(cloud, project_id, *, kind=messages.VOLUME, action=messages.SCHEDULE, detail=messages.NO_BACKEND, cause="10 GiB asked"):
    """A message as a job leaves one; its id."""
    resource = new_uuid()
    async with cloud.parts.database.write() as tx:
        await messages.tell(tx, internal(project_id), project_id=project_id, kind=kind, resource_id=resource, action=action,
                            detail=detail, cause=cause)
        return (await tx.execute(select(Message.id).where(Message.resource_id == resource))).scalar(), resource


async def test_every_reply_has_tempests_form(cloud):
    demo = at(cloud.demo, "3.3")
    key, resource = await leave(cloud, cloud.demo.project_id)
    shown = fits(await demo.get(f"{M}/{key}"), "messages", "show_message")["message"]
    assert (shown["event_id"], shown["resource_type"], shown["resource_uuid"]) == ("VOLUME_VOLUME_001_003", "VOLUME", resource)
    assert shown["message_level"] == "ERROR" and shown["user_message"].endswith(": 10 GiB asked")
    assert shown in fits(await demo.get(M), "messages", "list_messages")["messages"]
    fits(await demo.delete(f"{M}/{key}"), "messages", "delete_message")
    assert (await demo.get(f"{M}/{key}")).status == (await demo.delete(f"{M}/{key}")).status == 404


@pytest.mark.parametrize(("kind", "event"), [(messages.SNAPSHOT, "VOLUME_VOLUME_SNAPSHOT_009_013"),
                                             (messages.BACKUP, "VOLUME_VOLUME_BACKUP_009_013")])
async def test_event_ids_of_other_kinds(cloud, kind, event):
    key, _ = await leave(cloud, cloud.demo.project_id, kind=kind, action=messages.SNAPSHOT_CREATE, detail="013")
    demo = at(cloud.demo, "3.5")
    assert (await demo.get(f"{M}/{key}")).body["message"]["event_id"] == event
    assert key in [row["id"] for row in (await demo.get(f"{M}?event_id={event}")).body["messages"]]


def test_every_number_has_words():
    assert sorted(reading.DOING) == [f"{number:03}" for number in range(1, 17)]
    assert sorted(reading.WRONG) == [f"{number:03}" for number in range(1, 31)]
    assert reading.by_event("VOLUME_VOLUME_SNAPSHOT_009_013") == ("VOLUME_SNAPSHOT", "009", "013")
    assert reading.by_event("nonsense") is reading.by_event("VOLUME_1") is None


async def test_other_projects_see_nothing_and_administrators_all(cloud):
    user = await cloud.project_user(f"messages-{cloud.parts.database.queries}")
    key, _ = await leave(cloud, user.project_id)
    assert (await at(cloud.demo, "3.3").get(f"{M}/{key}")).status == 404
    assert (await at(cloud.demo, "3.3").delete(f"{M}/{key}")).status == 404
    assert [row["id"] for row in (await at(user, "3.3").get(M)).body["messages"]] == [key]
    assert (await at(cloud.admin, "3.3").get(f"{M}/{key}")).status == 200
    assert key in [row["id"] for row in (await at(cloud.admin, "3.5").get(M)).body["messages"]]


async def test_lists_are_sorted_paged_and_filtered_from_3_5(cloud):
    user = await cloud.project_user(f"messages-{cloud.parts.database.queries}")
    first, second = [await leave(cloud, user.project_id, detail=detail) for detail in ("003", "006")]
    newer = at(user, "3.5")
    assert [row["id"] for row in (await newer.get(M)).body["messages"]] == [second[0], first[0]]
    page = (await newer.get(f"{M}?limit=1&sort=created_at:asc")).body
    assert [row["id"] for row in page["messages"]] == [first[0]] and page["messages_links"]
    for query, found in ((f"resource_uuid={second[1]}", [second[0]]), ("event_id=VOLUME_VOLUME_001_006", [second[0]]),
                         ("event_id=nonsense", []), ("message_level=INFO", []), ("resource_type=VOLUME&sort=id:asc", None)):
        rows = [row["id"] for row in (await newer.get(f"{M}?{query}")).body["messages"]]
        assert rows == found if found is not None else set(rows) == {first[0], second[0]}
    assert len((await at(user, "3.4").get(f"{M}?limit=1&resource_uuid=x")).body["messages"]) == 2
    assert (await at(user, "3.31").get(f"{M}?project_id={user.project_id}")).status == 400
    assert (await at(user, "3.30").get(f"{M}?project_id={user.project_id}")).status == 200
    assert (await at(user, "3.2").get(M)).status == 404


async def test_they_go_when_their_time_is_over(cloud):
    old, _ = await leave(cloud, cloud.demo.project_id)
    kept, _ = await leave(cloud, cloud.demo.project_id)
    async with cloud.parts.database.write() as tx:
        (await tx.get(Message, old)).expires_at = clock.now() - timedelta(seconds=1)
    assert await reading.forget_old(cloud.parts.database) >= 1
    demo = at(cloud.demo, "3.3")
    assert ((await demo.get(f"{M}/{old}")).status, (await demo.get(f"{M}/{kept}")).status) == (404, 200)
