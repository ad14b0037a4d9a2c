"""What every store that can be written does the same way; run on files and on a real S3 server."""

import os

import pytest

from cloudd.core.module import DriverError, load_driver
from cloudd.drivers.store import s3 as s3_driver
from cloudd.drivers.store.base import BlobMissing, StoreError, StoreUnreachable
from cloudd.drivers.store.file import FileStore
from cloudd.drivers.store.s3 import S3Store
from tests import s3
from tests.api.conftest import free_port

LARGE = os.urandom(1 << 20) * 12


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with s3.server(tmp_path_factory.mktemp("s3") / "log") as place:
        yield place


@pytest.fixture(params=["file", "s3", "s3 in a folder"])
async def store(request, tmp_path, server, monkeypatch):
    monkeypatch.setattr(s3_driver, "PART", 5 << 20)
    if request.param == "file":
        store = FileStore(tmp_path / "store")
    else:
        store = S3Store(s3.address(server, "images/of/a cloud" if "folder" in request.param else "images"), "far")
    await store.open()
    yield store
    for key in await store.keys():
        await store.delete(key)
    await store.close()


async def put(store, key, *pieces):
    writer = await store.writer(key)
    for piece in pieces:
        await writer.write(piece)
    size = await writer.commit()
    await writer.abort()
    return size


async def get(store, key, *where):
    return b"".join([chunk async for chunk in store.read(key, *where)])


async def test_what_is_written_is_read(store):
    assert await put(store, "one", b"ab", bytearray(b"cd"), memoryview(b"ef")) == 6
    assert await get(store, "one") == b"abcdef" and await store.size("one") == 6
    assert await store.keys() == ["one"]


async def test_large_blobs_and_ranges(store):
    assert await put(store, "large", *(LARGE[at:at + 700_001] for at in range(0, len(LARGE), 700_001))) == len(LARGE)
    assert await get(store, "large") == LARGE
    assert await get(store, "large", 5_000_000, 1_000_001) == LARGE[5_000_000:6_000_001]
    assert await get(store, "large", len(LARGE) - 3) == LARGE[-3:]
    assert await get(store, "large", 0, 0) == b""
    assert await get(store, "large", 7, len(LARGE)) == LARGE[7:]


async def test_an_empty_blob(store):
    assert await put(store, "empty") == 0
    assert await get(store, "empty") == b"" and await store.size("empty") == 0


async def test_the_head_of_what_is_being_written(store):
    writer = await store.writer("one")
    await writer.write(b"abcdef")
    assert await writer.head(4) == b"abcd"
    await writer.abort()


@pytest.mark.parametrize("data", [b"a little", LARGE])
async def test_nothing_is_seen_of_what_was_given_up(store, data):
    writer = await store.writer("half")
    await writer.write(data)
    assert await store.keys() == []
    await writer.abort()
    await writer.abort()
    assert await store.keys() == []
    with pytest.raises(BlobMissing):
        await store.size("half")


async def test_the_later_one_replaces(store):
    await put(store, "one", b"old and longer")
    await put(store, "one", b"new")
    assert await get(store, "one") == b"new"


async def test_deleting_may_be_repeated(store):
    await put(store, "one", b"x")
    await store.delete("one")
    await store.delete("one")
    with pytest.raises(BlobMissing):
        await get(store, "one")
    with pytest.raises(BlobMissing):
        await store.size("one")


async def test_a_local_file_is_moved_in(store, tmp_path):
    path = tmp_path / "disk"
    path.write_bytes(LARGE)
    assert await store.adopt("one", path) == len(LARGE)
    assert await get(store, "one") == LARGE and not path.exists()


async def test_what_operators_are_told_has_no_secrets(store):
    assert "secret" not in repr(store.properties()) + store.url("one") and store.url("one").endswith("one")


async def test_parts_that_a_crash_left_go_with_the_blob(server, monkeypatch):
    monkeypatch.setattr(s3_driver, "PART", 5 << 20)
    store = S3Store(s3.address(server), "far")
    await store.open()
    writer = await store.writer("cut")
    await writer.write(LARGE)                                 # the process ends here: no abort
    while writer._pending:
        await writer._await_part()
    assert len((await store.client.list_multipart_uploads(Bucket="images"))["Uploads"]) == 1
    await store.delete("cut")
    assert "Uploads" not in await store.client.list_multipart_uploads(Bucket="images")
    await store.close()


async def test_a_bucket_that_is_missing_is_told(server):
    store = S3Store(s3.address(server, "nothing"), "far")
    with pytest.raises(StoreError, match="has no bucket nothing"):
        await store.open()
    await store.close()


async def test_a_server_that_does_not_answer_is_told(monkeypatch):
    store = S3Store(s3.address(f"127.0.0.1:{free_port()}"), "far")
    with pytest.raises(StoreUnreachable, match="does not answer"):
        await store.open()
    await store.close()


@pytest.mark.parametrize("address", ["https://KEY:SECRET@host", "https://host/bucket", "ftp://KEY:SECRET@host/bucket", "bucket",
                                     "https://KEY:SECRET@host/bucket?colour=red"])
def test_addresses_that_cannot_be(address):
    with pytest.raises(ValueError) as told:
        S3Store(address, "far")
    assert "KEY:SECRET@host" not in str(told.value)


def test_a_driver_that_is_not_there_is_told():
    with pytest.raises(DriverError, match="there are: file, http, s3"):
        load_driver("store", "tape")
