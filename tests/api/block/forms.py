"""Replies of block storage in the form that Tempest wants, and what its tests say often."""

from typing import Any

from tempest.lib.api_schema.response import volume

from tests.api.forms import Forms

B = "/volume/v3"
fits = Forms(volume, "3.0").fits


def at(client: Any, version: str) -> Any:
    return client.at(version, "volume")


def words(answer: Any) -> str:
    """What a refusal says."""
    return next(iter(answer.body.values()))["message"]
