"""OS-ENDPOINT-POLICY: which policy text an endpoint, a service, or a service in a region goes by."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.errors import NotFound
from cloudd.core.http import Page, Request
from cloudd.identity.api import API
from cloudd.identity.api.credentials import POLICY
from cloudd.identity.api.services import ENDPOINT
from cloudd.identity.models import Endpoint, Policy, Region
from cloudd.identity.models.extensions import PolicyAssociation

PLACES = {"endpoint": "/endpoints/{endpoint}", "service": "/services/{service}",
          "region_and_service": "/services/{service}/regions/{region}"}
policies = API.resource("/policies/{policy}/OS-ENDPOINT-POLICY")


def _place(request: Request) -> dict[str, str]:
    return {f"{name}_id": request.loaded[name].id if name in request.loaded else "" for name in ("endpoint", "service", "region")}


async def _associated(request: Request, tx: AsyncSession) -> PolicyAssociation:
    row = await tx.get(PolicyAssociation, tuple(_place(request).values()))
    if row is None or row.policy_id != request.loaded["policy"].id:
        raise NotFound(f"Could not find policy association: {request.path}.")
    return row


async def associate(request, tx):
    """Let an endpoint, or all of a service, go by a policy."""
    await tx.merge(PolicyAssociation(**_place(request), policy_id=request.loaded["policy"].id))


async def check(request, tx):
    """Whether it goes by this policy."""
    await _associated(request, tx)


async def dissociate(request, tx):
    """Let it go by this policy no longer."""
    await tx.delete(await _associated(request, tx))


for name, path in PLACES.items():
    rule = f"identity:{{}}_policy_association_for_{name}"
    policies.put(path, status=204, policy=rule.format("create"))(associate)
    policies.get(path, status=204, policy=rule.format("check"))(check)
    policies.head(path, status=204, policy=rule.format("check"))(check)
    policies.delete(path, policy=rule.format("delete"))(dissociate)


async def _policy_of(tx: AsyncSession, endpoint: Endpoint, found: dict[tuple[str, str, str], str]) -> str | None:
    """The nearest: the endpoint's own, its service's in its region or a region above, its service's."""
    if own := found.get((endpoint.id, "", "")):
        return own
    region_id: str | None = endpoint.region_id
    while region_id:
        if policy_id := found.get(("", endpoint.service_id, region_id)):
            return policy_id
        region = await tx.get(Region, region_id)
        region_id = region.parent_region_id if region else None
    return found.get(("", endpoint.service_id, ""))


async def _all(tx: AsyncSession) -> dict[tuple[str, str, str], str]:
    rows = (await tx.execute(select(PolicyAssociation))).scalars()
    return {(row.endpoint_id, row.service_id, row.region_id): row.policy_id for row in rows}


@policies.get("/endpoints", policy="identity:list_endpoints_for_policy", reply=ENDPOINT)
async def endpoints(tx, policy) -> Page:
    """The endpoints that go by a policy."""
    found, rows = await _all(tx), (await tx.execute(select(Endpoint).order_by(Endpoint.id))).scalars().all()
    await tx.execute(select(Region))                           # in the session for the walk upwards
    return Page([row for row in rows if await _policy_of(tx, row, found) == policy.id])


@API.resource("/endpoints/{endpoint}/OS-ENDPOINT-POLICY").get("/policy", policy="identity:get_policy_for_endpoint", reply=POLICY,
                                                                      many=False)
async def policy_of(tx, endpoint) -> Any:
    """The policy that an endpoint goes by."""
    policy_id = await _policy_of(tx, endpoint, await _all(tx))
    if policy_id is None:
        raise NotFound(f"No policy is associated with endpoint {endpoint.id}.")
    return await tx.get(Policy, policy_id)
