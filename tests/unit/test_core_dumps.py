"""A daemon, or a command, that crashes leaves none of its memory behind: there are keys in it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CRASH = """
import os, resource
most = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (most, most))
canary = ("CANARY-" + "in-memory") * 1000
{guard}
os.abort()
"""
GUARD = """
import ctypes
from cloudd.__main__ import keep_out_of_core_dumps
keep_out_of_core_dumps()
assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0) and ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) == 0      # PR_GET_DUMPABLE
"""


def crashed(directory: Path, guard: str) -> tuple[bool, list[Path]]:
    """Whether a process that aborts there dumped core, and the files that lie there then."""
    process = subprocess.Popen([sys.executable, "-c", CRASH.format(guard=guard)], cwd=directory)
    status = os.waitpid(process.pid, 0)[1]
    process.returncode = 0
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == 6, status
    return os.WCOREDUMP(status), list(directory.iterdir())


def test_no_core_is_dumped(tmp_path):
    assert crashed(tmp_path, GUARD) == (False, [])


def test_without_the_guard_one_is(tmp_path):
    dumped, _ = crashed(tmp_path, "")
    if not dumped:
        pytest.skip("this machine dumps no cores anyway")
