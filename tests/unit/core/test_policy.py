"""Policy checks decide as oslo.policy's language says."""

import pytest

from cloudd.core.context import Context
from cloudd.core.errors import Forbidden
from cloudd.core.policy import Policies, PolicyError, Rule, parse

MEMBER = Context(user_id="u1", project_id="p1", roles=frozenset({"member", "reader"}))
ADMIN = Context(user_id="u2", project_id="p2", roles=frozenset({"admin", "member", "reader"}))
SYSTEM = Context(user_id="u3", system=True, roles=frozenset({"reader"}))


@pytest.mark.parametrize(("check", "target", "who", "allowed"), [
    ("", {}, MEMBER, True),
    ("@", {}, MEMBER, True),
    ("!", {}, ADMIN, False),
    ("role:admin", {}, MEMBER, False),
    ("role:admin", {}, ADMIN, True),
    ("role:ADMIN", {}, ADMIN, True),
    ("project_id:%(project_id)s", {"project_id": "p1"}, MEMBER, True),
    ("project_id:%(project_id)s", {"project_id": "p9"}, MEMBER, False),
    ("project_id:%(project_id)s", {}, MEMBER, False),
    ("role:member and project_id:%(project_id)s", {"project_id": "p1"}, MEMBER, True),
    ("role:admin or role:member and project_id:%(project_id)s", {"project_id": "p1"}, MEMBER, True),
    ("(role:admin or role:member) and project_id:%(project_id)s", {"project_id": "p2"}, MEMBER, False),
    ("not role:admin", {}, MEMBER, True),
    ("not (role:admin or role:member)", {}, MEMBER, False),
    ("system_scope:all", {}, SYSTEM, True),
    ("system_scope:all", {}, ADMIN, False),
    ("'public':%(visibility)s", {"visibility": "public"}, MEMBER, True),
    ("'public':%(visibility)s", {"visibility": "private"}, MEMBER, False),
    ("True:%(shared)s", {"shared": True}, MEMBER, True),
    ("True:%(shared)s", {"shared": False}, MEMBER, False),
    ("user_id:%(target.user.id)s", {"target": {"user": {"id": "u1"}}}, MEMBER, True),
    ("user_id:%(target.user.id)s", {"target.user.id": "u1"}, MEMBER, True),
    ("user_id:%(target.user.id)s", {"target": {}}, MEMBER, False),
])
def test_checks(check, target, who, allowed):
    policies = Policies()
    policies.add("test", Rule("rule", check))
    assert policies.allows(who, "test", "rule", target) is allowed


def test_rules_refer_to_rules_of_their_own_service():
    policies = Policies()
    policies.add("one", Rule("owner", "user_id:%(user_id)s"))
    policies.add("two", Rule("owner", "project_id:%(project_id)s"))
    policies.add("two", Rule("show", "rule:owner"))
    assert policies.allows(MEMBER, "two", "show", {"project_id": "p1", "user_id": "nobody"})


def test_scope_is_enforced_and_the_refusal_says_so():
    policies = Policies()
    policies.add("test", Rule("list", "role:reader", ("system",)))
    assert policies.allows(SYSTEM, "test", "list", {})
    with pytest.raises(Forbidden, match="scoped to system, this one is scoped to project"):
        policies.require(ADMIN, "test", "list", {})


def test_no_scope_counts_as_a_projects():
    policies, unscoped = Policies(), Context(user_id="u", roles=frozenset())
    policies.add("test", Rule("own", "", ("system", "project")))
    policies.add("test", Rule("other", "", ("system", "domain")))
    assert policies.allows(unscoped, "test", "own", {}) and not policies.allows(unscoped, "test", "other", {})


def test_an_unknown_rule_denies():
    assert not Policies().allows(ADMIN, "test", "nothing", {})


@pytest.mark.parametrize("check", ["role:a and", "(role:a", "role:a role:b", "nonsense"])
def test_syntax_errors_are_told(check):
    with pytest.raises(PolicyError):
        parse(check)


def test_a_file_overrides_known_rules_only(tmp_path):
    policies = Policies()
    policies.add("test", Rule("list", "role:admin"))
    path = tmp_path / "policy.yaml"
    path.write_text("list: role:member\n")
    policies.override(path)
    assert policies.allows(MEMBER, "test", "list", {})
    path.write_text("lst: role:member\n")
    with pytest.raises(PolicyError, match="'lst': no such rule"):
        policies.override(path)
