"""nftables as data: tables of chains, sets and maps, and the text that takes the kernel from one state to another.

Text goes through libnftables inside this process (2-9 ms a change), or through the `nft` command where the library is
missing. One text is one transaction: all of it or nothing. Each rule bears a mark of its text as its comment, by which
it is known again when the kernel is read (nft_state.py).
"""

import ctypes
import ctypes.util
import dataclasses
import hashlib
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from cloudd.drivers.network.base import NetworkDriverError
from cloudd.drivers.network.linux import netns

STATELESS, JSON = 1 << 2, 1 << 4


@dataclass(frozen=True)
class Chain:
    rules: tuple[str, ...] = ()
    hook: str = ""                                   # "type filter hook forward priority 0; policy accept;"


@dataclass(frozen=True)
class Elements:
    """A set, or a map where elements have values. Elements are written as nftables writes them itself."""

    type: str                                        # "ipv4_addr", "ifname : verdict"
    elements: Mapping[str, str | None]
    flags: str = ""                                  # with "dynamic", the kernel's own rules fill it
    more: str = ""                                   # "size 65535; timeout 1s;"
    typeof: str = ""                                 # instead of the type, for what no type is there: "@th,64,128"

    @property
    def kind(self) -> str:
        return "map" if ":" in self.type else "set"

    def head(self) -> str:
        head = f"typeof {self.typeof};" if self.typeof else f"type {self.type};"
        return head + (f" flags {self.flags};" if self.flags else "") + (f" {self.more}" if self.more else "")


@dataclass(frozen=True)
class Patch:
    """A change of some elements of a set that is there."""

    gone: Mapping[str, str | None]
    new: Mapping[str, str | None]

    def of(self, item: Elements) -> Elements:
        return dataclasses.replace(item, elements={key: value for key, value in item.elements.items() if key not in self.gone}
                                   | dict(self.new))


Object = Chain | Elements
Key = tuple[str, str]                                # ("bridge cloudd_ab12cd34", "forward")
Objects = Mapping[Key, Object]
Changes = Mapping[Key, Object | Patch | None]        # None: it goes

# In a set of several fields nftables reads no prefix of 0, though it writes one.
WHOLE = ((" . 0.0.0.0/0", " . 0.0.0.0-255.255.255.255"), (" . ::/0", " . ::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"))


@lru_cache(1 << 16)
def mark(rule: str) -> str:
    """By which a rule of this text is known again."""
    return hashlib.sha256(rule.encode()).hexdigest()[:12]


def marked(rule: str) -> str:
    return f'{rule} comment "{mark(rule)}"'


def element(key: str, value: str | None) -> str:
    for short, long in WHOLE:
        if key.endswith(short):
            key = key.removesuffix(short) + long
    return key if value is None else f"{key} : {value}"


def joined(elements: Mapping[str, str | None]) -> str:
    return ", ".join(element(key, elements[key]) for key in sorted(elements))


def replace(tables: Iterable[str], objects: Objects) -> str:
    """Text that makes these tables hold exactly these objects, whatever is there now."""
    lines = []
    for table in tables:
        lines += [f"table {table}", f"delete table {table}", f"table {table} {{"]
        mine = {name: item for (owner, name), item in objects.items() if owner == table}
        # Chains that nothing defines yet may be jumped to, maps that a rule uses may not: maps without values first.
        lines += [line for name, item in mine.items() if isinstance(item, Elements) for line in declared(name, item)]
        lines += [line for name, item in mine.items() if isinstance(item, Chain) for line in chain_block(name, item)]
        lines.append("}")
    return "\n".join(lines) + "\n"


def declared(name: str, item: Elements) -> list[str]:
    elements = [f"    elements = {{ {joined(item.elements)} }};"] if item.elements else []
    return [f"  {item.kind} {name} {{", f"    {item.head()}", *elements, "  }"]


def chain_block(name: str, chain: Chain) -> list[str]:
    hook = [f"    {chain.hook}"] if chain.hook else []
    return [f"  chain {name} {{", *hook, *(f"    {marked(rule)}" for rule in chain.rules), "  }"]


def changed(current: Objects, changes: Changes) -> dict[Key, Object | None]:
    """The changes as whole objects, without those that change nothing."""
    real: dict[Key, Object | None] = {}
    for key, item in changes.items():
        before = current.get(key)
        if isinstance(item, Patch):
            item = item.of(before) if isinstance(before, Elements) and (item.gone or item.new) else before
        if before != item:
            real[key] = item
    return real


