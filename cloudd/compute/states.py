"""The life of a server: Nova's vm_state, its task_state while something is done to it, and the status made of both."""

from cloudd.compute.models import Server
from cloudd.core.errors import Conflict
from cloudd.core.states import Machine, Move

BUILDING, ACTIVE, PAUSED, SUSPENDED, STOPPED = "building", "active", "paused", "suspended", "stopped"
RESCUED, RESIZED, ERROR, DELETED = "rescued", "resized", "error", "deleted"
SOFT_DELETED, SHELVED, SHELVED_OFFLOADED = "soft-delete", "shelved", "shelved_offloaded"
ALL = (BUILDING, ACTIVE, PAUSED, SUSPENDED, STOPPED, RESCUED, RESIZED, ERROR, DELETED, SOFT_DELETED, SHELVED, SHELVED_OFFLOADED)

SCHEDULING, NETWORKING, BLOCK_DEVICES, SPAWNING = "scheduling", "networking", "block_device_mapping", "spawning"
REBOOTING, REBOOTING_HARD, DELETING = "rebooting", "rebooting_hard", "deleting"
SNAPSHOT, UPLOADING = "image_snapshot", "image_uploading"
REBUILDING, RESIZING = "rebuilding", "resize_prep"

NOSTATE, RUNNING, POWER_PAUSED, SHUTDOWN, CRASHED, POWER_SUSPENDED = 0, 1, 3, 4, 6, 7
POWER = {ACTIVE: RUNNING, RESCUED: RUNNING, PAUSED: POWER_PAUSED, STOPPED: SHUTDOWN, SUSPENDED: SHUTDOWN}

# what is done to a running guest's power may still be under way when it is rebooted hard
INTERRUPTIBLE = (None, "rebooting", "reboot_pending", "reboot_started", "rebooting_hard", "resuming", "unpausing", "pausing",
                 "suspending")
LABELS = {"reboot_hard": "reboot", "snapshot": "createImage"}
"""What a refusal calls a move, where that is not its name."""


def refusal(server: Server, move: Move) -> Conflict:
    name = LABELS.get(move.name, move.name)
    where = f"task_state {server.task_state}" if server.vm_state in move.sources else f"vm_state {server.vm_state}"
    return Conflict(f"Cannot '{name}' instance {server.id} while it is in {where}", type="InstanceInvalidState")


SERVER = Machine(Server.vm_state, busy=Server.task_state, conflict=refusal, moves=[
    Move("start", {STOPPED}, "powering-on", ACTIVE),
    Move("stop", {ACTIVE, ERROR}, "powering-off", STOPPED),
    Move("reboot", {ACTIVE}, REBOOTING, ACTIVE),
    Move("reboot_hard", {ACTIVE, STOPPED, PAUSED, SUSPENDED, ERROR}, REBOOTING_HARD, ACTIVE, from_busy=INTERRUPTIBLE),
    Move("pause", {ACTIVE}, "pausing", PAUSED),
    Move("unpause", {PAUSED}, "unpausing", ACTIVE),
    Move("suspend", {ACTIVE}, "suspending", SUSPENDED),
    Move("resume", {SUSPENDED}, "resuming", ACTIVE),
    Move("rebuild", {ACTIVE, STOPPED, ERROR}, REBUILDING, ACTIVE),
    Move("resize", {ACTIVE, STOPPED}, RESIZING, RESIZED),
    Move("confirmResize", {RESIZED}, "resize_confirming", ACTIVE),
    Move("revertResize", {RESIZED}, "resize_reverting", ACTIVE),
    Move("rescue", {ACTIVE, STOPPED, ERROR}, "rescuing", RESCUED),
    Move("unrescue", {RESCUED}, "unrescuing", ACTIVE),
    Move("snapshot", {ACTIVE, STOPPED, PAUSED, SUSPENDED}, "image_snapshot_pending", None),
    Move("changePassword", {ACTIVE}, "updating_password", ACTIVE),
])

