"""The image cache: what may be dropped, what a killed daemon leaves, streams with holes."""

import os

import pytest

from cloudd.core.disks.files import copy_sparse, write_sparse
from cloudd.drivers.hypervisor.base import HypervisorConfig, HypervisorError
from cloudd.drivers.hypervisor.image_cache import RECENT_SECONDS, ImageCache
from cloudd.drivers.hypervisor.layout import Layout, tail

KIB = 1024


async def copy(source, format, target):
    copy_sparse(source, target)


def of_size(count: int):
    async def data():
        yield os.urandom(count)
    return data


async def filled(folder, limit: int, *sizes: int) -> ImageCache:
    """Entries named 0, 1, … of these sizes, the first used longest ago."""
    cache = ImageCache(folder, limit, copy)
    for number, size in enumerate(sizes):
        await cache.bring(str(number), of_size(size), "raw")
        age = RECENT_SECONDS + 1000 - number
        os.utime(cache.path(str(number)), (os.stat(folder).st_mtime - age,) * 2)
    return cache


async def test_the_entries_used_longest_ago_go_first(tmp_path):
    cache = await filled(tmp_path, 300 * KIB, 100 * KIB, 100 * KIB, 100 * KIB)
    await cache.bring("new", of_size(150 * KIB), "raw")
    assert cache.ids() == {"2", "new"}


async def test_what_a_disk_holds_stays(tmp_path):
    cache = await filled(tmp_path, 300 * KIB, 100 * KIB, 100 * KIB, 100 * KIB)
    cache.link("0", tmp_path.with_name(tmp_path.name + "-server") / "root.base")
    await cache.bring("new", of_size(150 * KIB), "raw")
    assert cache.ids() == {"0", "new"}


async def test_what_was_asked_for_just_now_stays(tmp_path):
    cache = await filled(tmp_path, 100 * KIB, 90 * KIB)
    await cache.bring("0", of_size(1), "raw")
    await cache.bring("new", of_size(90 * KIB), "raw")
    assert cache.ids() == {"0", "new"}


async def test_a_killed_fetch_is_forgotten_at_the_next_start(tmp_path):
    (tmp_path / "image.fetch").write_bytes(b"half")
    (tmp_path / "image.ready").write_bytes(b"half")
    (tmp_path / "good").write_bytes(b"whole")
    cache = ImageCache(tmp_path, KIB, copy)
    cache.open()
    assert cache.ids() == {"good"} and [path.name for path in tmp_path.iterdir()] == ["good"]


async def test_streams_with_holes_come_whole(tmp_path):
    async def data():
        for chunk in (bytes(8192), b"middle", bytes(100000), b"end", bytes(5000)):
            yield chunk
    path, copied = tmp_path / "a", tmp_path / "b"
    await write_sparse(path, data())
    copy_sparse(path, copied)
    assert path.read_bytes() == bytes(8192) + b"middle" + bytes(100000) + b"end" + bytes(5000) == copied.read_bytes()


def test_the_end_of_a_log_reaches_back_into_the_rotated_one(tmp_path):
    path = tmp_path / "console.log"
    assert tail(path, 10) == b""
    path.write_bytes(b"new")
    path.with_name("console.log.0").write_bytes(b"0123456789")
    assert tail(path, 5) == b"89new" and tail(path, 2) == b"ew" and tail(path, 100) == b"0123456789new"


def test_a_run_dir_too_long_for_sockets_is_refused_at_once():
    with pytest.raises(HypervisorError, match="too long"):
        Layout.of(HypervisorConfig("c", "/i", "/c", "/run/" + "x" * 80))
