"""The cast of the policies' tests: somebody of every role and scope, and what is theirs and what is not."""

from dataclasses import dataclass, field
from typing import Any

from tests.api.conftest import PASSWORD, Client, Cloud
from tests.api.identity.test_people import role_id
from tests.api.identity.test_projects import V3, make

ROLES = ("admin", "manager", "member", "reader", "nothing")
"""`nothing` is a role that no rule names."""
PERSONAS = [(scope, role) for scope in ("system", "domain", "project") for role in ROLES] + [(None, "nothing")]
"""The last has an unscoped token. Domain and project are those `away`."""


@dataclass
class Cast:
    """`callers` by (scope, role); `targets` lie in the domain `home`, `away` is the domain of the callers' roles.

    `near` is what lies in that, by the words of test_policies_near.py.
    """

    callers: dict[tuple[str | None, str], Client]
    targets: dict[str, str]
    home: str
    away: str
    away_project: str
    owner: Client
    near: dict[str, str] = field(default_factory=dict)


async def gather(cloud: Cloud) -> Cast:
    """Make them all."""
    home, away = await make(cloud, "domain"), await make(cloud, "domain")
    project = await make(cloud, "project", domain_id=away["id"])
    await make(cloud, "role", name="nothing")
    places: dict[str | None, tuple[str, Any]] = {
        "system": ("/system", {"system": {"all": True}}), "domain": (f"/domains/{away['id']}", {"domain": {"id": away["id"]}}),
        "project": (f"/projects/{project['id']}", {"project": {"id": project["id"]}}), None: ("", None)}
    callers = {}
    for scope, role in PERSONAS:
        user = await make(cloud, "user", name=f"{scope}-{role}-of-policies", password=PASSWORD)
        path, wanted = places[scope]
        if path:
            given = await cloud.admin.put(f"{V3}{path}/users/{user['id']}/roles/{await role_id(cloud, role)}")
            assert given.status == 204
        callers[scope, role] = await cloud.login(user["name"], PASSWORD, wanted)
    owner = await cloud.project_user("owner-of-policies")
    return Cast(callers, await targets(cloud, home["id"], owner), home["id"], away["id"], project["id"], owner)


async def targets(cloud: Cloud, home: str, owner: Client) -> dict[str, str]:
    """What is in the domain `home`, and what is the owner's; ids by the names that paths use."""
    made = {"domain": home, "role": await role_id(cloud, "member")}
    for kind in ("user", "group", "project"):
        made[kind] = (await make(cloud, kind, domain_id=home))["id"]
    made["domain_role"] = (await make(cloud, "role", domain_id=home))["id"]
    access = (await owner.post(f"{V3}/users/{owner.user_id}/credentials/OS-EC2", {
        "tenant_id": owner.project_id})).body["credential"]["access"]
    trust = (await owner.post(f"{V3}/OS-TRUST/trusts", {"trust": {
        "trustor_user_id": owner.user_id, "trustee_user_id": made["user"], "project_id": owner.project_id,
        "impersonation": False, "roles": [{"name": "member"}]}})).body["trust"]["id"]
    return {**made, "user_id": made["user"], "implied": await role_id(cloud, "reader"), "access": access, "trust": trust}
