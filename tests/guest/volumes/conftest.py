"""Volumes on file systems and block devices of their own, which need root."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents and os.geteuid():
            item.add_marker(pytest.mark.skip(reason="needs root"))
