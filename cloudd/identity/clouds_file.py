"""`clouds.yaml` and the openrc files in the state directory: how the clients are told where the cloud is and who they are."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml


def write(directory: Path, auth_url: str, region: str, passwords: Mapping[str, str], ca_file: str | None = None,
          renew: Collection[str] = ()) -> Path:
    """Write `clouds.yaml` with a cloud, and an openrc, for every account (user and project of that name). Mode 0600.

    A password that somebody changed in the file stays, but for the accounts in `renew`; addresses are brought up to date.
    """
    path = directory / "clouds.yaml"
    old = _read(path)
    kept = {name: name not in renew and old.get(name, {}).get("auth", {}).get("password") or password
            for name, password in passwords.items()}
    clouds = {name: _cloud(name, password, auth_url, region, ca_file) for name, password in kept.items()}
    _private(path, yaml.safe_dump({"clouds": {**old, **clouds}}, sort_keys=False))
    for name, password in kept.items():
        _private(directory / f"{name}-openrc", _openrc(name, password, auth_url, region, ca_file))
    return path


def _read(path: Path) -> dict[str, Any]:
    try:
        return (yaml.safe_load(path.read_text()) or {}).get("clouds") or {}
    except (FileNotFoundError, yaml.YAMLError, AttributeError):
        return {}


def _cloud(name: str, password: str, auth_url: str, region: str, ca_file: str | None) -> dict[str, Any]:
    cloud: dict[str, Any] = {
        "auth": {"auth_url": auth_url, "username": name, "password": password, "project_name": name,
                 "user_domain_name": "Default", "project_domain_name": "Default"},
        "region_name": region, "identity_api_version": "3", "interface": "public"}
    if ca_file:
        cloud["cacert"] = ca_file
    return cloud


def _openrc(name: str, password: str, auth_url: str, region: str, ca_file: str | None) -> str:
    values = {"OS_AUTH_URL": auth_url, "OS_USERNAME": name, "OS_PASSWORD": password, "OS_PROJECT_NAME": name,
              "OS_USER_DOMAIN_NAME": "Default", "OS_PROJECT_DOMAIN_NAME": "Default", "OS_REGION_NAME": region,
              "OS_IDENTITY_API_VERSION": "3", "OS_INTERFACE": "public", **({"OS_CACERT": ca_file} if ca_file else {})}
    quoted = {key: "'" + value.replace("'", "'\\''") + "'" for key, value in values.items()}
    return "".join(f"export {key}={value}\n" for key, value in quoted.items())


def _private(path: Path, text: str) -> None:
    """Replace a file in one step; nobody else may read it at any moment."""
    partial = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
        handle.write(text)
    os.rename(partial, path)
