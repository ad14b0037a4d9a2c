"""The rules of RBAC policies: sharing an object with a project or with everybody."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Conflict, NotFound
from cloudd.network import changes, standard
from cloudd.network.config import QUOTAS
from cloudd.network.l2 import networks
from cloudd.network.models import AddressScope, Network, Port, PortGroup, Rbac, Router, SecurityGroup, Subnet, SubnetPool

KINDS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "network": (Network, ("access_as_shared", "access_as_external")),
    "security_group": (SecurityGroup, ("access_as_shared",)),
    "subnetpool": (SubnetPool, ("access_as_shared",)),
    "address_scope": (AddressScope, ("access_as_shared",)),
}
Values = dict[str, Any]


async def create(context: Context, tx: AsyncSession, values: Values) -> Rbac:
    project = values.get("project_id", context.project_id) or ""
    kind, action, target = values["object_type"], values["action"], values["target_project"]
    if kind not in KINDS:
        raise BadRequest(f"Invalid input for object_type. Reason: '{kind}' is not one of {', '.join(KINDS)}.",
                         type="HTTPBadRequest")
    model, actions = KINDS[kind]
    if action not in actions:
        raise BadRequest(f"Invalid action '{action}' for object type '{kind}'. Valid actions: {', '.join(actions)}.",
                         type="InvalidAction")
    row = await _object(context, tx, model, kind, values["object_id"])
    if action == "access_as_external":
        if not context.is_admin:
            raise BadRequest("Bad rbac_policy request: only admins can manipulate policies on networks for external access.",
                             type="BadRequest")
        row.external = True
    if any(entry.action == action and entry.target_project == target for entry in row.rbac):
        raise Conflict(f"An RBAC policy already exists with those values (object {row.id}, {action}, {target}).",
                       type="DuplicateRbacPolicy")
    await QUOTAS.require(tx, project, rbac_policy=1)
    entry = standard.born(context, Rbac, project, object_type=kind, object_id=row.id, action=action, target_project=target)
    tx.add(entry)
    await tx.flush()
    if kind == "network":
        await changes.network(tx, context, row.id)
    return entry


async def _object(context: Context, tx: AsyncSession, model: Any, kind: str, object_id: str) -> Any:
    query = select(model).where(model.id == object_id)
    if not standard.sees_all(context):
        query = query.where(model.project_id == context.project_id)
    row = (await tx.execute(query)).scalar()
    if row is None:
        raise NotFound(f"Object {object_id} of type {kind} could not be found.", type="RbacObjectNotFound")
    return row


async def update(context: Context, tx: AsyncSession, entry: Rbac, values: Values) -> Rbac:
    target = values.get("target_project")
    if target is not None and target != entry.target_project:
        await _require_unused(tx, entry)
        entry.target_project = target
    await tx.flush()
    return entry


async def delete(context: Context, tx: AsyncSession, entry: Rbac) -> None:
    await _require_unused(tx, entry)
    await tx.delete(entry)
    await tx.flush()


async def _require_unused(tx: AsyncSession, entry: Rbac) -> None:
    """Nobody whom only this entry lets in may be inside."""
    try:
        if entry.object_type == "network" and entry.action == "access_as_shared":
            await networks.require_unshared(tx, await tx.get_one(Network, entry.object_id), entry.target_project)
        elif entry.object_type == "network":
            await _require_no_gateways(tx, entry)
        elif entry.object_type == "security_group":
            await _require_no_ports(tx, entry)
        else:
            await _require_not_drawn_from(tx, entry)
    except Conflict as exc:
        raise Conflict(f"RBAC policy on object {entry.object_id} cannot be removed because other objects depend on it.\nDetails: "
                       f"{exc.message}", type="RbacPolicyInUse") from exc


async def _require_no_gateways(tx: AsyncSession, entry: Rbac) -> None:
    query = select(Router.id).join(Port, Router.gw_port_id == Port.id).where(Port.network_id == entry.object_id)
    if entry.target_project != "*":
        query = query.where(Router.project_id == entry.target_project)
    if router := (await tx.execute(query.limit(1))).scalar():
        raise Conflict(f"router {router} has its gateway in the network.")


async def _require_not_drawn_from(tx: AsyncSession, entry: Rbac) -> None:
    """A subnet pool that others have subnets of, an address scope that others have pools in."""
    shared, model, column = (SubnetPool, Subnet, Subnet.subnetpool_id) if entry.object_type == "subnetpool" else (
        AddressScope, SubnetPool, SubnetPool.address_scope_id)
    owner = select(shared.project_id).where(shared.id == entry.object_id).scalar_subquery()
    query = select(model.id).where(column == entry.object_id, model.project_id != owner)
    if entry.target_project != "*":
        query = query.where(model.project_id == entry.target_project)
    if user := (await tx.execute(query.limit(1))).scalar():
        raise Conflict(f"{'subnet' if model is Subnet else 'subnet pool'} {user} is from the {entry.object_type.replace('_', ' ')}.")


async def _require_no_ports(tx: AsyncSession, entry: Rbac) -> None:
    owner = select(SecurityGroup.project_id).where(SecurityGroup.id == entry.object_id).scalar_subquery()
    query = select(Port.id).join(PortGroup, PortGroup.port_id == Port.id).where(
        PortGroup.group_id == entry.object_id, Port.project_id != owner)
    if entry.target_project != "*":
        query = query.where(Port.project_id == entry.target_project)
    if port := (await tx.execute(query.limit(1))).scalar():
        raise Conflict(f"port {port} uses the security group.")
