"""The rules of subnet pools and address scopes: prefixes that subnets are cut from."""

import ipaddress
from collections.abc import Iterable
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Conflict, NotFound
from cloudd.network import standard
from cloudd.network.config import QUOTAS
from cloudd.network.l2.pools import Net
from cloudd.network.models import AddressScope, Subnet, SubnetPool

DEFAULTS = {4: (8, 8, 32), 6: (64, 64, 128)}
Values = dict[str, Any]


async def create(context: Context, tx: AsyncSession, values: Values) -> SubnetPool:
    project = values.get("project_id", context.project_id) or ""
    await QUOTAS.require(tx, project, subnetpool=1)
    prefixes = _compact(values["prefixes"])
    version = prefixes[0].version
    low, usual, high = DEFAULTS[version]
    low = values.get("min_prefixlen") or low
    pool = standard.born(context, SubnetPool, project, name=values["name"], description=values.get("description") or "",
                         prefixes=[str(net) for net in prefixes], ip_version=version, min_prefixlen=low,
                         max_prefixlen=values.get("max_prefixlen") or high,
                         default_prefixlen=values.get("default_prefixlen") or max(usual, low), rbac=[],
                         default_quota=values.get("default_quota"), is_default=bool(values.get("is_default")))
    _check_lengths(pool)
    await _set_scope(context, tx, pool, values.get("address_scope_id"))
    tx.add(pool)
    await _only_default(tx, pool)
    if values.get("shared"):
        standard.share(context, pool, "subnetpool", "access_as_shared")
    standard.set_tags(pool, values.get("tags") or [])
    await standard.fresh(tx, pool)
    await standard.tell(tx, context, "subnetpool", "create", pool)
    return pool


def _compact(prefixes: Iterable[str]) -> list[Net]:
    nets = [ipaddress.ip_network(prefix, strict=False) for prefix in prefixes]
    if not nets:
        raise BadRequest("Invalid input for operation: Empty subnet pool prefix list.", type="EmptySubnetPoolPrefixList")
    if len({net.version for net in nets}) > 1:
        raise BadRequest("Cannot mix IPv4 and IPv6 prefixes in a subnet pool.", type="PrefixVersionMismatch")
    return list(ipaddress.collapse_addresses(nets))


def _check_lengths(pool: SubnetPool) -> None:
    most = 32 if pool.ip_version == 4 else 128
    if not 0 <= pool.min_prefixlen <= pool.max_prefixlen <= most:
        raise BadRequest(f"Illegal prefix bounds: min_prefixlen={pool.min_prefixlen}, max_prefixlen={pool.max_prefixlen}.",
                         type="IllegalSubnetPoolPrefixBounds")
    if not pool.min_prefixlen <= pool.default_prefixlen <= pool.max_prefixlen:
        raise BadRequest(f"Illegal prefix bounds: min_prefixlen={pool.min_prefixlen}, max_prefixlen={pool.max_prefixlen}, "
                         f"default_prefixlen={pool.default_prefixlen}.", type="IllegalSubnetPoolPrefixBounds")


async def _set_scope(context: Context, tx: AsyncSession, pool: SubnetPool, scope_id: str | None) -> None:
    if scope_id is None:
        pool.address_scope_id = None
        return
    query = standard.own_or_shared(context, select(AddressScope).where(AddressScope.id == scope_id), AddressScope)
    scope = (await tx.execute(query)).scalar()
    if scope is None:
        raise NotFound(f"Address scope {scope_id} could not be found.", type="AddressScopeNotFound")
    if scope.ip_version != pool.ip_version:
        raise BadRequest(f"Illegal subnetpool association: subnetpool {pool.id} cannot associate with address scope {scope_id} "
                         f"because subnetpool ip_version is not {scope.ip_version}.",
                         type="IllegalSubnetPoolIpVersionAssociationToAddressScope")
    others = select(SubnetPool).where(SubnetPool.address_scope_id == scope_id, SubnetPool.id != pool.id)
    for other in (await tx.execute(others)).scalars():
        if _overlap(pool.prefixes, other.prefixes):
            raise Conflict(f"Subnetpool {pool.id} cannot be associated with address scope {scope_id}: its prefixes overlap those "
                           f"of subnetpool {other.id}.", type="AddressScopePrefixConflict")
    pool.address_scope_id = scope_id


def _overlap(ours: list[str], theirs: list[str]) -> bool:
    return any(ipaddress.ip_network(one).overlaps(ipaddress.ip_network(two)) for one in ours for two in theirs)


