"""Volumes on LVM, in the Debian guest of tests/guest/lvm, which is emulated: only the ratios mean something."""

import tempfile
from pathlib import Path

from tests.bench.figures import Figure
from tests.guest.lvm import inside
from tests.guest.lvm.guest import IMAGE, Guest

AIM = 1.2


def figures(full: bool) -> list[Figure]:
    if not IMAGE.exists():
        print(f"  no Debian guest in {IMAGE}: it is made by `make lvmguest`")
        return []
    with tempfile.TemporaryDirectory(prefix="lvm-bench-") as folder:
        for line in Guest(Path(folder)).lives(**{inside.ONLY.name: inside.a_hundred_snapshots_each_cost_one_command.__name__}):
            if line[0] == "figure":
                _, name, ours, plain = line
                return [Figure(name, 1000 * ours, "ms", (("lvcreate -s", 1000 * plain),), times=AIM)]
    return []
