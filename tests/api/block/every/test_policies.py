"""Who may do what with volumes, snapshots, attachments and transfers: each operation by role, in the own and in a foreign project, under
the rule that Cinder asks. What exists is asked for, so that a refusal is one of the rule."""

import pytest

from cloudd.block.api import API
from tests.api.block.room import Room, V
from tests.api.conftest import PASSWORD

OPERATIONS = [one for one in API.operations if one.auth
              and not one.home.startswith(("cloudd.block.api.types", "cloudd.block.api.operators"))]
CHECKS = {rule.name: rule.check for rule in API.policies}
LEAST = {"rule:xena_system_admin_or_project_reader": "reader", "rule:xena_system_admin_or_project_member": "member",
         "rule:admin_api": "admin"}
RANK = ("reader", "member", "admin")
ANY = "00000000-0000-4000-8000-000000000000"
BODIES = {
    "/volumes": {"volume": {"size": 1}}, "/volumes/{volume}": {"volume": {"name": "x"}},
    "/snapshots/{snapshot}": {"snapshot": {"name": "x"}},
    "metadata": {"metadata": {}}, "{key}": {"meta": {"k": "v"}}, "/attachments/{attachment}": {"attachment": {"connector": {"host": "h"}}},
    "accept": {"accept": {"auth_key": "x"}},
}
ACTIONS = {
    "os-extend": {"new_size": 2}, "revert": {"snapshot_id": ANY}, "os-reimage": {"image_id": ANY}, "os-retype": {"new_type": "x"},
    "os-set_bootable": {"bootable": True}, "os-update_readonly_flag": {"readonly": True}, "os-volume_upload_image": {"image_name": "x"},
    "os-reset_status": {"status": "available"}, "os-extend_volume_completion": {}, "os-attach": {"mountpoint": "/x", "host_name": "h"},
    "os-detach": {}, "os-force_detach": {}, "os-initialize_connection": {"connector": {}}, "os-terminate_connection": {"connector": None},
    "os-set_image_metadata": {"metadata": {}}, "os-unset_image_metadata": {"key": "k"}, "os-update_snapshot_status": {"status": "error"}}


def name(operation):
    return f"{operation.method} {operation.path}{'#' + operation.action if operation.action else ''}"


@pytest.fixture(scope="module")
async def cast(cloud):
    """A project with one of everything, and by role who works there and who works elsewhere."""
    room = await Room.make(cloud)
    volume, offered = await room.volume(), await room.volume()
    ids = {"volume": volume, "snapshot": await room.snapshot(await room.volume()), "key": "k"}
    offer = await room.user.post(f"{V}/volume-transfers", {"transfer": {"volume_id": offered}})
    ids["transfer"] = ids["id"] = offer.body["transfer"]["id"]
    attached = await room.volume()
    ids["attachment"] = (await room.user.post(f"{V}/attachments", {"attachment": {"volume_uuid": attached}})).body["attachment"]["id"]
    people = {"member": room.user, "admin": room.admin, "foreign": (await Room.make(cloud)).user}
    reader = await cloud.project_user(f"policies-reader-{cloud.parts.database.queries}", "reader")
    roles = (await cloud.admin.get("/identity/v3/roles?name=reader")).body["roles"]
    await cloud.admin.put(f"/identity/v3/projects/{room.user.project_id}/users/{reader.user_id}/roles/{roles[0]['id']}")
    user = (await cloud.admin.get(f"/identity/v3/users/{reader.user_id}")).body["user"]
    people["reader"] = (await cloud.login(user["name"], PASSWORD, {"project": {"id": room.user.project_id}})).at("3.71", "volume")
    yield ids, people
    await cloud.admin.delete(f"{V}/volume-transfers/{ids['transfer']}")
    await room.clean()


def body(operation, ids):
    if operation.action:
        return {operation.action: ACTIONS.get(operation.action)}
    made = {"/snapshots": {"snapshot": {"volume_id": ids["volume"]}}, "/attachments": {"attachment": {"volume_uuid": ids["volume"]}},
            **dict.fromkeys(("/volume-transfers", "/os-volume-transfer"), {"transfer": {"volume_id": ids["volume"]}}),
            **dict.fromkeys(("/os-volume-manage", "/manageable_volumes"), {"volume": {"ref": "x", "host": "x"}}),
            **dict.fromkeys(("/os-snapshot-manage", "/manageable_snapshots"), {"snapshot": {"ref": "x", "volume_id": ids["volume"]}})}
    last = operation.path.rpartition("/")[2]
    return made.get(operation.path) or BODIES.get(operation.path) or BODIES.get(last, {})


async def ask(client, operation, ids):
    path = operation.path
    for hole in operation.names:
        path = path.replace(f"{{{hole}}}", ids[hole])
    more = {"json": body(operation, ids)} if operation.method in ("POST", "PUT") else {}
    answer = await client.request(operation.method, f"{V}{path}", **more)
    assert answer.status < 500 or "manage" in path, answer.content
    return answer


@pytest.mark.parametrize("operation", OPERATIONS, ids=name)
async def test_whose_role_is_too_low_is_refused_and_whose_is_not_gets_further(cast, operation):
    ids, people = cast
    least = LEAST[CHECKS[operation.policy]]
    for role in RANK:
        if RANK.index(role) < RANK.index(least):
            answer = await ask(people[role], operation, ids)
            assert answer.status == 403 and operation.policy.encode() in answer.content, (role, answer.content)
        elif operation.method == "GET":
            assert (await ask(people[role], operation, ids)).status != 403, role


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.names and one.names[0] != "id"], ids=name)
async def test_what_is_another_projects_is_not_there(cast, operation):
    ids, people = cast
    assert (await ask(people["foreign"], operation, ids)).status == 404


def test_every_operation_asks_one_of_cinders_rules():
    assert {operation.policy for operation in OPERATIONS} <= set(CHECKS) and {CHECKS[one.policy] for one in OPERATIONS} <= set(LEAST)
