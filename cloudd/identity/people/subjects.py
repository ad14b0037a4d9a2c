"""Who a token stands for and where, looked up once: plain values that no transaction holds on to."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from cloudd.core.context import Context
from cloudd.identity.payload import Payload


@dataclass(frozen=True, slots=True)
class Place:
    """A domain (without `domain`) or a project."""

    id: str
    name: str
    domain: "Place | None" = None
    is_domain: bool = False

    def view(self) -> dict[str, Any]:
        body: dict[str, Any] = {"id": self.id, "name": self.name}
        if self.domain is not None:
            body["domain"] = self.domain.view()
        return body


@dataclass(frozen=True, slots=True)
class Person:
    id: str
    name: str
    domain: Place
    password_expires_at: datetime | None = None
    in_directory: bool = False
    default_project_id: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Subject:
    """A token that was found good. Policy checks see it as `token` (`token.project.domain.id`).

    `until`: when a membership that it builds on ends, so that it must be looked up again.
    """

    payload: Payload
    user: Person
    project: Place | None = None
    domain: Place | None = None
    roles: tuple[tuple[str, str], ...] = ()
    trust: dict[str, Any] | None = None
    application_credential: dict[str, Any] | None = None
    oauth: dict[str, Any] | None = None
    until: datetime | None = None
    context: Context = field(default_factory=Context)
    others: tuple[Person, ...] = ()
    """Who else must be there for it to be good: the trustor and the trustee of a trust."""

    @property
    def outside(self) -> list[tuple[str, str]]:
        """The users (id, domain's id) behind it whom a directory may no longer have."""
        return [(one.id, one.domain.id) for one in (self.user, *self.others) if one.in_directory]

    @property
    def user_id(self) -> str:
        return self.user.id

    @property
    def reach(self) -> tuple[str, tuple[str, ...]]:
        """Whose grants count: the user's, and those of the groups that the token names."""
        return self.user.id, self.payload.origin.group_ids if self.payload.origin else ()

    @property
    def system(self) -> bool:
        return self.payload.scope == "system"

    @property
    def is_delegated(self) -> bool:
        """Whether it was got through a trust, an application credential, OAuth or an EC2 signature, and so may not hand on more
        than that."""
        return self.payload.delegation is not None or "ec2credential" in self.payload.methods

    @property
    def is_restricted(self) -> bool:
        """Delegated, and not through an application credential that was made `unrestricted`."""
        free = self.application_credential is not None and not self.application_credential["restricted"]
        return self.is_delegated and not free

    def with_context(self) -> "Subject":
        """The same with the context that its requests get, but for what is the request's own."""
        project, domain = self.project, self.domain
        context = Context(
            request_id="", user_id=self.user.id, user_name=self.user.name, user_domain_id=self.user.domain.id,
            user_domain_name=self.user.domain.name, system=self.system,
            project_id=project.id if project else None, project_name=project.name if project else None,
            project_domain_id=project.domain.id if project and project.domain else None,
            project_domain_name=project.domain.name if project and project.domain else None,
            domain_id=domain.id if domain else None, domain_name=domain.name if domain else None,
            roles=frozenset(name.lower() for _, name in self.roles))
        return replace(self, context=context)
