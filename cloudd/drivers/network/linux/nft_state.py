"""The kernel's tables read back as objects, what differs from those that are wanted, and the mending of just that.

A rule is read by the mark in its comment alone: one that somebody wrote by hand has none, one that is gone is missed.
"""

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from cloudd.drivers.network.base import NetworkDriverError
from cloudd.drivers.network.linux import nft
from cloudd.drivers.network.linux.nft import JSON, Chain, Changes, Elements, Key, Object, Objects, mark, run

NEW = "table"                                        # as an object's name: the table itself is not there


class Ruleset:
    """The tables that we own in one namespace, and what they are to hold. Everything here blocks."""

    def __init__(self, namespace: str, tables: tuple[str, ...]):
        self.namespace = namespace
        self.tables = tables
        self.objects: dict[Key, Object] = {}
        self.known = False                           # False: the kernel may hold anything, read it

    def remove(self) -> None:
        """The tables themselves."""
        run(self.namespace, "".join(f"table {table}\ndelete table {table}\n" for table in self.tables))
        self.objects, self.known = {}, False

    def apply(self, changes: Changes) -> bool:
        """Change some objects; True when something did. A refusal changes nothing, unless the kernel is not as we
        thought: then that is mended, and the change made with it."""
        real = nft.changed(self.objects, changes)
        after = {key: item for key, item in {**self.objects, **real}.items() if item is not None}
        if not self.known:
            return bool(self.bring(after))
        if not real:
            return False
        try:
            run(self.namespace, nft.change(self.objects, real))
        except NetworkDriverError:
            if not self.compare():
                raise
            self.bring(after)
        self.objects = after
        return True

    def replace(self, objects: Objects) -> bool:
        """Make the tables hold exactly these objects."""
        return self.apply({**dict.fromkeys(self.objects), **objects})

    def compare(self) -> list[str]:
        """What differs in the kernel from what is wanted, by name; empty when nothing does, or nothing was wanted yet."""
        if not self.known:
            return []
        return named(differing(read(self.namespace, self.tables), self.objects, self.tables))

    def mend(self) -> list[str]:
        """Undo what differs, and nothing else, as one transaction; what it was, by name."""
        return self.bring(self.objects) if self.known else []

    def bring(self, objects: Objects) -> list[str]:
        """Take the kernel from whatever it holds to these objects, touching only what differs."""
        seen = read(self.namespace, self.tables)
        wrong = differing(seen, objects, self.tables)
        if wrong:
            run(self.namespace, self.text(seen, objects, wrong))
        self.objects, self.known = dict(objects), True
        return named(wrong)

    def text(self, seen: dict[str, Objects], objects: Objects, wrong: set[Key]) -> str:
        rebuilt = [table for table in self.tables if (table, NEW) in wrong]
        text = nft.replace(rebuilt, objects)
        there = {key: item for found in seen.values() for key, item in found.items()}
        return text + nft.change(there, {key: objects.get(key) for key in wrong if key[0] not in rebuilt})


def named(wrong: Iterable[Key]) -> list[str]:
    return [f"{table} {name}" if name != NEW else table for table, name in sorted(wrong)]


def differing(seen: dict[str, Objects], objects: Objects, tables: Iterable[str]) -> set[Key]:
    """The objects that are to be changed; the whole table where it is gone or where something is of another kind."""
    wrong: set[Key] = set()
    for table in tables:
        there = seen.get(table)
        wanted = {key: item for key, item in objects.items() if key[0] == table}
        if there is None:
            wrong |= {(table, NEW)}
            continue
        some = {key for key in {*there, *wanted} if not alike(there.get(key), wanted.get(key))}
        wrong |= {(table, NEW)} if any(rebuilt(there.get(key), wanted.get(key)) for key in some) else some
    return wrong


def alike(seen: Object | None, item: Object | None) -> bool:
    if seen is None or item is None:
        return seen is item
    if rebuilt(seen, item):
        return False
    if isinstance(item, Chain):
        return seen.rules == tuple(mark(rule) for rule in item.rules)
    return "dynamic" in item.flags or seen.elements == item.elements


