"""Networks' outside: Neutron v2.0, its words for errors, its pages of lists."""

from typing import Any

from cloudd.core.errors import CloudError, NotFound, OverQuota, Unauthorized
from cloudd.core.http import Api, Page, Request
from cloudd.core.http.dialects import Dialect, page_link
from cloudd.network.policies import POLICIES

PLAIN_TYPES = {"ValidationError": "HTTPBadRequest", "MalformedRequestBody": "HTTPBadRequest", "NotFound": "HTTPNotFound",
               "NoSuchOperation": "HTTPNotFound",
               "MarkerNotFound": "HTTPBadRequest"}
PARENTS = ("network:project_id", "security_group:project_id", "ext_parent:project_id")


class Neutron(Dialect):
    """`{"NeutronError": {type, message, detail}}`; pages only when a limit was asked for."""

    partial = True

    def status(self, error: CloudError) -> int:
        return 409 if isinstance(error, OverQuota) else error.status

    def error(self, error: CloudError, request_id: str) -> tuple[Any, dict[str, str]]:
        if isinstance(error, Unauthorized):
            return {"error": {"code": 401, "title": "Unauthorized", "message": error.message}}, {}
        return {"NeutronError": {"type": PLAIN_TYPES.get(error.type, error.type), "message": error.message, "detail": ""}}, {}

    def limit(self, request: Request) -> int | None:
        text = request.query.get("limit", "")
        if not text or text == "0":
            return None
        return super().limit(request)

    def page(self, request: Request, plural: str, views: list[Any], page: Page) -> dict[str, Any]:
        body: dict[str, Any] = {plural: views, **page.extra}
        if page.limit is None:
            return body
        full = len(page.rows) >= page.limit
        links = []
        if full or page.reverse:
            links.append({"rel": "next", "href": page_link(request, marker=page.last, page_reverse=None)})
        if full or not page.reverse:
            links.append({"rel": "previous", "href": page_link(request, marker=page.first, page_reverse="True")})
        body[f"{plural}_links"] = links
        return body

    def error_schema(self) -> dict[str, Any]:
        words = {name: {"type": "string"} for name in ("type", "message", "detail")}
        return {"type": "object", "properties": {"NeutronError": {"type": "object", "properties": words, "required": list(words)}}}

    def verb(self, verb: str, shape: Any) -> str:
        return f"{'get' if verb in ('list', 'show') else verb}_{shape.name}"

    def target(self, request: Request) -> Any:
        """What the rules refer to: the loaded row and whom its parent belongs to, else the caller's own project."""
        rows = list(request.loaded.values())
        return of_row(rows[-1], request) if rows else own(request)

    def missing(self, kind: str, value: str) -> NotFound:
        name = {"floatingip": "FloatingIP", "rbac_policy": "RbacPolicy", "subnetpool": "SubnetPool"}.get(
            kind, "".join(part.capitalize() for part in kind.split("_")))
        words = kind.replace("_", " ").replace("floatingip", "floating IP").replace("subnetpool", "subnet pool")
        if kind.startswith("security_group"):
            return NotFound(f"{words.capitalize()} {value} does not exist", type=f"{name}NotFound")
        return NotFound(f"{words[0].upper()}{words[1:]} {value} could not be found.", type=f"{name}NotFound")


def own(request: Request) -> dict[str, Any]:
    """The target of what the caller makes or lists for himself."""
    return {**request.own(), **dict.fromkeys(PARENTS, request.context.project_id)}


def of_row(row: Any, request: Request) -> dict[str, Any]:
    """The target of a row: its owner, its parent's owner, and what makes it everybody's."""
    project = getattr(row, "project_id", None)
    shared = hasattr(row, "shared_with") and row.shared_with(request.context.project_id)
    return {
        "project_id": project, "tenant_id": project, "shared": shared, "networks:shared": shared,
        "router:external": bool(getattr(row, "external", False) or getattr(row, "network_external", False)),
        "device_owner": getattr(row, "device_owner", None),
        "network:project_id": getattr(row, "network_project_id", project),
        "security_group:project_id": getattr(row, "group_project_id", project),
        "belongs_to_default_sg": getattr(row, "belongs_to_default_sg", None),
        "target_project": getattr(row, "target_project", None), "target_tenant": getattr(row, "target_project", None)}


NEUTRON = Neutron()
API = Api("network", prefixes=("/networking/v2.0",), dialect=NEUTRON, policies=POLICIES, suffix=".json",
          title="Networks: subnets, ports, routers, floating IPs, security groups")
