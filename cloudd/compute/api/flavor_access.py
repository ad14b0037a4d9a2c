"""Who may see a private flavor, and the extra specs of flavors."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute.api import API
from cloudd.compute.flavors import rules as flavors
from cloudd.compute.flavors import specs as flavor_specs
from cloudd.compute.models import Flavor, FlavorAccess
from cloudd.compute.versions import EXTRA_SPECS_CHECKED, PUBLIC_FLAVOR_ACCESS_CONFLICT
from cloudd.core.errors import Conflict
from cloudd.core.http import Field, Request, Shape
from cloudd.core.http.shapes import Single, named
from cloudd.core.http.types import NOTHING, Map, Obj, Raw, Record, Text

KEY = r"^[a-zA-Z0-9-_:. ]{1,255}$"
VALUE = Raw({"type": ["string", "number"], "maxLength": 255}, str)
SPECS = Shape(None, Field("extra_specs", Map(VALUE, keys=KEY), required=True))
ADD = Shape(None, Field("addTenantAccess", Obj({"tenant": Text(1, 255)}, ["tenant"]), required=True))
REMOVE = Shape(None, Field("removeTenantAccess", Obj({"tenant": Text(1, 255)}, ["tenant"]), required=True))
ACCESS = Shape("flavor_access", Field("flavor_id", Text()), Field("tenant_id", Text(), of="project_id"), plural="flavor_access")
SPECS_OF = Record({"extra_specs": Map(Text())})
RULE = "os_compute_api:os-flavor-extra-specs:{}"
flavor_resource = API.resource("/flavors/{flavor}")


@flavor_resource.get("/os-flavor-access", policy="os_compute_api:os-flavor-access", reply=ACCESS)
async def list_access(flavor: Flavor) -> list[FlavorAccess]:
    """List the projects that a private flavor was given to."""
    return await flavors.access(flavor)


@flavor_resource.post("/action", action="addTenantAccess", body=ADD, reply=ACCESS, many=True,
                      policy="os_compute_api:os-flavor-access:add_tenant_access")
async def add_access(request: Request, tx: AsyncSession, flavor: Flavor, body: dict[str, Any]) -> list[FlavorAccess]:
    """Let a project use a private flavor."""
    if flavor.is_public and request.has(PUBLIC_FLAVOR_ACCESS_CONFLICT):
        raise Conflict("Can not add access to a public flavor.")
    return await flavors.give(tx, flavor, body["addTenantAccess"]["tenant"])


@flavor_resource.post("/action", action="removeTenantAccess", body=REMOVE, reply=ACCESS, many=True,
                      policy="os_compute_api:os-flavor-access:remove_tenant_access")
async def remove_access(tx: AsyncSession, flavor: Flavor, body: dict[str, Any]) -> list[FlavorAccess]:
    """Take a private flavor from a project."""
    return await flavors.take(tx, flavor, body["removeTenantAccess"]["tenant"])


@flavor_resource.get("/os-extra_specs", policy=RULE.format("index"), answer=SPECS_OF)
async def list_specs(flavor: Flavor) -> dict[str, Any]:
    """List the extra specs of a flavor."""
    return {"extra_specs": flavor.extra_specs}


@flavor_resource.post("/os-extra_specs", body=SPECS, policy=RULE.format("create"), answer=SPECS_OF)
async def create_specs(request: Request, tx: AsyncSession, flavor: Flavor, body: dict[str, Any]) -> dict[str, Any]:
    """Add extra specs to a flavor."""
    if request.has(EXTRA_SPECS_CHECKED):
        flavor_specs.check(body["extra_specs"])
    await flavors.set_specs(tx, flavor, body["extra_specs"])
    return {"extra_specs": body["extra_specs"]}


@flavor_resource.get("/os-extra_specs/{key}", policy=RULE.format("show"), answer=Map(Text()))
async def show_spec(flavor: Flavor, key: str) -> dict[str, str]:
    """Show one extra spec."""
    return {key: flavors.spec(flavor, key).value}


@flavor_resource.put("/os-extra_specs/{key}", body=Single(KEY, VALUE), policy=RULE.format("update"), answer=Map(Text()))
async def update_spec(request: Request, tx: AsyncSession, flavor: Flavor, key: str, body: dict[str, Any]) -> dict[str, Any]:
    """Set one extra spec."""
    if request.has(EXTRA_SPECS_CHECKED):
        flavor_specs.check(named(body, key))
    await flavors.set_specs(tx, flavor, named(body, key))
    return body


@flavor_resource.delete("/os-extra_specs/{key}", status=200, policy=RULE.format("delete"), answer=NOTHING)
async def delete_spec(tx: AsyncSession, flavor: Flavor, key: str) -> None:
    """Delete one extra spec."""
    await flavors.drop_spec(tx, flavor, key)
