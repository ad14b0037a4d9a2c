"""Tempest's own schemas of Cinder's replies: the one that goes for a version is that of the newest change up to it."""

import importlib
from pathlib import Path
from typing import Any

import jsonschema
from tempest.lib.api_schema.response import volume
from tempest.lib.common import jsonschema_validator

B = "/volume/v3"
VERSIONS = sorted(tuple(int(part) for part in path.name[1:].split("_")) for path in Path(volume.__path__[0]).glob("v3_*"))


def find(subject: str, name: str, version: str) -> dict[str, Any]:
    wanted = tuple(int(part) for part in version.split("."))
    newer = [f".v{major}_{minor}" for major, minor in reversed(VERSIONS) if (major, minor) <= wanted]
    for part in (*newer, ""):
        try:
            module = importlib.import_module(f"{volume.__name__}{part}.{subject}")
        except ImportError:
            continue
        if hasattr(module, name):
            return getattr(module, name)
    raise LookupError(f"{subject}.{name} at {version}")


def fits(answer: Any, subject: str, name: str, version: str = "3.0") -> Any:
    """The body of a reply that has the status and the form that Tempest wants."""
    schema = find(subject, name, version)
    assert answer.status in schema["status_code"], (answer.status, answer.content)
    if "response_body" in schema:
        jsonschema.validate(answer.body, schema["response_body"], cls=jsonschema_validator.JSONSCHEMA_VALIDATOR,
                            format_checker=jsonschema_validator.FORMAT_CHECKER)
    else:
        assert not answer.content
    return answer.body


def at(client: Any, version: str) -> Any:
    return client.at(version, "volume")


def words(answer: Any) -> str:
    """What a refusal says."""
    return next(iter(answer.body.values()))["message"]
