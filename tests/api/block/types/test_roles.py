"""Who may do what with types and what operators see: each operation by role, under the rule that Cinder asks."""


import pytest

from cloudd.block.api import API
from tests.api.block.forms import B, at

HOMES = ("cloudd.block.api.types.", "cloudd.block.api.operators.")
OPERATIONS = [one for one in API.operations if one.home.startswith(HOMES)]
NOBODY = "00000000-0000-4000-8000-000000000000"
READERS = {"volume_extension:type_get_all", "volume_extension:type_get", "volume_extension:types_extra_specs:index",
           "volume_extension:types_extra_specs:show", "message:get_all", "message:get", "volume_extension:quotas:show", "volume:get_all",
           "volume_extension:volume_encryption_metadata"}
MEMBERS = {"message:delete"}
"""All else is for administrators."""


@pytest.fixture(scope="module")
async def reader(cloud):
    return await cloud.project_user(f"types-reader-{cloud.parts.database.queries}", "reader")


@pytest.fixture(scope="module")
async def member(cloud):
    return await cloud.project_user(f"types-member-{cloud.parts.database.queries}")


def name(operation):
    return f"{operation.method} {operation.path}{'#' + operation.action if operation.action else ''}"


async def ask(client, operation):
    """What a role is told: 403, or anything else of an operation that gets further."""
    path = operation.path.replace("{project}", client.project_id)
    for hole in operation.names:
        path = path.replace(f"{{{hole}}}", NOBODY)
    version = "3.71" if operation.until >= (3, 71) else "3.0"
    sent = {operation.action: {"project": NOBODY}} if operation.action else VALID.get(operation.path, {})
    more = {"json": sent} if operation.method in ("POST", "PUT") else {}
    answer = await at(client, version).request(operation.method, f"{B}{path}", **more)
    assert answer.status < 500, answer.content
    return answer.status


SPEC = {NOBODY: "x"}
WHICH = {"host": "h", "binary": "b"}
VALID = {
    "/types": {"volume_type": {"name": "x"}}, "/types/{volume_type}": {"volume_type": {"name": "x"}},
    "/types/{volume_type}/extra_specs": {"extra_specs": {}}, "/types/{volume_type}/extra_specs/{key}": SPEC,
    "/types/{volume_type}/encryption": {"encryption": {"provider": "luks", "control_location": "front-end"}},
    "/types/{volume_type}/encryption/{encryption_id}": {"encryption": {"provider": "luks", "control_location": "front-end"}},
    "/default-types/{project}": {"default_type": {"volume_type": "x"}}, "/qos-specs": {"qos_specs": {"name": "x"}},
    "/qos-specs/{qos_id}": {"qos_specs": {}}, "/qos-specs/{qos_id}/delete_keys": {"keys": []},
    "/group_types": {"group_type": {"name": "x"}}, "/group_types/{group_type}": {"group_type": {"name": "x"}},
    "/group_types/{group_type}/group_specs": {"group_specs": {}}, "/group_types/{group_type}/group_specs/{key}": SPEC,
    "/os-quota-sets/{project}": {"quota_set": {"volumes": 1}}, "/os-quota-class-sets/{quota_class}": {"quota_class_set": {"volumes": 1}},
    "/os-services/enable": WHICH, "/os-services/disable": WHICH, "/os-services/disable-log-reason": WHICH,
    "/clusters/enable": {"name": "x"}, "/clusters/disable": {"name": "x"},
}


@pytest.mark.parametrize("operation", OPERATIONS, ids=name)
async def test_each_role_may_what_cinder_lets_it(reader, member, operation):
    for client, rules in ((reader, READERS), (member, READERS | MEMBERS)):
        if client is reader and operation.policy in MEMBERS:
            continue                                          # of a message that is there, below
        assert (await ask(client, operation) != 403) is (operation.policy in rules)


async def test_a_reader_deletes_no_message(cloud, reader):
    from tests.api.block.operators.test_messages import leave
    key, _ = await leave(cloud, reader.project_id)
    assert (await at(reader, "3.3").get(f"{B}/messages/{key}")).status == 200
    assert (await at(reader, "3.3").delete(f"{B}/messages/{key}")).status == 403


def test_rules_are_cinder_s():
    declared = {rule.name for rule in API.policies}
    assert {operation.policy for operation in OPERATIONS} <= declared
