"""What a list of servers is asked: which filters this caller has at this version, whose servers, in what order."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute import states
from cloudd.compute import versions as v
from cloudd.compute.models import Server
from cloudd.compute.servers import interfaces
from cloudd.compute.servers import list as servers_list
from cloudd.core.errors import BadRequest, Forbidden
from cloudd.core.http import Page, Request
from cloudd.core.http.lists import Filters, Listing
from cloudd.core.rows.among import among

READ_BEFORE = {"all_tenants", "tenant_id", "project_id", "deleted", "ip", "ip6", "changes-since", "changes-before"}
PAGING = {"limit", "marker", "sort_key", "sort_dir"}
FOUND_BY = {*servers_list.PLAIN, *servers_list.ADMIN, *servers_list.TAGS, *READ_BEFORE, "locked"}
LISTING = Filters(FOUND_BY, {*servers_list.SORTS, "locked"})
DEFAULT_SORT = (("created_at", "desc"), ("id", "desc"))
BRIEFLY = frozenset(("id", "name"))
UNSEEN = ("injected_files", "posted_password", "random_seed", "key_data", "system_metadata", "old_flavor", "admin_pass")
IN_DETAIL = frozenset(Server.__table__.columns.keys()).difference(UNSEEN)


async def page(request: Request, tx: AsyncSession, verb: str) -> Page:
    """One page of servers as asked; `verb` is index or detail, by which policy tells them apart."""
    admin = request.allows("os_compute_api:servers:allow_all_filters")
    given = {name: request.query.getall(name) for name in dict.fromkeys(request.query)}
    if request.has(v.STRICT):
        _require_known(given)
    if _hopeless(request, given.get("status", ())):
        return Page([])
    whose = _whose(request, given, admin, verb)
    query = _alive(given, admin, whose)
    for name, clause in _filters(request, admin).items():
        if name in given:
            query = query.where(clause(given[name]))
    query = await _by_address(request, tx, query, given, admin)
    asked = request.api.dialect.read_list(request)
    sorts = servers_list.SORTS if not request.has(v.LOCKED_REASON) else {**servers_list.SORTS, "locked": Server.locked_by}
    if not admin and (private := [key for key, _ in asked.sorts if key in servers_list.ADMIN_SORTS]):
        raise Forbidden(f"Only administrators can sort servers by {private[0]}")
    asked = replace(asked, sorts=_directions(request, asked.sorts))
    try:
        listing = Listing(Server, sorts=sorts, default=DEFAULT_SORT, only=BRIEFLY if verb == "index" else IN_DETAIL)
        return await listing.paged(tx, query, asked, whose)
    except DBAPIError as exc:
        patterns = [name for name in servers_list.PATTERNS if name in given]
        if not patterns:
            raise
        raise BadRequest(f"Invalid filter {patterns[0]}: {given[patterns[0]][-1][:100]} is no regular expression that the database "
                         "knows.") from exc


def _filters(request: Request, admin: bool) -> dict[str, Callable[[Sequence[str]], Any]]:
    filters = dict(servers_list.PLAIN)
    if admin:
        filters |= servers_list.ADMIN
    if request.has(v.SERVER_TAGS):
        filters |= servers_list.TAGS
    if request.has(v.CHANGES_BEFORE):
        filters["changes-before"] = servers_list.before
    if request.has(v.LOCKED_REASON):
        filters["locked"] = servers_list.locked
    if request.has(v.FILTERS_FOR_ALL):
        filters |= servers_list.LATER
    return filters


def _require_known(given: dict[str, list[str]]) -> None:
    if unknown := sorted(set(given) - {*FOUND_BY, *servers_list.IGNORED, *PAGING}):
        raise BadRequest(f"Invalid input: Additional properties are not allowed ('{unknown[0]}' was unexpected)")


def _hopeless(request: Request, words: Sequence[str]) -> bool:
    """Whether a status was asked for that no server ever has."""
    if not words or any(states.behind(word) for word in words):
        return False
    if request.has(v.STATUS_FILTER_CHECKED):
        raise BadRequest(f"Invalid status value: {words[-1]}; there are: {', '.join(sorted(set(states.STATUS.values())))}.")
    return True


def _whose(request: Request, given: dict[str, list[str]], admin: bool, verb: str) -> Select[Any]:
    """The caller's project's servers; with `all_tenants` everybody's, or those of a project that is named beside it."""
    project = (given.get("project_id") or given.get("tenant_id") or [None])[-1] if admin else None
    everybody = False
    if "all_tenants" in given:
        everybody = servers_list.boolean("all_tenants", given["all_tenants"][-1])
        if everybody:
            request.require(f"os_compute_api:servers:{verb}:get_all_tenants")
    query = select(Server)
    if not everybody:
        return query.where(Server.project_id == request.context.project_id)
    return query.where(Server.project_id == project) if project else query


def _alive(given: dict[str, list[str]], admin: bool, query: Select[Any]) -> Select[Any]:
    """Deleted servers are told of to administrators who ask, and to all who ask for changes since a time."""
    statuses = {word.upper() for word in given.get("status", ())}
    if "DELETED" in statuses and not admin:
        raise Forbidden("Only administrators may list deleted instances")
    if "deleted" in given and admin:
        deleted = servers_list.boolean("deleted", given["deleted"][-1])
        return query.where(Server.deleted_at.is_not(None) if deleted else Server.deleted_at.is_(None))
    if "changes-since" in given or "DELETED" in statuses:
        return query
    return query.where(Server.deleted_at.is_(None))


async def _by_address(request: Request, tx: AsyncSession, query: Select[Any], given: dict[str, list[str]],
                      admin: bool) -> Select[Any]:
    """`ip` and `ip6` are patterns that an address of the server matches; ports belong to network, so they are asked there."""
    wanted = [(4, given["ip"][-1])] if "ip" in given else []
    if "ip6" in given and (admin or request.has(v.IP6_FILTER_FOR_ALL)):
        wanted.append((6, given["ip6"][-1]))
    if not wanted:
        return query
    for version, pattern in wanted:
        servers_list.require_pattern("ip" if version == 4 else "ip6", pattern)
    ids = list((await tx.execute(query.with_only_columns(Server.id))).scalars())
    found = []
    for server_id, ports in (await interfaces.of_servers(tx, ids)).items():
        addresses = [(fixed.version, fixed.address) for port in ports for fixed in port.fixed_ips]
        addresses += [(4, public) for port in ports for public, _ in port.floating_ips]
        if all(any(kind == version and re.search(pattern, text) for kind, text in addresses) for version, pattern in wanted):
            found.append(server_id)
    return query.where(among(Server.id, found))


def _directions(request: Request, sorts: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Keys without a direction go down, or as the first direction that was given."""
    directions = [text.lower() for text in request.query.getall("sort_dir", [])]
    default = directions[0] if directions else "desc"
    return tuple((key, directions[number] if number < len(directions) else default) for number, (key, _) in enumerate(sorts))
