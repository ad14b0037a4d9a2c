"""JSON home: the list of resources that GET /v3 answers to who asks for application/json-home."""

import re
from typing import Any

REL = "https://docs.openstack.org/api/openstack-identity/3"
EXTENSION = re.compile(r"OS-[A-Z0-9-]+")
NAMES = {
    "/users/{id}/password": "user_change_password",
    "/auth/tokens": "auth_tokens", "/auth/catalog": "auth_catalog", "/auth/projects": "auth_projects",
    "/auth/domains": "auth_domains", "/auth/system": "auth_system", "/limits/model": "limit_model",
    "/auth/OS-FEDERATION/websso/{protocol_id}": "websso",
    "/auth/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/websso": "identity_providers_websso",
    "/role_inferences": "role_inferences", "/roles/{role}/implies": "implied_roles", "/roles/{role}/implies/{implied}": "implied_role",
}
"""Where Keystone's name is not made of the path's words."""


def relation(path: str) -> str:
    """Keystone's name for a resource: `user` for /users/{user}, `group_users` for /groups/{group}/users, the extension apart."""
    found = EXTENSION.search(path)
    base = f"{REL}/ext/{found[0]}/1.0/rel" if found else f"{REL}/rel"
    if path in NAMES:
        return f"{base}/{NAMES[path]}"
    segments = [segment for segment in path.strip("/").split("/") if not EXTENSION.fullmatch(segment)]
    words: list[str] = []
    for segment in segments:
        if segment.startswith("{") and words:
            words[-1] = _one(words[-1])
        elif not segment.startswith("{"):
            words.append(segment)
    return f"{base}/{'_'.join(words)}"


def _one(word: str) -> str:
    """The singular of a path's word."""
    return f"{word[:-3]}y" if word.endswith("ies") else word.removesuffix("s")


def _variable(path: str, name: str) -> str:
    """A hole's name outside: `user_id`; one that is only called `id` goes by the word before it."""
    if name == "id":
        name = _one(path.partition("/{id}")[0].rpartition("/")[2])
    return name if name.endswith("_id") else f"{name}_id"


def document(operations: list[Any]) -> dict[str, Any]:
    """All resources of an API by relation, their addresses below the version's; those with holes are templates."""
    resources: dict[str, dict[str, Any]] = {}
    for path in dict.fromkeys(operation.path for operation in operations if operation.path):
        names = {name: _variable(path, name) for name in re.findall(r"\{([^}]*)\}", path)}
        if not names:
            resources.setdefault(relation(path), {"href": path})
            continue
        template = re.sub(r"\{([^}]*)\}", lambda found, names=names: f"{{{names[found[1]]}}}", path)
        variables = {name: f"{REL}/param/{name}" for name in names.values()}
        resources.setdefault(relation(path), {"href-template": template, "href-vars": variables})
    return {"resources": dict(sorted(resources.items()))}
