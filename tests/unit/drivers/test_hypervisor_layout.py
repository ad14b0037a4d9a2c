"""Who may go through the directories of guests: QEMU's group, and nobody else."""

import os
from pathlib import Path

import pytest

from cloudd.drivers.hypervisor.layout import Layout, make_folder

GROUP = 64055


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "instances", tmp_path / "cache", tmp_path / "run")
    made.make()
    return made


def seen(path: Path) -> tuple[int, int]:
    return path.stat().st_gid, path.stat().st_mode & 0o777


@pytest.mark.skipif(os.geteuid() != 0, reason="gives directories to a group")
def test_the_group_of_qemu_is_let_through_old_and_new_directories(layout: Layout):
    make_folder(layout.server("old"))
    layout.admit(GROUP)
    umask = os.umask(0o077)
    try:
        make_folder(layout.server("new"))
    finally:
        os.umask(umask)
    assert {seen(path) for path in (layout.instances, layout.cache, layout.server("old"), layout.server("new"))} == {(GROUP, 0o710)}
    assert seen(layout.run) == (GROUP, 0o770)


def test_a_folder_that_is_there_stays_as_it_is(layout: Layout):
    make_folder(layout.server("one"))
    layout.server("one").chmod(0o700)
    make_folder(layout.server("one"))
    assert seen(layout.server("one"))[1] == 0o700