async def _only_default(tx: AsyncSession, pool: SubnetPool) -> None:
    if not pool.is_default:
        return
    query = select(SubnetPool.id).where(SubnetPool.is_default, SubnetPool.ip_version == pool.ip_version, SubnetPool.id != pool.id)
    if other := (await tx.execute(query)).scalar():
        raise BadRequest(f"Invalid input for operation: A default subnetpool for this IP family has already been set ({other}). "
                         "Only one default may exist per IP family.", type="InvalidInput")


async def update(context: Context, tx: AsyncSession, pool: SubnetPool, values: Values) -> SubnetPool:
    for name in ("name", "description", "min_prefixlen", "max_prefixlen", "default_prefixlen", "is_default"):
        if values.get(name) is not None:
            setattr(pool, name, values[name])
    if "default_quota" in values:
        pool.default_quota = values["default_quota"]
    if values.get("prefixes") is not None:
        _grow(pool, values["prefixes"])
    _check_lengths(pool)
    if "address_scope_id" in values:
        await _set_scope(context, tx, pool, values["address_scope_id"])
    await _only_default(tx, pool)
    standard.touch(context, pool)
    await standard.fresh(tx, pool)
    await standard.tell(tx, context, "subnetpool", "update", pool)
    return pool


def _grow(pool: SubnetPool, prefixes: list[str]) -> None:
    """Other prefixes: those there were must still be covered."""
    nets = _compact(prefixes)
    if nets[0].version != pool.ip_version:
        raise BadRequest("Cannot mix IPv4 and IPv6 prefixes in a subnet pool.", type="PrefixVersionMismatch")
    lost = [old for old in pool.prefixes if not any(ipaddress.ip_network(old).subnet_of(net) for net in nets)]
    if lost:
        raise BadRequest(f"Illegal update to prefixes: Existing prefixes must be a subset of the new prefixes; missing: "
                         f"{', '.join(lost)}.", type="IllegalSubnetPoolPrefixUpdate")
    pool.prefixes = [str(net) for net in nets]


async def add_prefixes(context: Context, tx: AsyncSession, pool: SubnetPool, prefixes: list[str]) -> SubnetPool:
    return await update(context, tx, pool, {"prefixes": [*pool.prefixes, *prefixes]})


async def remove_prefixes(context: Context, tx: AsyncSession, pool: SubnetPool, prefixes: list[str]) -> SubnetPool:
    """Take prefixes out of a pool; what subnets were cut from stays."""
    gone = [ipaddress.ip_network(prefix, strict=False) for prefix in prefixes]
    if used := [cidr for cidr in await _cut_already(tx, pool.id) if any(cidr.overlaps(net) for net in gone)]:
        raise Conflict(f"Illegal prefix removal: {used[0]} is allocated from this pool.", type="IllegalSubnetPoolPrefixUpdate")
    left = [ipaddress.ip_network(prefix) for prefix in pool.prefixes]
    for net in gone:
        left = [part for one in left for part in _without(one, net)]
    pool.prefixes = [str(net) for net in ipaddress.collapse_addresses(left)]
    standard.touch(context, pool)
    return await standard.fresh(tx, pool)


def _without(net: Net, gone: Net) -> list[Net]:
    if net.version != gone.version or not net.overlaps(gone):
        return [net]
    return [] if net.subnet_of(gone) else list(net.address_exclude(gone))


async def delete(context: Context, tx: AsyncSession, pool: SubnetPool) -> None:
    query = select(Subnet.id).where(Subnet.subnetpool_id == pool.id).limit(1)
    if (await tx.execute(query)).scalar():
        raise Conflict(f"Unable to delete subnet pool: Subnet pool {pool.id} has existing allocations.",
                       type="SubnetPoolDeleteError")
    await standard.tell(tx, context, "subnetpool", "delete", pool)
    await tx.delete(pool)
    await tx.flush()


async def default_id(context: Context, tx: AsyncSession, version: int) -> str:
    query = select(SubnetPool.id).where(SubnetPool.is_default, SubnetPool.ip_version == version)
    found = (await tx.execute(standard.own_or_shared(context, query, SubnetPool))).scalar()
    if found is None:
        raise BadRequest(f"Bad subnets request: No default subnetpool of IP version {version} found.", type="BadRequest")
    return found