def rebuilt(seen: Object | None, item: Object | None) -> bool:
    """Whether the one cannot become the other while others refer to it."""
    if seen is None or item is None:
        return False
    if isinstance(seen, Chain) or isinstance(item, Chain):
        return not (isinstance(seen, Chain) and isinstance(item, Chain) and seen.hook == item.hook)
    return (seen.type, seen.flags) != (item.type, plain_flags(item.flags))


def plain_flags(flags: str) -> str:
    """Without those that nftables does not tell."""
    return ",".join(sorted(flag for flag in flags.split(",") if flag not in ("", "dynamic")))


# Reading

def read(namespace: str, tables: Iterable[str]) -> dict[str, Objects]:
    """Each of the tables that is there, with its objects; the rules of chains are their marks."""
    there = names(namespace)
    return {table: objects(table, listing(namespace, f"list table {table}")) for table in tables if table in there}


def names(namespace: str) -> set[str]:
    """The tables that are there, whosever they are."""
    return {f"{one['family']} {one['name']}" for kind, one in listing(namespace, "list tables") if kind == "table"}


def counted(namespace: str, table: str, name: str) -> dict[int, int]:
    """Element -> packets, of a set of numbers that counts."""
    items = [item["elem"] for kind, set_ in listing(namespace, f"list set {table} {name}") if kind == "set"
             for item in set_.get("elem", ())]
    return {int(item["val"]): item["counter"]["packets"] for item in items}


def listing(namespace: str, command: str) -> list[tuple[str, dict[str, Any]]]:
    found = json.loads(run(namespace, command, JSON) or "{}")
    return [next(iter(item.items())) for item in found.get("nftables", ())]


def objects(table: str, items: list[tuple[str, dict[str, Any]]]) -> Objects:
    found: dict[Key, Object] = {}
    rules: dict[str, list[str]] = {}
    for kind, item in items:
        if kind == "chain":
            found[table, item["name"]] = Chain((), hook(item))
        elif kind == "rule":
            rules.setdefault(item["chain"], []).append(item.get("comment", ""))
        elif kind in ("set", "map"):
            found[table, item["name"]] = elements(item)
    return found | {(table, name): replace(found[table, name], rules=tuple(marks)) for name, marks in rules.items()}


def hook(chain: dict[str, Any]) -> str:
    if "hook" not in chain:
        return ""
    return f"type {chain['type']} hook {chain['hook']} priority {chain['prio']}; policy {chain['policy']};"


def elements(item: dict[str, Any]) -> Elements:
    fields = item["type"] if isinstance(item["type"], list) else [item["type"]]
    kind = " . ".join(fields) + (f" : {item['map']}" if "map" in item else "")
    pairs = item.get("elem", ())
    if "map" in item:
        content = {key(fields, pair[0]): value(pair[1]) for pair in pairs}
    else:
        content = dict.fromkeys(key(fields, pair) for pair in pairs)
    return Elements(kind, content, plain_flags(",".join(item.get("flags", ()))))


def key(fields: list[str], said: Any) -> str:
    if isinstance(said, dict) and "elem" in said:
        note = said["elem"].get("comment")
        return key(fields, said["elem"]["val"]) + (f' comment "{note}"' if note else "")
    parts = said["concat"] if isinstance(said, dict) and "concat" in said else [said]
    return " . ".join(part(field, one) for field, one in zip(fields, parts, strict=True))


def part(field: str, said: Any) -> str:
    """One field of an element, as we write it."""
    if isinstance(said, dict) and "prefix" in said:
        return f"{said['prefix']['addr']}/{said['prefix']['len']}"
    if isinstance(said, dict) and "range" in said:
        return "-".join(part(field, one) for one in said["range"])
    if field == "ifname":
        return nft.quoted(said)
    return f"0x{int(str(said), 0):032x}" if field == "integer" else str(said)


def value(said: Any) -> str:
    if not isinstance(said, dict):
        return str(said)
    verdict, to = next(iter(said.items()))
    return f"{verdict} {to['target']}" if isinstance(to, dict) else verdict
