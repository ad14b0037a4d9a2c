"""Tempest's own schemas of replies: the one that goes for a version is that of the newest change up to it."""

import importlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
from tempest.lib.common import jsonschema_validator


@dataclass(frozen=True)
class Forms:
    """Those of one service: Tempest's package of them, and the first version."""

    package: ModuleType
    first: str

    def find(self, subject: str, name: str, version: str) -> dict[str, Any]:
        wanted = _numbers(version)
        there = sorted(_numbers(path.name[1:].replace("_", ".")) for path in Path(self.package.__path__[0]).glob("v[0-9]*_*"))
        newer = [f".v{major}_{minor}" for major, minor in reversed(there) if (major, minor) <= wanted]
        for part in (*newer, ""):
            try:
                module = importlib.import_module(f"{self.package.__name__}{part}.{subject}")
            except ImportError:
                continue
            if hasattr(module, name):
                return getattr(module, name)
        raise LookupError(f"{subject}.{name} at {version}")

    def fits(self, answer: Any, subject: str, name: str, version: str = "") -> Any:
        """The body of a reply that has the status and the form that Tempest wants."""
        schema = self.find(subject, name, version or self.first)
        assert answer.status in schema["status_code"], (answer.status, answer.content)
        if "response_body" in schema:
            jsonschema.validate(answer.body, schema["response_body"], cls=jsonschema_validator.JSONSCHEMA_VALIDATOR,
                                format_checker=jsonschema_validator.FORMAT_CHECKER)
        else:
            assert not answer.content
        return answer.body


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
