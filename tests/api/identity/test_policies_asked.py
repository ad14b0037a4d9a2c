"""The rules of identity that depend on what a request names (whose token, whose trust, a domain's role), tried as everybody.

Together with test_policies.py every rule of policies.tsv is tried, which `test_no_rule_is_left_out` holds.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.api.identity.cast import Cast
from tests.api.identity.test_people import role_id
from tests.api.identity.test_policies import ASKED_LATER, OPERATIONS, RULES
from tests.api.identity.test_projects import V3, make

May = Callable[[str | None, str], bool]


def admin(scope, role):
    return role == "admin"


def reads_all(scope, role):
    """An administrator of whatever scope, and who has a role that reads on the system."""
    return role == "admin" or (scope == "system" and role != "nothing")


def everybody(scope, role):
    return True


def nobody(scope, role):
    return False


def but_domains(may: May) -> May:
    """These rules take no token of a domain's scope."""
    return lambda scope, role: scope != "domain" and may(scope, role)


def in_own_domain(scope, role):
    return reads_all(scope, role) or (scope == "domain" and role != "nothing")


@dataclass(frozen=True)
class Case:
    """One request. In its path, its body and its subject (the token that it is about) stand the words of `Names`."""

    rule: str
    method: str
    path: str
    may: May
    body: Any = None
    subject: str | None = None

    def __str__(self) -> str:
        return f"{self.rule} {self.method} {self.path} {self.may.__name__}"


def credential(user):
    return {"credential": {"user_id": user, "type": "of-policies", "blob": "{}"}}


def trust(trustor):
    return {"trust": {"trustor_user_id": trustor, "trustee_user_id": "OWNER", "project_id": "AWAY_PROJECT", "impersonation": False,
                      "roles": [{"name": "reader"}]}}


OTHERS, OWN = "OWNER_TOKEN", "OWN_TOKEN"
CASES = [
    Case("identity:validate_token", "GET", "/auth/tokens", reads_all, subject=OTHERS),
    Case("identity:validate_token", "GET", "/auth/tokens", everybody, subject=OWN),
    Case("identity:check_token", "HEAD", "/auth/tokens", reads_all, subject=OTHERS),
    Case("identity:check_token", "HEAD", "/auth/tokens", everybody, subject=OWN),
    Case("identity:revoke_token", "DELETE", "/auth/tokens", admin, subject="FRESH_TOKEN"),
    Case("identity:create_credential", "POST", "/credentials", admin, credential("OWNER")),
    Case("identity:create_credential", "POST", "/credentials", everybody, credential("OWN")),
    Case("identity:list_credentials", "GET", "/credentials", everybody),
    Case("identity:create_trust", "POST", "/OS-TRUST/trusts", nobody, trust("OWNER")),
    Case("identity:list_trusts", "GET", "/OS-TRUST/trusts", but_domains(reads_all)),
    Case("identity:list_trusts_for_trustor", "GET", "/OS-TRUST/trusts?trustor_user_id=OWNER", but_domains(reads_all)),
    Case("identity:list_trusts_for_trustor", "GET", "/OS-TRUST/trusts?trustor_user_id=OWN", but_domains(everybody)),
    Case("identity:list_trusts_for_trustee", "GET", "/OS-TRUST/trusts?trustee_user_id=OWNER", but_domains(reads_all)),
    Case("identity:list_trusts_for_trustee", "GET", "/OS-TRUST/trusts?trustee_user_id=OWN", but_domains(everybody)),
    Case("identity:list_role_assignments", "GET", "/role_assignments", in_own_domain),
    Case("identity:list_role_assignments_for_tree", "GET", "/role_assignments?include_subtree&scope.project.id=HOME_PROJECT", reads_all),
    Case("identity:list_role_assignments_for_tree", "GET", "/role_assignments?include_subtree&scope.project.id=AWAY_PROJECT",
         in_own_domain),
    Case("identity:list_domain_roles", "GET", "/roles?domain_id=HOME", but_domains(reads_all)),
    Case("identity:get_domain_role", "GET", "/roles/DOMAIN_ROLE", but_domains(reads_all)),
    Case("identity:update_domain_role", "PATCH", "/roles/DOMAIN_ROLE", but_domains(admin), {"role": {"description": "changed"}}),
    Case("identity:create_domain_role", "POST", "/roles", but_domains(admin), {"role": {"name": "NEW", "domain_id": "HOME"}}),
    Case("identity:delete_domain_role", "DELETE", "/roles/FRESH_ROLE", but_domains(admin)),
]


