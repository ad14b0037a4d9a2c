"""What is asked of data over its being harmless: that it is what its record says, sound and not too large."""

import pytest

from cloudd.core import diskimages
from cloudd.core.diskimages import Found
from cloudd.core.errors import UnsupportedMedia
from cloudd.image.inspect import Rules, check, judge
from tests import disk_images as make
from tests.hostile_images import CLAIMS

RULES = Rules(most=1 << 40, most_virtual=1 << 43, match=True, partitions=True)
LENIENT = Rules(most=1 << 40, most_virtual=1 << 43, match=False, partitions=False)


@pytest.mark.parametrize(("declared", "found", "good"), [
    ("qcow2", "qcow2", True), ("raw", "raw", True), ("raw", "qcow2", False), ("qcow2", "raw", False), ("aki", "raw", True),
    ("raw", "iso", False), (None, "qcow2", True), ("iso", "raw", False), ("raw", "vmdk", False), ("ploop", "raw", True),
    ("vhd", "vhdx", False),
])
def test_the_declared_format_must_be_the_real_one(declared, found, good):
    if good:
        assert judge(Found(found, 7), declared, "bare", RULES) == 7
    else:
        with pytest.raises(UnsupportedMedia, match=f"it is {found}"):
            judge(Found(found, 7), declared, "bare", RULES)
        assert judge(Found(found, 7), declared, "bare", LENIENT) is None


def test_packages_are_of_their_own_form():
    assert judge(Found("raw", 7), "qcow2", "ova", RULES) is None


@pytest.mark.parametrize("name", CLAIMS)
def test_small_images_that_claim_huge_disks_are_refused(name):
    declared, data, words = CLAIMS[name]
    watcher = diskimages.watch()
    watcher.feed(data)
    with pytest.raises(UnsupportedMedia, match=words):
        check(watcher, declared, "bare", RULES)


def test_partition_tables_are_looked_at_where_the_settings_want_it():
    watcher = diskimages.watch()
    watcher.feed(make.mbr((3, 3, 3)))
    with pytest.raises(UnsupportedMedia, match="check_partitions"):
        check(watcher, "raw", "bare", RULES)
    assert check(watcher, "raw", "bare", LENIENT) == 1 << 20
