"""How the kernel showed small nftables tables after our last change, to compare with later. Everything here blocks."""

import json
from collections.abc import Iterator, Mapping

from cloudd.drivers.network.linux import nft
from cloudd.drivers.network.linux.nft import Key, Object, Ruleset


class Seals:
    def __init__(self) -> None:
        self.known: dict[tuple[str, str], str] = {}  # (namespace, table) -> its text

    def settle(self, rules: Ruleset, objects: Mapping[Key, Object]) -> None:
        """Make a ruleset hold exactly these objects, and remember how the kernel shows it."""
        if rules.replace(dict(objects)) or not all((rules.namespace, table) in self.known for table in rules.tables):
            self.known |= {(rules.namespace, table): shown(rules.namespace, table) for table in rules.tables}

    def changed(self, rules: Ruleset) -> Iterator[str]:
        """Which of a ruleset's tables the kernel shows otherwise now, in words."""
        for table in rules.tables:
            right = self.known.get((rules.namespace, table))
            if right is not None and (now := shown(rules.namespace, table)) != right:
                yield f"table {table} was changed" if now else f"table {table} is gone"


def shown(namespace: str, table: str) -> str:
    """A table as the kernel has it, without what counts; empty when it is not there."""
    family, name = table.split()
    tables = json.loads(nft.run(namespace, f"list tables {family}", nft.JSON) or "{}").get("nftables", ())
    if not any(item.get("table", {}).get("name") == name for item in tables):
        return ""
    return nft.run(namespace, f"list table {table}", nft.STATELESS)


def length(namespace: str, table: str, chain: str) -> int:
    """How many rules a chain has."""
    listing = json.loads(nft.run(namespace, f"list chain {table} {chain}", nft.JSON))["nftables"]
    return sum("rule" in item for item in listing)
