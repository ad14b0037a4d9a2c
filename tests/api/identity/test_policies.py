"""Every operation of identity, tried as every role with every scope, another domain's people included.

policies.tsv says of each of Keystone's rules the least role and the scopes that it takes (from its documentation). What is
tried here lies in domain A; who tries it has his role on the system, on domain B, or on a project of domain B, or no scope at all.
test_policies_asked.py tries those that depend on what a request names.
"""

import csv
import re
from pathlib import Path

import pytest

from cloudd.identity.service import IdentityModule
from tests.api.identity.test_projects import V3

with (Path(__file__).parent / "policies.tsv").open(newline="") as handle:
    RULES = {row["rule"]: row for row in csv.DictReader(handle, delimiter="\t")}
OPERATIONS = [one for one in IdentityModule.apis[0].operations if one.auth]
NOBODY = "0" * 31 + "1"
OWN = {"identity:create_application_credential", "identity:create_trust"}
SYSTEM_ONLY = {"identity:get_access_rule", "identity:list_access_rules", "identity:delete_access_rule"}
"""Of these an administrator's token must be the system's."""

ASKED_LATER = {"/auth/tokens", "/credentials", "/OS-TRUST/trusts", "/role_assignments"}
"""Policy is asked there about a token, or a filter, that these requests do not bring; other tests do."""

FIXED = {"section": "identity", "option": "driver"}
ANY_MANAGER = {"identity:get_role": ("domain", "project"), "identity:list_roles": ("domain",)}
"""The default roles are shown to any manager with these scopes, so that he can give them."""


SPECIAL = {"domain_id": "A", "url": "http://x", "auth_url": "http://x", "sp_url": "http://x", "path": "/x"}


def example(schema, name=""):
    """A small value that a JSON schema takes."""
    if "enum" in schema:
        return schema["enum"][0]
    schema = {"type": "object", **schema["anyOf"][-1]} if "anyOf" in schema else schema
    kind = schema.get("type", "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        members = schema.get("properties", {})
        wanted = {*schema.get("required", ()), *({"domain_id"} & set(members))}
        return {key: example(members.get(key, {}), key) for key in wanted}
    if kind == "array":
        return [example(schema["items"], name)] * max(schema.get("minItems", 0), 1)
    return {"integer": 1, "boolean": True}.get(kind, SPECIAL.get(name, "x"))


def expected(rule, scope, role):
    """Whether somebody from elsewhere may."""
    row = RULES[rule]
    if row["scope"] and (scope or "project") not in row["scope"].split(","):      # no scope counts as a project's (oslo.policy)
        return False
    if row["least_role"] == "any-authenticated":
        return True
    if rule in OWN or (rule in SYSTEM_ONLY and scope != "system"):
        return False
    if role == "admin":
        return True
    if scope == "system" and role != "nothing":
        return row["least_role"].startswith("reader")
    return role == "manager" and scope in ANY_MANAGER.get(rule, ())


def name(operation):
    return f"{operation.method} {operation.path}"


def replaced(value, domain):
    """`A` in a body is the domain's id."""
    if isinstance(value, dict):
        return {key: replaced(one, domain) for key, one in value.items()}
    return [replaced(one, domain) for one in value] if isinstance(value, list) else domain if value == "A" else value


BARE = ("/roles", "/regions", "/OS-EP-FILTER/endpoint_groups")
"""The list of roles asks another rule for a domain's; the others refuse what is no filter of theirs, as in Keystone."""


def address(operation, targets, may):
    """What may not be done is tried on what is there; what may be done on what is not, so that it stays there."""
    chosen = FIXED if may else {**targets, **FIXED}
    path = re.sub(r"\{([^}]*)\}", lambda found: chosen.get(found[1], NOBODY), operation.path)
    return f"{V3}{path}" + ("" if operation.path in BARE else f"?domain_id={targets['domain']}")


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.path not in ASKED_LATER], ids=name)
async def test_who_may(people, operation):
    targets = people.targets
    for persona, caller in people.callers.items():
        may, body = expected(operation.policy, *persona), None
        if operation.body:
            body = replaced(example(operation.body.at((0, 0), operation.use)), targets["domain"])
            if may and not operation.names:
                body = {}                                      # malformed, which is told before policy is asked: nothing is made
        answer = await caller.request(operation.method, address(operation, targets, may), json=body)
        assert (answer.status == 403) is not may, (persona, answer.status, answer.content)


def test_every_rule_is_known():
    assert {operation.policy for operation in OPERATIONS} <= set(RULES)
