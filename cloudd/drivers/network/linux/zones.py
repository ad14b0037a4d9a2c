"""One conntrack zone per network, kept in a file so that flows stay known across a daemon restart."""

import json
import zlib
from collections.abc import Iterable
from pathlib import Path

from cloudd.drivers.network.base import NetworkDriverError, NetworkSpec

LAST = 65535


class Zones:
    def __init__(self, file: Path):
        self.file = file
        self.numbers: dict[str, int] = {}            # network id -> zone

    def load(self) -> None:
        self.numbers = json.loads(self.file.read_text()) if self.file.exists() else {}

    def claim(self, spec: NetworkSpec) -> int:
        """The caller's number, the one it had, or a free one found from its id."""
        if spec.zone is None and spec.id in self.numbers:
            return self.numbers[spec.id]
        taken = {zone for network, zone in self.numbers.items() if network != spec.id}
        if spec.zone is not None and spec.zone in taken:
            raise NetworkDriverError(f"conntrack zone {spec.zone} of network {spec.id} belongs to another network")
        self.numbers[spec.id] = spec.zone if spec.zone is not None else self.free(spec.id, taken)
        self.save()
        return self.numbers[spec.id]

    def free(self, network_id: str, taken: set[int]) -> int:
        if len(taken) >= LAST:
            raise NetworkDriverError("all 65535 conntrack zones are taken")
        zone = zlib.crc32(network_id.encode()) % LAST + 1
        while zone in taken:
            zone = zone % LAST + 1
        return zone

    def keep(self, network_ids: Iterable[str]) -> None:
        """Forget the zones of all other networks."""
        wanted = set(network_ids)
        if self.numbers.keys() - wanted:
            self.numbers = {network: zone for network, zone in self.numbers.items() if network in wanted}
            self.save()

    def release(self, network_id: str) -> None:
        self.keep(self.numbers.keys() - {network_id})

    def save(self) -> None:
        fresh = self.file.with_suffix(".new")
        fresh.write_text(json.dumps(self.numbers, sort_keys=True))
        fresh.replace(self.file)