def change(current: Objects, changes: Mapping[Key, Object | None]) -> str:
    """Text that takes the kernel from `current` to what `changes` says of some of its objects; empty when alike."""
    real = {key: item for key, item in changes.items() if current.get(key) != item}
    made, filled, taken, ended = [], [], [], []
    for (table, name), item in sorted(real.items(), key=lambda one: one[0]):
        before = current.get((table, name))
        if item is None:
            taken += removed(table, name, before)
            ended.append(f"delete {'chain' if isinstance(before, Chain) else before.kind} {table} {name}")
        elif isinstance(item, Chain):
            made += [] if before else [f"add chain {table} {name}" + (f" {{ {item.hook} }}" if item.hook else "")]
            filled += [f"flush chain {table} {name}"] if before else []
            filled += [f"add rule {table} {name} {marked(rule)}" for rule in item.rules]
        else:
            made += [] if before else [f"add {item.kind} {table} {name} {{ {item.head()} }}"]
            filled += refilled(table, name, before.elements if before else {}, item.elements)
    ended.sort(key=lambda line: not line.startswith("delete chain"))     # chains first: their rules hold on to sets
    return "".join(f"{line}\n" for line in made + filled + taken + ended)


def removed(table: str, name: str, before: Object | None) -> list[str]:
    """Chains are emptied first, since they may hold each other; maps too, since they hold chains."""
    if isinstance(before, Chain):
        return [f"flush chain {table} {name}"]
    return [f"flush {before.kind} {table} {name}"] if before and before.kind == "map" else []


def refilled(table: str, name: str, before: Mapping[str, str | None], after: Mapping[str, str | None]) -> list[str]:
    gone = {key: value for key, value in before.items() if key not in after or after[key] != value}
    new = {key: value for key, value in after.items() if key not in before or before[key] != value}
    lines = [f"delete element {table} {name} {{ {joined(gone)} }}"] if gone else []
    return lines + ([f"add element {table} {name} {{ {joined(new)} }}"] if new else [])


@cache
def library() -> Any:
    """libnftables, or None where it is not installed."""
    for name in ("libnftables.so.1", ctypes.util.find_library("nftables")):
        try:
            lib = ctypes.CDLL(name) if name else None
        except OSError:
            continue
        if lib is not None:
            return typed(lib)
    return None


def typed(lib: Any) -> Any:
    lib.nft_ctx_new.restype = ctypes.c_void_p
    lib.nft_ctx_new.argtypes = [ctypes.c_uint32]
    lib.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    lib.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
    lib.nft_ctx_set_dry_run.argtypes = [ctypes.c_void_p, ctypes.c_bool]
    for name in ("nft_ctx_free", "nft_ctx_buffer_output", "nft_ctx_buffer_error"):
        getattr(lib, name).argtypes = [ctypes.c_void_p]
    for name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
        getattr(lib, name).argtypes = [ctypes.c_void_p]
        getattr(lib, name).restype = ctypes.c_char_p
    return lib


def run(namespace: str, text: str, flags: int = 0, dry: bool = False) -> str:
    """Run nft commands in a namespace, in this (worker) thread; what they print. A dry run only asks the kernel."""
    with netns.inside(namespace):
        code, out, err = in_process(library(), text, flags, dry) if library() else by_command(text, flags, dry)
    if code:
        raise NetworkDriverError(f"nftables refused a change in namespace {namespace or '(host)'}: {err.strip()[:2000]}")
    return out


def in_process(lib: Any, text: str, flags: int, dry: bool) -> tuple[int, str, str]:
    """The context's socket belongs to the namespace in which it is made, so each call makes its own (0.3 ms)."""
    context = lib.nft_ctx_new(0)
    if not context:
        raise NetworkDriverError("libnftables gave no context")
    try:
        lib.nft_ctx_buffer_output(context)
        lib.nft_ctx_buffer_error(context)
        lib.nft_ctx_output_set_flags(context, flags)
        lib.nft_ctx_set_dry_run(context, dry)
        code = lib.nft_run_cmd_from_buffer(context, text.encode())
        return code, lib.nft_ctx_get_output_buffer(context).decode(), lib.nft_ctx_get_error_buffer(context).decode()
    finally:
        lib.nft_ctx_free(context)


def by_command(text: str, flags: int, dry: bool) -> tuple[int, str, str]:
    options = [option for bit, option in ((STATELESS, "-s"), (JSON, "-j")) if flags & bit] + ["-c"] * dry
    done = subprocess.run(["nft", *options, "-f", "-"], input=text, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@lru_cache(1 << 16)
def quoted(name: str) -> str:
    return f'"{name}"'
