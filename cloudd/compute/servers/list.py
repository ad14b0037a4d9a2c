"""Lists of servers: Nova's filters and sort keys as SQL. Who is no administrator has fewer; what he may not use is ignored."""

import re
import re._parser as patterns  # type: ignore[import-not-found]  # the only reader of regular expressions that there is
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from sqlalchemy import ColumnElement, and_, false, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from cloudd.compute import states
from cloudd.compute.models import Server, ServerMetadata, ServerTag
from cloudd.core import clock
from cloudd.core.errors import BadRequest
from cloudd.core.http.lists import equals

Values = Sequence[str]
Clause = ColumnElement[bool]
TRUE, FALSE = ("1", "t", "true", "on", "y", "yes"), ("0", "f", "false", "off", "n", "no")
MAX_PATTERN, MAX_REPEATS = 255, 4


def boolean(name: str, text: str) -> bool:
    """A yes or no in a query string; nothing at all is a yes."""
    if text == "" or text.lower() in TRUE:
        return True
    if text.lower() in FALSE:
        return False
    raise BadRequest(f"Invalid input for query parameters {name}. Value: {text}. It must be true or false.")


def require_pattern(name: str, pattern: str) -> None:
    """Refuse what is no regular expression, and what could keep the database busy for ever."""
    try:
        tree = patterns.parse(pattern)
    except (re.error, RecursionError, OverflowError) as exc:
        raise BadRequest(f"Invalid filter {name}: {pattern[:100]} is not a regular expression ({exc}).") from exc
    if len(pattern) > MAX_PATTERN or _repeats(tree, 0) > MAX_REPEATS:
        raise BadRequest(f"Invalid filter {name}: {pattern[:100]} is too costly: at most {MAX_PATTERN} characters and "
                         f"{MAX_REPEATS} repetitions, none inside another.")


def _repeats(tree: Any, depth: int) -> int:
    count = 0
    for operation, value in tree:
        if "REPEAT" in str(operation):
            unbounded = value[1] > 16
            if unbounded and depth:
                return MAX_REPEATS + 1
            count += unbounded + _repeats(value[2], depth + unbounded)
        elif "SUBPATTERN" in str(operation):
            count += _repeats(value[-1], depth)
        elif str(operation) == "BRANCH":
            count += sum(_repeats(branch, depth) for branch in value[1])
        elif "GROUPREF" in str(operation):
            return MAX_REPEATS + 1
    return count


def pattern_of(column: InstrumentedAttribute[Any], name: str) -> Callable[[Values], Clause]:
    def clause(values: Values) -> Clause:
        require_pattern(name, values[-1])
        return column.regexp_match(values[-1])
    return clause


def exact(column: InstrumentedAttribute[Any]) -> Callable[[Values], Clause]:
    return lambda values: equals(column, values)


def flag(column: InstrumentedAttribute[Any], name: str) -> Callable[[Values], Clause]:
    return lambda values: column.is_(boolean(name, values[-1]))


def locked(values: Values) -> Clause:
    return Server.locked_by.is_not(None) if boolean("locked", values[-1]) else Server.locked_by.is_(None)


def status(values: Values) -> Clause:
    """Any of the statuses. The caller has refused, or emptied, the list for a word that is none."""
    clauses = []
    for word in values:
        found = states.behind(word)
        if found is None:
            continue
        plain, pairs = found
        special = [task for (state, task), name in states.TASK_STATUS.items() if state in plain and name != word.upper()]
        if plain:
            clauses.append(and_(Server.vm_state.in_(plain), or_(Server.task_state.is_(None), Server.task_state.not_in(special))))
        clauses += [and_(Server.vm_state == state, Server.task_state == task) for state, task in pairs]
    return or_(false(), *clauses)


def moment(name: str, text: str) -> Any:
    try:
        return clock.parse(text)
    except ValueError as exc:
        raise BadRequest(f"Invalid input for query parameters {name}. Value: {text}. It must be a moment in ISO 8601.") from exc


def since(values: Values) -> Clause:
    return Server.updated_at >= moment("changes-since", values[-1])


def before(values: Values) -> Clause:
    return Server.updated_at <= moment("changes-before", values[-1])


def config_drive(values: Values) -> Clause:
    return Server.config_drive.is_(boolean("config_drive", values[-1]))


def metadata(values: Values) -> Clause:
    try:
        wanted = orjson.loads(values[-1])
        pairs = [(str(key), str(value)) for item in (wanted if isinstance(wanted, list) else [wanted])
                 for key, value in item.items()]
    except (orjson.JSONDecodeError, AttributeError) as exc:
        raise BadRequest(f"Invalid filter metadata: {values[-1][:100]} is no JSON object.") from exc
    return and_(*(Server.id.in_(select(ServerMetadata.server_id).where(ServerMetadata.key == key, ServerMetadata.value == value))
                  for key, value in pairs))


