"""What a daemon with the real drivers has in its memory of a library that is larger than what is used of it."""

import subprocess
import sys

import pytest

LOADED = "import sys, cloudd.drivers.network.linux.driver; print([name for name in sys.modules if name in ({names})])"
UNUSED = ("pyroute2.ndb.main", "pyroute2.plan9.server", "psutil", "unittest.case", "difflib")


def said(text):
    return subprocess.run([sys.executable, "-c", text], check=True, capture_output=True, text=True).stdout.strip()


def test_the_drivers_do_not_load_what_nobody_uses():
    assert said(LOADED.format(names=", ".join(map(repr, UNUSED)))) == "[]"


@pytest.mark.parametrize("wanted", ["from pyroute2 import NDB", "import pyroute2; pyroute2.NDB", "from pyroute2 import netns, IPRoute",
                                    "import unittest; unittest.TestCase", "from unittest import TestCase, mock"])
def test_the_library_is_whole_for_whoever_wants_more_of_it(wanted):
    assert said(f"import cloudd.core.kernel.netlink; {wanted}; print('there')") == "there"