ALLOWED = {
    "trigger_crash_dump": (ACTIVE, PAUSED, RESCUED, RESIZED, ERROR),
    "attach_interface": (ACTIVE, PAUSED, STOPPED),
    "detach_interface": (ACTIVE, PAUSED, STOPPED),
    "attach_volume": (ACTIVE, PAUSED, STOPPED, RESIZED),
    "detach_volume": (ACTIVE, PAUSED, STOPPED, RESIZED),
    "swap_volume": (ACTIVE, PAUSED, RESIZED),
    "update_metadata": (ACTIVE, PAUSED, SUSPENDED, STOPPED),
    "delete_metadata": (ACTIVE, PAUSED, SUSPENDED, STOPPED),
    "update_tags": (ACTIVE, PAUSED, SUSPENDED, STOPPED),
}
"""Actions that leave the state as it is. Those on devices and the crash dump also want an idle server."""
WHATEVER_TASK = {"update_metadata", "delete_metadata", "update_tags"}


def require(server: Server, name: str) -> None:
    """Raise Conflict unless an action that moves nothing is allowed now."""
    if server.vm_state not in ALLOWED[name]:
        raise Conflict(f"Cannot '{name}' instance {server.id} while it is in vm_state {server.vm_state}",
                       type="InstanceInvalidState")
    if server.task_state is not None and name not in WHATEVER_TASK:
        raise Conflict(f"Cannot '{name}' instance {server.id} while it is in task_state {server.task_state}",
                       type="InstanceInvalidState")


def require_move(server: Server, name: str) -> None:
    """Raise Conflict unless a move may begin now: Nova looks at the state before it looks at what was sent."""
    SERVER.require(server, name)
    require_launched(server, name)


def require_launched(server: Server, name: str) -> None:
    """Raise Conflict for a server that never was built."""
    if server.launched_at is None:
        raise Conflict(f"Cannot '{LABELS.get(name, name)}' an instance which has never been active", type="InstanceInvalidState")


STATUS: dict[str, str] = {
    ACTIVE: "ACTIVE", BUILDING: "BUILD", STOPPED: "SHUTOFF", RESIZED: "VERIFY_RESIZE", PAUSED: "PAUSED", SUSPENDED: "SUSPENDED",
    RESCUED: "RESCUE", ERROR: "ERROR", DELETED: "DELETED", SOFT_DELETED: "SOFT_DELETED", SHELVED: "SHELVED",
    SHELVED_OFFLOADED: "SHELVED_OFFLOADED",
}
_REBUILD = ("rebuilding", "rebuild_block_device_mapping", "rebuild_spawning")
_RESIZE = ("resize_prep", "resize_migrating", "resize_migrated", "resize_finish")
TASK_STATUS: dict[tuple[str, str], str] = {
    **{(ACTIVE, task): "REBOOT" for task in ("rebooting", "reboot_pending", "reboot_started")},
    **{(ACTIVE, task): "HARD_REBOOT" for task in ("rebooting_hard", "reboot_pending_hard", "reboot_started_hard")},
    **{(state, task): "REBUILD" for state in (ACTIVE, STOPPED, ERROR) for task in _REBUILD},
    **{(state, task): "RESIZE" for state in (ACTIVE, STOPPED) for task in _RESIZE},
    (ACTIVE, "updating_password"): "PASSWORD", (ACTIVE, "migrating"): "MIGRATING", (PAUSED, "migrating"): "MIGRATING",
    (RESIZED, "resize_reverting"): "REVERT_RESIZE",
}
"""The statuses that depend on what is being done; for all else the vm_state decides."""


def status(vm_state: str, task_state: str | None) -> str:
    """The one word that the API calls a server's condition."""
    return (TASK_STATUS.get((vm_state, task_state)) if task_state else None) or STATUS[vm_state]


def behind(words: str) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]] | None:
    """Which vm_states, and (vm_state, task_state) pairs, have a status; None for a word that is no status."""
    word = words.upper()
    states = tuple(state for state, name in STATUS.items() if name == word)
    pairs = tuple(pair for pair, name in TASK_STATUS.items() if name == word)
    return (states, pairs) if states or pairs else None


def settle(server: Server, vm_state: str | None = None, **values: object) -> None:
    """The work on a server has ended: idle again, unless it is being deleted meanwhile."""
    busy = DELETING if server.task_state == DELETING else None
    SERVER.force(server, state=vm_state, busy=busy, **values)
    if vm_state in POWER:
        server.power_state = POWER[vm_state]


def working(server: Server, task_state: str) -> None:
    """A job tells how far it is; a server that is being deleted stays so."""
    if server.task_state != DELETING:
        SERVER.force(server, busy=task_state)
