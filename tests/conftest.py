"""What holds for all tests: which of them stay together when they run on several cores, and where the time goes."""

from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
TOGETHER = (ROOT / "guest" / "cloud", ROOT / "api" / "cli")
"""Folders whose tests share something that is dear to make: one real cloud with a guest in it, one client."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A file's tests run on one core, in their order, and so do those of some folders."""
    for item in items:
        group = next((folder for folder in TOGETHER if folder in item.path.parents), item.path)
        item.add_marker(pytest.mark.xdist_group(str(group.relative_to(ROOT))))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The ten files that took longest, set-up included."""
    seconds: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds[report.nodeid.partition("::")[0]] += report.duration
    if len(seconds) > 1:
        terminalreporter.section("slowest files")
        for name, took in seconds.most_common(10):
            terminalreporter.write_line(f"{took:7.1f} s  {name}")
