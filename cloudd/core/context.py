"""Who is calling. Made once a request from a token, handed down as an argument, never a global."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from cloudd.core import clock, ids


@dataclass(frozen=True, slots=True)
class Context:
    """The caller: user, scope and roles of the token, and the request it came with.

    Exactly one of `project_id`, `domain_id`, `system` is set for a scoped token, none for an unscoped one.
    `roles` holds names, implied roles included. `token` is identity's own record of the token.
    """

    request_id: str = field(default_factory=ids.new_request_id)
    global_request_id: str | None = None
    user_id: str | None = None
    user_name: str | None = None
    user_domain_id: str | None = None
    user_domain_name: str | None = None
    project_id: str | None = None
    project_name: str | None = None
    project_domain_id: str | None = None
    project_domain_name: str | None = None
    domain_id: str | None = None
    domain_name: str | None = None
    system: bool = False
    roles: frozenset[str] = frozenset()
    is_admin_project: bool = True
    token: Any = None
    remote_address: str | None = None
    now: Callable[[], datetime] = clock.now

    @property
    def is_admin(self) -> bool:
        return "admin" in self.roles

    @property
    def scope(self) -> str | None:
        """`project`, `domain`, `system`, or None when unscoped."""
        if self.project_id:
            return "project"
        if self.domain_id:
            return "domain"
        return "system" if self.system else None

    def credentials(self) -> dict[str, Any]:
        """What policy checks may refer to, under oslo.policy's names."""
        return {
            "user_id": self.user_id, "user_domain_id": self.user_domain_id,
            "project_id": self.project_id, "tenant_id": self.project_id,
            "project_domain_id": self.project_domain_id, "domain_id": self.domain_id,
            "system_scope": "all" if self.system else None, "roles": self.roles,
            "is_admin": False, "is_admin_project": self.is_admin_project, "token": self.token,
        }

    def acting_for(self, project_id: str, user_id: str | None = None) -> "Context":
        """The same caller working in another project (an administrator creating for somebody)."""
        return replace(self, project_id=project_id, user_id=user_id or self.user_id)


def internal(project_id: str | None = None, user_id: str | None = None, request_id: str | None = None) -> Context:
    """The daemon itself, working for a project: every role, no token."""
    return Context(request_id=request_id or ids.new_request_id(), project_id=project_id, user_id=user_id,
                   system=project_id is None, roles=frozenset({"admin", "manager", "member", "reader", "service"}))
