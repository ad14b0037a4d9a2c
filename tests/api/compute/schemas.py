"""Tempest's own schemas of replies: the one that goes for a version is that of the newest change up to it."""

import importlib
from pathlib import Path
from typing import Any

import jsonschema
from tempest.lib.api_schema.response import compute
from tempest.lib.common import jsonschema_validator

VERSIONS = sorted(tuple(int(part) for part in path.name[1:].split("_")) for path in Path(compute.__path__[0]).glob("v2_*"))


def find(subject: str, name: str, version: str) -> dict[str, Any]:
    wanted = tuple(int(part) for part in version.split("."))
    for major, minor in reversed([one for one in VERSIONS if one <= wanted]):
        try:
            module = importlib.import_module(f"{compute.__name__}.v{major}_{minor}.{subject}")
        except ImportError:
            continue
        if hasattr(module, name):
            return getattr(module, name)
    raise LookupError(f"{subject}.{name} at {version}")


def fits(answer: Any, subject: str, name: str, version: str = "2.1") -> Any:
    """The body of a reply that has the status and the form that Tempest wants."""
    schema = find(subject, name, version)
    assert answer.status in schema["status_code"], (answer.status, answer.content)
    if "response_body" in schema:
        jsonschema.validate(answer.body, schema["response_body"], cls=jsonschema_validator.JSONSCHEMA_VALIDATOR,
                            format_checker=jsonschema_validator.FORMAT_CHECKER)
    else:
        assert not answer.content
    return answer.body