async def cut(context: Context, tx: AsyncSession, pool_id: str, version: int | None, cidr: str | None,
              prefixlen: int | None) -> Net:
    """A range from a pool: this one, or the first free one of a length."""
    query = standard.own_or_shared(context, select(SubnetPool).where(SubnetPool.id == pool_id), SubnetPool)
    pool = (await tx.execute(query)).scalar()
    if pool is None:
        raise NotFound(f"Subnet pool {pool_id} could not be found.", type="SubnetPoolNotFound")
    if version is not None and version != pool.ip_version:
        raise BadRequest(f"Invalid input for operation: Cannot allocate IPv{version} subnet from IPv{pool.ip_version} subnet "
                         "pool.",
                         type="InvalidInput")
    net = ipaddress.ip_network(cidr, strict=False) if cidr else None
    length = net.prefixlen if net else prefixlen or pool.default_prefixlen
    _check_length(pool, length)
    taken = await _cut_already(tx, pool_id)
    found = _free(pool, taken, length) if net is None else net
    if found is None:
        raise BadRequest("Failed to allocate subnet: Insufficient prefix space to allocate subnet size "
                         f"/{length}.", type="SubnetAllocationError")
    if not any(found.subnet_of(ipaddress.ip_network(prefix)) for prefix in pool.prefixes) or any(map(found.overlaps, taken)):
        raise BadRequest(f"Failed to allocate subnet: Cannot allocate requested subnet {found} from the available set of "
                         "prefixes.", type="SubnetAllocationError")
    return found


def _check_length(pool: SubnetPool, length: int) -> None:
    if length < pool.min_prefixlen:
        raise BadRequest(f"Unable to allocate subnet with prefix length {length}, minimum allowed prefix is "
                         f"{pool.min_prefixlen}.", type="MinPrefixSubnetAllocationError")
    if length > pool.max_prefixlen:
        raise BadRequest(f"Unable to allocate subnet with prefix length {length}, maximum allowed prefix is "
                         f"{pool.max_prefixlen}.", type="MaxPrefixSubnetAllocationError")


async def _cut_already(tx: AsyncSession, pool_id: str) -> list[Net]:
    query = select(Subnet.cidr).where(Subnet.subnetpool_id == pool_id)
    return [ipaddress.ip_network(cidr) for cidr in (await tx.execute(query)).scalars()]


def _free(pool: SubnetPool, taken: list[Net], length: int) -> Net | None:
    """The first free range of a length: candidates step over what overlaps them, so large pools cost nothing."""
    step = 1 << ((32 if pool.ip_version == 4 else 128) - length)
    busy = sorted((int(net.network_address), int(net.broadcast_address)) for net in taken)
    for prefix in pool.prefixes:
        net = ipaddress.ip_network(prefix)
        start, last = int(net.network_address), int(net.broadcast_address)
        for low, high in busy:
            if low <= start + step - 1 and high >= start:
                start = -(-(high + 1) // step) * step
        if length >= net.prefixlen and start + step - 1 <= last:
            return net.__class__((start, length))
    return None


async def create_scope(context: Context, tx: AsyncSession, values: Values) -> AddressScope:
    scope = standard.born(context, AddressScope, values.get("project_id", context.project_id) or "", name=values["name"],
                          ip_version=values["ip_version"], rbac=[])
    tx.add(scope)
    if values.get("shared"):
        standard.share(context, scope, "address_scope", "access_as_shared")
    await standard.fresh(tx, scope)
    return scope


async def update_scope(context: Context, tx: AsyncSession, scope: AddressScope, values: Values) -> AddressScope:
    if values.get("name") is not None:
        scope.name = values["name"]
    if values.get("shared"):
        standard.share(context, scope, "address_scope", "access_as_shared")
    elif values.get("shared") is False and scope.shared_with(context.project_id):
        raise BadRequest(f"Unable to update address scope {scope.id} : Cannot reset the shared property.",
                         type="AddressScopeUpdateError")
    return await standard.fresh(tx, scope)


async def delete_scope(context: Context, tx: AsyncSession, scope: AddressScope) -> None:
    query = select(SubnetPool.id).where(SubnetPool.address_scope_id == scope.id).limit(1)
    if pool := (await tx.execute(query)).scalar():
        raise Conflict(f"Unable to complete operation on address scope {scope.id}. There are one or more subnet pools in use on "
                       f"the address scope: {pool}.", type="AddressScopeInUse")
    await tx.delete(scope)
    await tx.flush()
