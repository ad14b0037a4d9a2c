"""What identity tells of: logins, and changes of who may do what; the other changes are told by their records.

The outbox of events is the audit log: who (user, address), what (name), of what (resource), how it ended (`outcome`).
"""

from dataclasses import dataclass
from typing import ClassVar

from cloudd.core.events import Event


@dataclass(frozen=True)
class Changed(Event):
    """Something was changed that has no event of its own; named after the rule that allowed it."""

    path: dict[str, str]
    outcome: str = "success"


@dataclass(frozen=True)
class LoggedIn(Event):
    """Somebody (the resource) proved who he is. For a signature of EC2's it is a service that asks: that is the initiator."""

    name: ClassVar[str] = "identity.authenticate"
    methods: list[str]
    outcome: str = "success"


@dataclass(frozen=True)
class LoginFailed(Event):
    """Somebody did not prove to be whom he said; the resource is that user, or empty when there is none. `pending`: the
    proof was good, but one of several. `untold`: so many more of this address before, in the same minute."""

    name: ClassVar[str] = "identity.authenticate"
    method: str
    reason: str
    untold: int = 0
    outcome: str = "failure"


@dataclass(frozen=True)
class RoleGiven(Event):
    """A role assignment was made."""

    name: ClassVar[str] = "identity.role_assignment.created"
    actor: str
    actor_id: str
    target: str
    target_id: str
    inherited: bool
    outcome: str = "success"


@dataclass(frozen=True)
class RoleTaken(RoleGiven):
    """A role assignment was taken away."""

    name: ClassVar[str] = "identity.role_assignment.deleted"


@dataclass(frozen=True)
class MemberAdded(Event):
    """A user was put in a group (the resource)."""

    name: ClassVar[str] = "identity.group.user.added"
    user_id: str
    outcome: str = "success"


@dataclass(frozen=True)
class MemberRemoved(MemberAdded):
    """A user was taken out of a group."""

    name: ClassVar[str] = "identity.group.user.removed"


@dataclass(frozen=True)
class PasswordChanged(Event):
    """A user changed his password himself, or failed to."""

    name: ClassVar[str] = "identity.user.password_changed"
    outcome: str = "success"


@dataclass(frozen=True)
class AdministratorRestored(Event):
    """Somebody at the host gave the administrator a new password and all that belongs to him."""

    name: ClassVar[str] = "identity.bootstrap"
    outcome: str = "success"


@dataclass(frozen=True)
class KeysRotated(Event):
    """Somebody at the host made a new key; the resource is its number. `kind`: token or credential; `resealed`: stored secrets."""

    name: ClassVar[str] = "identity.keys.rotated"
    kind: str
    resealed: int = 0
    outcome: str = "success"


@dataclass(frozen=True)
class DelegationChanged(Event):
    """A trust, an application credential, an EC2 credential or an OAuth access token was made or ended; `kind` says which."""

    name: ClassVar[str] = "identity.delegation"
    kind: str
    change: str
    user_id: str
    outcome: str = "success"


@dataclass(frozen=True)
class TokenRevoked(Event):
    """A token was made void by hand; the resource is its audit id."""

    name: ClassVar[str] = "identity.token.revoked"
    user_id: str
    outcome: str = "success"
