"""`kill -9` at each step of each verb of the file driver: what was there reads as before, and doing it again does it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fault.volume_kills import SCENES


@pytest.mark.timeout(300)
@pytest.mark.parametrize("scene", SCENES)
def test_a_killed_verb_loses_nothing_and_can_be_repeated(scene, tmp_path):
    ended = subprocess.run([sys.executable, "-m", "tests.fault.volume_kills", scene, str(tmp_path)], cwd=Path(__file__).parents[2],
                           capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert int(ended.stdout.strip().rpartition("\n")[2]) >= 1
