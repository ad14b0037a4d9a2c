"""/quotas"""

from cloudd.core.errors import BadRequest, Forbidden
from cloudd.core.http import Field
from cloudd.core.http import types as t
from cloudd.network import usage
from cloudd.network.api import API
from cloudd.network.api.shapes import BOOL, OWNER, NeutronShape
from cloudd.network.config import DEFAULT_QUOTAS, QUOTAS

LIMIT = t.Raw({"type": ["integer", "string"]}, int, answer={"type": "integer"})
QUOTA = NeutronShape("quota", *(Field(name, LIMIT) for name in DEFAULT_QUOTAS), Field("check_limit", BOOL, reply=False),
                     Field("force", BOOL, reply=False), Field("project_id", t.Text(), reply=False),
                     Field("tenant_id", t.Text(), reply=False))
OWN = t.Record({"quotas": t.List(t.Record({**dict.fromkeys(DEFAULT_QUOTAS, LIMIT), **OWNER}))})
USE = t.Record({"limit": t.Int(), "used": t.Int(), "reserved": t.Int()})
DETAILS = t.Record({"quota": t.Record(dict.fromkeys(DEFAULT_QUOTAS, USE))})
quotas = API.resource("/quotas")


def of_project(request):
    """The target: quotas of the project in the path."""
    project = request.path.get("project", request.context.project_id)
    return {"project_id": project, "tenant_id": project}


@quotas.get("", policy="update_quota", answer=OWN)
async def index(request, tx):
    """List the projects that have quotas of their own."""
    return {"quotas": [{**limits, "project_id": project, "tenant_id": project}
                       for project, limits in (await QUOTAS.of_projects(tx)).items()]}


@quotas.get("/tenant", policy="get_availability_zone", answer=t.Record({"tenant": t.Record(OWNER)}))
@quotas.get("/project", policy="get_availability_zone", answer=t.Record({"project": t.Record(OWNER)}))
async def whose(request, tx):
    """Tell the caller's project."""
    project = request.context.project_id
    return {request.operation.path.rsplit("/", 1)[-1]: {"project_id": project, "tenant_id": project}}


@quotas.get("/{project}", policy="get_quota", target=of_project, answer=QUOTA)
async def show(request, tx, project):
    """Show the quotas of a project."""
    return {"quota": await QUOTAS.limits(tx, project)}


@quotas.get("/{project}/default", policy="get_quota", target=of_project, answer=QUOTA, many=False)
async def default(request, tx, project):
    """Show the quotas that a project has when nobody sets others."""
    return {"quota": dict(QUOTAS.defaults)}


@quotas.get("/{project}/details", policy="get_quota", target=of_project, answer=DETAILS)
async def details(request, tx, project):
    """Show the quotas of a project and what it uses."""
    used = await usage.count(tx, project)
    return {"quota": {name: {"limit": limit, "used": used.get(name, 0), "reserved": 0}
                      for name, limit in (await QUOTAS.limits(tx, project)).items()}}


@quotas.put("/{project}", policy="update_quota", body=QUOTA, target=of_project, answer=QUOTA)
async def update(request, tx, project, body):
    """Set quotas of a project."""
    if not request.context.is_admin:
        raise Forbidden("Quotas are set by administrators.", type="PolicyNotAuthorized")
    limits = {name: limit for name, limit in body.items() if name in QUOTAS.defaults}
    if bad := [f"{name}={limit}" for name, limit in limits.items() if not -1 <= limit < 2**31]:
        raise BadRequest(f"Invalid input for {bad[0]}. Reason: a quota is -1 (no limit) to {2**31 - 1}.", type="HTTPBadRequest")
    if body.get("check_limit") and not body.get("force"):
        used = await usage.count(tx, project)
        if over := [name for name, limit in limits.items() if 0 <= limit < used.get(name, 0)]:
            raise BadRequest(f"Quota limit for {over[0]} is below its usage of {used[over[0]]}.", type="QuotaLimitInUse")
    await QUOTAS.set(tx, project, limits)
    return {"quota": await QUOTAS.limits(tx, project)}


@quotas.delete("/{project}", policy="delete_quota", target=of_project)
async def reset(request, tx, project):
    """Give a project the default quotas."""
    await QUOTAS.reset(tx, project)
