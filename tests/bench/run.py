"""Measures cloudd, each figure beside what it is held against: `make bench [ARGS="start idle --full"]`.

The results stand in build/bench/NAME.tsv as well, and the next run shows them beside its own. Nothing is asserted: an aim that is
missed is printed as such.
"""

import argparse
import compileall
import os
from collections.abc import Callable

from tests.bench import (
    figures,
    firewall,
    guest,
    identity,
    idle,
    images,
    jobs,
    keys,
    lists,
    memory,
    refused,
    servers,
    start,
    writes,
)
from tests.bench.process import ROOT
from tests.bench.volumes import layers, lvm

RESULTS = ROOT / "build" / "bench"
SUBJECTS: dict[str, Callable[[bool], list[figures.Figure]]] = {
    "start": start.figures, "idle": idle.figures, "identity": identity.figures, "lists": lists.figures, "servers": servers.figures,
    "writes": writes.figures, "keys": keys.figures,
    "images": images.figures, "jobs": jobs.figures, "firewall": firewall.figures, "memory": memory.figures, "refused": refused.figures,
    "guest": guest.figures, "layers": layers.figures, "lvm": lvm.figures,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench ARGS=", description="Measure cloudd.")
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=f"which: {', '.join(SUBJECTS)} (default: all)")
    parser.add_argument("--full", action="store_true", help="longer: a whole idle minute, more seconds for rates")
    options = parser.parse_args()
    if unknown := set(options.subjects) - set(SUBJECTS):
        parser.error(f"no such subject: {', '.join(sorted(unknown))}; there are: {', '.join(SUBJECTS)}")
    compileall.compile_dir(ROOT / "cloudd", quiet=2)           # what an installation does once
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; other work on the machine makes all figures worse")
    for subject in options.subjects or SUBJECTS:
        found = SUBJECTS[subject](options.full)
        path = RESULTS / f"{subject}.tsv"
        figures.show(subject, found, figures.kept(path))
        figures.keep(path, found)


if __name__ == "__main__":
    main()
