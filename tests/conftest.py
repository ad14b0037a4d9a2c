"""What holds for all tests: which of them stay together when they run on several cores, and where the time goes."""

from collections import Counter
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

TOGETHER = ("tests/guest/cloud/", "tests/api/cli/")
"""Folders whose tests share something that is dear to make: one real cloud with a guest in it, one client."""


class Files(LoadScopeScheduling):
    """A file's tests run on one core, in their order, and so do those of some folders."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((folder for folder in TOGETHER if file.startswith(folder)), file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Files:
    """In the order of the command line: what takes longest comes first there, so that no core is idle in the end."""
    config.option.loadscopereorder = False
    return Files(config, log)


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
