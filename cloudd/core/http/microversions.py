"""Microversions as data: the history of an API, and the negotiation of one version a request.

Contract: the API-SIG guideline "Microversion Specification" (`OpenStack-API-Version: compute 2.40`, `latest`, 406).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cloudd.core.errors import BadRequest, NotAcceptable

Version = tuple[int, int]
_FORM = re.compile(r"([1-9][0-9]{0,17}|0)\.([1-9][0-9]{0,17}|0)")


def V(text: str) -> Version:
    """`"2.40"` as a tuple that compares by number."""
    major, _, minor = text.partition(".")
    return int(major), int(minor)


def show(version: Version) -> str:
    return f"{version[0]}.{version[1]}"


@dataclass(frozen=True, slots=True)
class Change:
    """One named change of the API: the version that brought it, and what it was."""

    since: str
    what: str

    @property
    def version(self) -> Version:
        return V(self.since)


class History:
    """All changes of an API, oldest first. The last is the highest version announced: so list only what is served."""

    def __init__(self, first: str, changes: Iterable[Change] = (), last: str | None = None):
        self.changes = tuple(changes)
        self.first = V(first)
        self.last = V(last) if last else (self.changes[-1].version if self.changes else self.first)
        if list(self.changes) != sorted(self.changes, key=lambda change: change.version):
            raise ValueError("changes are not in the order of their versions")


class Negotiation:
    """Reads the version headers of one API: `service` is the name in OpenStack-API-Version, `legacy` an older header."""

    def __init__(self, history: History, service: str, legacy: str | None = None):
        self.history, self.service, self.legacy = history, service, legacy

    def version(self, headers: Mapping[str, str]) -> Version:
        """The version asked for, or the first. Raises BadRequest for a malformed one, NotAcceptable outside the range."""
        asked = self._asked(headers)
        if asked is None:
            return self.history.first
        if asked.lower() == "latest":
            return self.history.last
        form = _FORM.fullmatch(asked)
        if form is None:
            raise BadRequest(f"API Version String {asked} is of invalid format. Must be of format MajorNum.MinorNum.")
        version = int(form.group(1)), int(form.group(2))
        if not self.history.first <= version <= self.history.last:
            error = NotAcceptable(f"Version {asked} is not supported by the API. Minimum is {show(self.history.first)} and "
                                  f"maximum is {show(self.history.last)}.", type="VersionNotFoundForAPIMethod")
            error.facts.update(min_version=show(self.history.first), max_version=show(self.history.last))
            raise error
        return version

    def _asked(self, headers: Mapping[str, str]) -> str | None:
        """Of several the last counts, as in microversion-parse; the standard header goes before the legacy one."""
        for part in reversed(_folded(headers, "OpenStack-API-Version").split(",")):
            service, _, version = part.strip().partition(" ")
            if service.lower() == self.service and version.strip():
                return version.strip()
        return _folded(headers, self.legacy).split(",")[-1].strip() or None if self.legacy else None

    def headers(self, version: Version) -> dict[str, str]:
        """What the reply says of the version."""
        headers = {"OpenStack-API-Version": f"{self.service} {show(version)}", "Vary": "OpenStack-API-Version"}
        if self.legacy:
            headers[self.legacy] = show(version)
            headers["Vary"] += f", {self.legacy}"
        return headers


def _folded(headers: Mapping[str, str], name: str) -> str:
    """A header that may be there several times, as one."""
    getall = getattr(headers, "getall", None)
    return ",".join(getall(name, ())) if getall else headers.get(name, "")
