"""A bridge port lets out only frames that the firewall has passed, told by a mark.

This does not stand in nftables: who flushes the tables, or deletes ours, cuts guests off and does not set them free. It is a
program of seven instructions (BPF) on each port's way out, which stays with the interface when the daemon ends.
Everything here blocks: for worker threads.
"""

import ctypes
import errno
import os
import platform
import struct
from contextlib import suppress
from functools import cache

from cloudd.core import log
from cloudd.core.kernel.netlink import IPRoute, NetlinkError
from cloudd.drivers.network.linux.filter.rules import PASSED

LOG = log.get("cloudd.network")
SYSCALLS = {"x86_64": 321, "aarch64": 280, "riscv64": 280}
LOAD_PROGRAM, FOR_TRAFFIC_CONTROL = 5, 3
EGRESS = 0xFFFFFFF3                                  # of a clsact qdisc
ALL_PROTOCOLS = 3                                    # ETH_P_ALL
NAME = "cloudd-guard"
MARK_OFFSET, OK, SHOT = 8, 0, 2                      # of struct __sk_buff; verdicts of traffic control


def instruction(code: int, to: int = 0, source: int = 0, offset: int = 0, value: int = 0) -> bytes:
    return struct.pack("=BBhi", code, source << 4 | to, offset, value)


PROGRAM = b"".join((
    instruction(0x61, 0, 1, MARK_OFFSET),            # r0 = the frame's mark
    instruction(0x57, 0, value=int(PASSED, 16)),     # r0 &= PASSED
    instruction(0x55, 0, offset=2),                  # if r0 != 0: pass over two
    instruction(0xB7, 0, value=SHOT), instruction(0x95),
    instruction(0xB7, 0, value=OK), instruction(0x95),
))


@cache
def program() -> int | None:
    """The loaded program, or None where the kernel takes none: then only the watch closes what is open."""
    code, licence = ctypes.create_string_buffer(PROGRAM), ctypes.create_string_buffer(b"GPL")
    attributes = ctypes.create_string_buffer(struct.pack(
        "=IIQQ", FOR_TRAFFIC_CONTROL, len(PROGRAM) // 8, ctypes.addressof(code), ctypes.addressof(licence)).ljust(128, b"\0"), 128)
    number = SYSCALLS.get(platform.machine())
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(number, LOAD_PROGRAM, attributes, 128) if number else -1
    if fd < 0:
        LOG.warning("this kernel takes no BPF program: guests are unfiltered for the moment between the loss of the firewall's "
                    "table and its mending", error=os.strerror(ctypes.get_errno()) if number else platform.machine())
        return None
    return fd


def put(ip: IPRoute, index: int) -> None:
    """Guard an interface, unless it is guarded."""
    fd = program()
    if fd is None or present(ip, index):
        return
    with suppress_exists():
        ip.tc("add", "clsact", index)
    ip.tc("add-filter", "bpf", index, fd=fd, name=NAME, parent=EGRESS, direct_action=True, prio=1, protocol=ALL_PROTOCOLS)


def present(ip: IPRoute, index: int) -> bool:
    """Whether the interface is guarded, or cannot be."""
    if program() is None:
        return True
    try:
        filters = ip.get_filters(index=index, parent=EGRESS)
        return any(options.get_attr("TCA_BPF_NAME") == NAME for one in filters if (options := one.get_attr("TCA_OPTIONS")))
    except NetlinkError as exc:                      # no clsact qdisc: some kernels say so
        if exc.code in (errno.EINVAL, errno.ENOENT, errno.EOPNOTSUPP):
            return False
        raise


def take_away(ip: IPRoute, index: int) -> None:
    """Of an interface that goes back to the host."""
    if program() is not None and present(ip, index):
        with suppress(NetlinkError):
            ip.tc("del", "clsact", index)


class suppress_exists(suppress):                     # noqa: N801 - reads as the statement that it is
    """Forget the error that says the thing is there already."""

    def __init__(self) -> None:
        super().__init__(NetlinkError)

    def __exit__(self, kind, exc, trace) -> bool:
        return isinstance(exc, NetlinkError) and exc.code == errno.EEXIST
