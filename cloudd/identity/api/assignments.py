"""GET /role_assignments."""

from typing import Any

from cloudd.core.http import Request
from cloudd.core.http import types as t
from cloudd.core.http.shapes import queried
from cloudd.identity.api import API, PAGE
from cloudd.identity.models import Project
from cloudd.identity.people import assignments
from cloudd.identity.people.assignments import Asked, Given

NAMED = t.Record({"id": t.Text(), "name": t.Text(), "domain": t.Record({"id": t.Text(), "name": t.Text(null=True)})}, ("name", "domain"))
SCOPE = t.Record({"project": NAMED, "domain": NAMED, "system": t.Record({"all": t.Bool()}), "OS-INHERIT:inherited_to": t.Text()},
                 ("project", "domain", "system", "OS-INHERIT:inherited_to"))
LINKS = t.Record(dict.fromkeys(("assignment", "membership", "prior_role"), t.Text()), ("membership", "prior_role"))
ASSIGNMENT = t.Record({"role": NAMED, "scope": SCOPE, "links": LINKS, "user": NAMED, "group": NAMED}, ("user", "group"))
ASSIGNMENTS = t.Record({"role_assignments": t.List(ASSIGNMENT), "links": PAGE})
FILTERS = queried("user.id", "group.id", "role.id", "scope.project.id", "scope.domain.id", "scope.OS-INHERIT:inherited_to",
                  "scope.system", "effective", "include_names", "include_subtree")


def flag(request: Request, name: str) -> bool:
    """As Keystone: `?effective` is true, `?effective=0` is not."""
    return name in request.query and request.query[name] != "0"


def asked(request: Request) -> Asked:
    query = request.query
    inherited = query.get("scope.OS-INHERIT:inherited_to")
    return Asked(
        user=query.get("user.id"), group=query.get("group.id"), role=query.get("role.id"), project=query.get("scope.project.id"),
        domain=query.get("scope.domain.id"), system=flag(request, "scope.system"),
        inherited=True if inherited == "projects" else None, effective=flag(request, "effective"),
        subtree=flag(request, "include_subtree"))


def target(request: Request) -> dict[str, Any]:
    """A domain's reader asks about his domain, whatever the filters: he is shown no more than that."""
    return {"target": {"domain_id": request.context.domain_id}}


@API.resource("/role_assignments").get("", policy="identity:list_role_assignments", target=target, answer=ASSIGNMENTS, query=FILTERS)
async def index(request, tx):
    """Who has which role where."""
    if flag(request, "include_subtree"):
        project = await tx.get(Project, request.query.get("scope.project.id", ""))
        request.require("identity:list_role_assignments_for_tree", {
            "target": {"domain_id": project.domain_id if project else None}})
    found = await assignments.find(tx, asked(request))
    if request.context.domain_id:
        found = await assignments.within(tx, found, request.context.domain_id)
    named = await assignments.names(tx, found) if flag(request, "include_names") else {}
    return {"role_assignments": [view(request, item, named) for item in found],
            "links": {"self": request.host_link(request.raw.path_qs), "next": None, "previous": None}}


def view(request: Request, item: Given, named: dict[tuple[str, str], dict[str, Any]]) -> dict[str, Any]:
    """One assignment in Keystone's form."""
    scope: dict[str, Any] = {"system": {"all": True}}
    if item.target != "system":
        scope = {item.target: named.get(("place", item.target_id), {"id": item.target_id})}
    if item.inherited and not item.source:
        scope["OS-INHERIT:inherited_to"] = "projects"
    links = {"assignment": request.link(_address(item))}
    if item.through:
        links["membership"] = request.link(f"/groups/{item.through}/users/{item.actor_id}")
    if item.prior:
        links["prior_role"] = request.link(f"/roles/{item.prior}")
    return {"role": named.get(("role", item.role_id), {"id": item.role_id}), "scope": scope, "links": links,
            item.actor: named.get((item.actor, item.actor_id), {"id": item.actor_id})}


def _address(item: Given) -> str:
    """Where this assignment (or the one that it comes from) can be taken away."""
    actor, actor_id = ("group", item.through) if item.through else (item.actor, item.actor_id)
    target, target_id = item.source or (item.target, item.target_id)
    place = "/system" if target == "system" else f"/{target}s/{target_id}"
    path = f"{place}/{actor}s/{actor_id}/roles/{item.prior or item.role_id}"
    return f"/OS-INHERIT{path}/inherited_to_projects" if item.inherited else path