def _tagged(values: Values, *, every: bool) -> Clause:
    tags = [tag for tag in dict.fromkeys(values[-1].split(",")) if tag]
    having = select(ServerTag.server_id).where(ServerTag.tag.in_(tags))
    if every:
        having = having.group_by(ServerTag.server_id).having(func.count() == len(tags))
    return Server.id.in_(having)


PLAIN: dict[str, Callable[[Values], Clause]] = {
    "reservation_id": exact(Server.reservation_id), "name": pattern_of(Server.name, "name"), "status": status,
    "image": exact(Server.image_id), "image_ref": exact(Server.image_id), "flavor": exact(Server.flavor_id),
    "changes-since": since,
}
"""Filters for everybody, at every version. `ip`, `ip6`, `all_tenants`, `deleted` and projects are read before."""
TAGS: dict[str, Callable[[Values], Clause]] = {
    "tags": lambda values: _tagged(values, every=True), "tags-any": lambda values: _tagged(values, every=False),
    "not-tags": lambda values: ~_tagged(values, every=True), "not-tags-any": lambda values: ~_tagged(values, every=False),
}
LATER: dict[str, Callable[[Values], Clause]] = {
    "availability_zone": exact(Server.availability_zone), "config_drive": config_drive, "key_name": exact(Server.key_name),
    "created_at": exact(Server.created_at), "launched_at": exact(Server.launched_at),
    "terminated_at": exact(Server.terminated_at), "power_state": exact(Server.power_state),
    "task_state": exact(Server.task_state), "vm_state": exact(Server.vm_state), "progress": exact(Server.progress),
    "user_id": exact(Server.user_id),
}
"""Filters of administrators, from 2.83 on everybody's."""
ADMIN: dict[str, Callable[[Values], Clause]] = {
    **LATER, "uuid": exact(Server.id), "display_name": pattern_of(Server.name, "display_name"),
    "description": pattern_of(Server.description, "description"),
    "display_description": pattern_of(Server.description, "display_description"),
    "hostname": pattern_of(Server.hostname, "hostname"), "host": exact(Server.host), "node": exact(Server.node),
    "launched_on": exact(Server.launched_on), "launch_index": exact(Server.launch_index), "kernel_id": exact(Server.kernel_id),
    "ramdisk_id": exact(Server.ramdisk_id), "root_device_name": exact(Server.root_device_name),
    "access_ip_v4": exact(Server.access_ip_v4), "access_ip_v6": exact(Server.access_ip_v6),
    "locked_by": exact(Server.locked_by), "metadata": metadata, "disk_config": exact(Server.disk_config),
}
PATTERNS = ("name", "display_name", "description", "display_description", "hostname")
"""Filters that are regular expressions; Python and the databases differ a little in what they can read."""
IGNORED = {"system_metadata", "hidden", "soft_deleted", "auto_disk_config", "disable_terminate", "ephemeral_key_uuid",
           "cell_name", "default_ephemeral_device", "default_swap_device", "architecture", "os_type", "vm_mode", "id",
           "shutdown_terminate", "internal_id", "instance_type_id", "updated_at", "deleted_at", "memory_mb", "vcpus", "root_gb",
           "ephemeral_gb", "ramdisk", "kernel"}
"""Columns of Nova's own tables that its filters know; here they filter nothing."""
SORTS: dict[str, InstrumentedAttribute[Any]] = {
    "access_ip_v4": Server.access_ip_v4, "access_ip_v6": Server.access_ip_v6, "auto_disk_config": Server.disk_config,
    "availability_zone": Server.availability_zone, "config_drive": Server.config_drive, "created_at": Server.created_at,
    "display_description": Server.description, "display_name": Server.name, "host": Server.host, "hostname": Server.hostname,
    "image_ref": Server.image_id, "instance_type_id": Server.flavor_id, "kernel_id": Server.kernel_id,
    "key_name": Server.key_name, "launch_index": Server.launch_index, "launched_at": Server.launched_at, "node": Server.node,
    "power_state": Server.power_state, "progress": Server.progress, "project_id": Server.project_id,
    "ramdisk_id": Server.ramdisk_id, "root_device_name": Server.root_device_name, "task_state": Server.task_state,
    "terminated_at": Server.terminated_at, "updated_at": Server.updated_at, "user_id": Server.user_id, "uuid": Server.id,
    "vm_state": Server.vm_state,
}
ADMIN_SORTS = {"host", "node"}