class Names:
    """What the words of a case stand for, for one caller."""

    def __init__(self, cloud: Any, people: Cast, caller: Any, number: int):
        self.cloud, self.people, self.caller, self.number = cloud, people, caller, number

    async def of(self, word: str) -> str:
        people = self.people
        known = {"OWNER": people.owner.user_id, "OWN": self.caller.user_id, "HOME": people.home, "AWAY_PROJECT": people.away_project,
                 "HOME_PROJECT": people.targets["project"], "DOMAIN_ROLE": people.targets["domain_role"],
                 "OWNER_TOKEN": people.owner.headers["X-Auth-Token"], "OWN_TOKEN": self.caller.headers["X-Auth-Token"],
                 "NEW": f"role-of-policies-{self.number}"}
        if word == "FRESH_ROLE":
            return (await make(self.cloud, "role", domain_id=people.home))["id"]
        if word == "FRESH_TOKEN":
            return await fresh_token(people.owner)
        if word == "GIVEN_USER":
            return await with_a_role(self.cloud, people)
        if word.startswith("FRESH_"):
            return (await make(self.cloud, word.removeprefix("FRESH_").lower(), domain_id=people.away))["id"]
        return (known | people.near).get(word, word)

    async def put_in(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: await self.put_in(one) for key, one in value.items()}
        if isinstance(value, list):
            return [await self.put_in(one) for one in value]
        return await self.of(value) if isinstance(value, str) else value

    async def in_path(self, path: str) -> str:
        return "".join([await self.of(part) for part in re.split("([/=&?])", path)])


async def fresh_token(client):
    """One more token of the same user, which may be revoked."""
    body = {"auth": {"identity": {"methods": ["token"], "token": {"id": client.headers["X-Auth-Token"]}}}}
    return (await client.post(f"{V3}/auth/tokens", body)).headers["X-Subject-Token"]


async def with_a_role(cloud, people):
    """A user of the domain `away` who is a member of its project."""
    user = (await make(cloud, "user", domain_id=people.away))["id"]
    grant = f"/projects/{people.near['NEAR_PROJECT']}/users/{user}/roles/{people.near['MEMBER_ROLE']}"
    assert (await cloud.admin.put(V3 + grant)).status == 204
    return user


@pytest.fixture(scope="session")
async def cast(people):
    return people


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_who_may(cloud, cast, case):
    await tried(cloud, cast, case)


async def tried(cloud, cast, case):
    """Everybody's request is answered as the case says."""
    for number, (persona, caller) in enumerate(cast.callers.items()):
        may, names = case.may(*persona), Names(cloud, cast, caller, number)
        headers = {"X-Subject-Token": await names.of(case.subject)} if case.subject else None
        answer = await caller.request(case.method, V3 + await names.in_path(case.path), json=await names.put_in(case.body),
                                      headers=headers)
        assert (answer.status < 300) is may and (may or answer.status == 403), (persona, answer.status, answer.content)


async def test_who_may_make_a_trust_of_his_own(cloud, cast):
    """It takes a token of the project that the trust is about, and a role there to give."""
    for (scope, role), caller in cast.callers.items():
        body = trust(caller.user_id)
        body["trust"] |= {"trustee_user_id": cast.owner.user_id, "project_id": cast.away_project, "roles": [{"name": role}]}
        answer = await caller.post(f"{V3}/OS-TRUST/trusts", body)
        assert (answer.status == 201) is (scope == "project"), (scope, role, answer.content)


async def test_whose_credentials_are_seen(cloud, cast):
    made = (await cast.owner.post(f"{V3}/credentials", credential(cast.owner.user_id))).body["credential"]["id"]
    for persona, caller in cast.callers.items():
        own = (await caller.post(f"{V3}/credentials", credential(caller.user_id))).body["credential"]["id"]
        seen = {row["id"] for row in (await caller.get(f"{V3}/credentials")).body["credentials"]}
        assert own in seen and (made in seen) is reads_all(*persona), persona


async def test_whose_assignments_are_seen(cloud, cast):
    """A domain's people see what is in their domain, even its administrator."""
    for persona, caller in cast.callers.items():
        if not in_own_domain(*persona):
            continue
        rows = (await caller.get(f"{V3}/role_assignments")).body["role_assignments"]
        places = {row["scope"].get("domain", row["scope"].get("project", {})).get("id", "system") for row in rows}
        if persona[0] == "domain":
            assert places <= {cast.away, cast.away_project, cast.near.get("NEAR_PROJECT")} and cast.away in places
        else:
            assert {"system", cast.away, cast.owner.project_id} <= places


async def test_a_services_user_validates_others_tokens(cloud, cast):
    service = await cloud.project_user("service-of-policies", "service")
    for method, may in (("GET", True), ("HEAD", False), ("DELETE", False)):
        headers = {"X-Subject-Token": cast.owner.headers["X-Auth-Token"]}
        answer = await service.request(method, f"{V3}/auth/tokens", headers=headers)
        assert (answer.status == 200) is may and (may or answer.status == 403)
    assert await role_id(cloud, "service")


NOT_ASKED = {"identity:revocation_list": "of PKI tokens, whose list Keystone itself does not serve any more"}


def test_no_rule_is_left_out():
    tried = {operation.policy for operation in OPERATIONS if operation.path not in ASKED_LATER} | {case.rule for case in CASES}
    assert set(RULES) - tried == set(NOT_ASKED)
