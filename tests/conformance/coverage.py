"""How much of OpenStack's API is declared: the operations of all modules held against tests/conformance/operations.tsv.

    python -m tests.conformance.coverage [--missing] [--extra] [--service NAME ...] [--all]

Counted are the operations that upstream serves today (`current`), each once; `--all` counts the deprecated ones too. An
operation is served when its method, its path (whatever the variables are called) and, in compute's and volume's action
calls, its action are declared.
"""

import argparse
import csv
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "tests" / "conformance" / "operations.tsv"
VERSION = re.compile(r"/v\d+(\.\d+)?(?=/|$)")
VARIABLE = re.compile(r"\{[^}]*\}")
# the table lists Keystone's ways to log in as if they were actions; here they are one operation
LOGIN = ("POST", "/v3/auth/tokens")
# Cinder's paths have the caller's project in them, which any operation may have, and its rows bear another name than its API
PROJECT = re.compile(r"(?<=/v3)/\{(admin_)?project_id\}(?=/)")
NAMES = {"block-storage": "volume"}

Key = tuple[str, str, str]                     # method, path with {} for variables, action


@dataclass(frozen=True)
class Wanted:
    """One row of operations.tsv."""

    service: str
    key: Key
    status: str
    section: str
    weight: str
    path: str

    @property
    def line(self) -> str:
        action = f" ({self.key[2]})" if self.key[2] else ""
        return f"{self.service:14} {self.key[0]:6} {self.path}{action}  [{self.section}, {self.weight}]"


def normal(path: str) -> str:
    """A path from its version on, without the caller's project, its variables without names."""
    path = PROJECT.sub("", path.partition("?")[0])
    found = VERSION.search(path)
    path = path[found.start():] if found else path
    return VARIABLE.sub("{}", path).rstrip("/") or "/"


def key(method: str, path: str, action: str | None) -> Key:
    """What identifies an operation. Neutron's verbs stand at the end of the path as well: there the action says nothing new."""
    path = normal(path)
    verb = path.rsplit("/", 1)[-1]
    action = "" if not action or action == verb or (method, path) == LOGIN else action
    return method, path, action


def wanted() -> list[Wanted]:
    with TABLE.open(newline="") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [Wanted(row["service"], key(row["method"], row["path"], row["action"]), row["status"], row["section"],
                   row["section_weight"], row["path"]) for row in rows]


def declared() -> Iterator[tuple[str, str, str, str | None]]:
    """(service, method, path, action) of every operation of every module."""
    from cloudd.daemon import MODULES

    for module in MODULES:
        for api in module.apis:
            for operation in api.operations:
                whole = api.prefixes[0] + operation.path
                path = whole if VERSION.search(whole) else operation.path
                service = api.service.removesuffix("-versions")
                yield NAMES.get(service, service), operation.method, path, operation.action


def served(operations: Iterable[tuple[str, str, str, str | None]]) -> dict[str, set[Key]]:
    """The keys by service; a GET answers HEAD as well."""
    found: dict[str, set[Key]] = defaultdict(set)
    for service, method, path, action in operations:
        found[service].add(key(method, path, action))
        if method == "GET":
            found[service].add(key("HEAD", path, action))
    return found


@dataclass
class Report:
    services: dict[str, tuple[int, int]]       # service: served, wanted
    missing: list[Wanted]
    extra: list[tuple[str, Key]]               # declared, but not in the table


def compare(rows: list[Wanted], found: dict[str, set[Key]], statuses: set[str]) -> Report:
    counted = list({(row.service, row.key, row.path.partition("?")[2]): row for row in rows if row.status in statuses}.values())
    total = Counter(row.service for row in counted)
    missing = [row for row in counted if row.key not in found.get(row.service, set())]
    absent = Counter(row.service for row in missing)
    known = {(row.service, row.key) for row in rows}
    extra = sorted((service, one) for service, keys in found.items() for one in keys
                   if one[0] != "HEAD" and (service, one) not in known)
    return Report({service: (total[service] - absent[service], total[service]) for service in sorted(total)}, missing, extra)


def show(report: Report, services: list[str], missing: bool, extra: bool) -> None:
    chosen = {name: counts for name, counts in report.services.items() if not services or name in services}
    for name, (have, want) in chosen.items():
        print(f"{name:14} {have:4} of {want:4}  {100 * have / want:5.1f} %")
    have, want = (sum(column) for column in zip(*chosen.values(), strict=True))
    print(f"{'all':14} {have:4} of {want:4}  {100 * have / want:5.1f} %")
    for row in report.missing if missing else ():
        if row.service in chosen:
            print(f"missing  {row.line}")
    for name, (method, path, action) in report.extra if extra else ():
        print(f"extra    {name:14} {method:6} {path} {action}".rstrip())


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make coverage", description="What of OpenStack's API is served.")
    parser.add_argument("--missing", action="store_true", help="list the operations that are not served")
    parser.add_argument("--extra", action="store_true", help="list what is served but stands in no API reference")
    parser.add_argument("--all", action="store_true", help="count deprecated operations too")
    parser.add_argument("--service", action="append", default=[], help="only this service (may be repeated)")
    options = parser.parse_args(arguments)
    statuses = {"current", "deprecated"} if options.all else {"current"}
    rows = wanted()
    if unknown := set(options.service) - {row.service for row in rows}:
        parser.error(f"no such service: {', '.join(sorted(unknown))}")
    show(compare(rows, served(declared()), statuses), options.service, options.missing, options.extra)
    return 0


if __name__ == "__main__":
    sys.exit(main())
