"""What importing the daemon costs, by module: run as `python -m tests.bench.costs`, prints kilobytes as JSON.

A module's cost is what the proportional set grew by while its own code ran, without that of what it imported meanwhile. Pages come
whole, so that a single file's figure says little; the sum over a room or a library is good to some hundred kilobytes.
"""

import importlib.machinery
import json
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any


def pss_kb(pid: int | str = "self") -> int:
    """The proportional set size: private memory, and a share of what is shared."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


class Scales(importlib.machinery.PathFinder):
    """Finds modules as Python does, and weighs each while it is executed."""

    costs: Counter[str] = Counter()
    _inner: list[int] = []

    @classmethod
    def find_spec(cls, fullname: str, path: Any = None, target: Any = None) -> Any:
        spec = super().find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = cls._weighing(spec.loader)
        return spec

    @classmethod
    def _weighing(cls, loader: Any) -> Any:
        run = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            before = pss_kb()
            cls._inner.append(0)
            try:
                run(module)
            finally:
                grown, inner = pss_kb() - before, cls._inner.pop()
                cls.costs[module.__name__] += grown - inner
                if cls._inner:
                    cls._inner[-1] += grown
        loader.exec_module = exec_module
        return loader


def main() -> None:
    began = pss_kb()
    sys.meta_path.insert(0, Scales)
    import cloudd.daemon  # noqa: F401 - what is measured
    print(json.dumps({"python": began, "costs": dict(Scales.costs)}))


if __name__ == "__main__":
    main()
