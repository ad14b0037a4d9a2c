"""What a directory must do: tell who there is, and check a password. It is read, never written.

Entries are named by the directory's own key (`uid`, `cn`, an object GUID): what stays when a name changes. A directory is made
from the options of its domain (`ldap.url`...), and may be asked by several tasks at once.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class DirectoryError(Exception):
    """The directory does not answer, or cannot be asked as it is configured. The message is for the operator."""


@dataclass(frozen=True)
class Person:
    """A user as the directory has him. `extra`: mail, description and whatever else the options map."""

    key: str
    name: str
    enabled: bool = True
    default_project_id: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Party:
    """A group; `members` are keys of persons, told by `everything` only."""

    key: str
    name: str
    description: str = ""
    members: frozenset[str] = frozenset()
    extra: dict[str, Any] = field(default_factory=dict)


class Directory(ABC):
    """Users and groups of one domain. Every method raises DirectoryError when it gets no answer."""

    def __init__(self, options: Mapping[str, Any]):
        self.options = options

    @abstractmethod
    async def everything(self) -> tuple[list[Person], list[Party]]:
        """All users and groups, with the groups' members."""

    @abstractmethod
    async def person(self, *, key: str | None = None, name: str | None = None) -> Person | None:
        """The user with this key, or with exactly this name; None when there is none, or there are several."""

    @abstractmethod
    async def party(self, *, key: str | None = None, name: str | None = None) -> Party | None:
        """The group with this key, or with exactly this name."""

    @abstractmethod
    async def parties_of(self, key: str) -> list[Party]:
        """The groups that a user is in."""

    @abstractmethod
    async def fits(self, key: str | None, password: str) -> bool:
        """Whether the password is the user's. Without a key the same is asked in vain: it takes as long."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of connections."""
