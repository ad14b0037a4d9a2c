"""Blobs as objects of a bucket of an S3-compatible server; needs `pip install cloudd[s3]`.

The address is https://KEY:SECRET@HOST/BUCKET, with a folder behind it where the bucket is shared, and options:
`?region=eu-1&style=virtual&ca=/etc/ssl/own.pem`. KEY and SECRET are percent-encoded. An object appears under its key when its
upload is completed, so what is not whole is never seen; parts that a crash left are dropped by `delete`.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError

from cloudd.core import tasks
from cloudd.drivers.store.base import BlobMissing, Store, StoreError, StoreFull, StoreUnreachable, Writer

PART = 16 << 20                     # the least that S3 takes is 5 MiB, and an upload has at most 10,000 parts:
GROWS_EVERY = 1500                  # parts double after so many, which is enough for 2 TiB
AT_ONCE = 2                         # parts on their way while the next is filled
CHUNK = 1 << 20
HEAD = 1 << 20
RESUMES = 3
MISSING = {"NoSuchKey", "NoSuchUpload", "404"}
FULL = {"QuotaExceeded", "XMinioStorageFull", "InsufficientCapacity", "507"}
KEY = re.compile(r"[\w-]{1,64}")
OPTIONS = {"region", "style", "ca"}


class S3Store(Store):
    kind = "s3"
    description = "Objects of an S3 server"
    exclusive = False

    def __init__(self, address: str, name: str, settings: Any = None):
        """Raises ValueError, without the secret in its words, for an address that cannot be."""
        self.name = name
        parts = urlsplit(address)
        self.bucket, _, folder = parts.path.strip("/").partition("/")
        if parts.scheme not in ("http", "https") or not parts.hostname or not self.bucket:
            raise ValueError("the address of an S3 store is https://KEY:SECRET@HOST/BUCKET")
        if not parts.username or not parts.password:
            raise ValueError("the address of an S3 store has KEY:SECRET@ before its host")
        self.endpoint = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self.prefix = f"{folder}/" if folder else ""
        self._secrets = (unquote(parts.username), unquote(parts.password))
        self._options = dict(parse_qsl(parts.query, keep_blank_values=True))
        if unknown := self._options.keys() - OPTIONS:
            raise ValueError(f"{', '.join(sorted(unknown))} is no option of an S3 store; there are {', '.join(sorted(OPTIONS))}")
        self._stack = AsyncExitStack()
        self.client: Any = None

    async def open(self) -> None:
        key, secret = self._secrets
        config = AioConfig(connect_timeout=10, read_timeout=60, retries={"mode": "standard", "max_attempts": 3},
                           s3={"addressing_style": self._options.get("style", "path")},
                           # what is younger than 2024 in the protocol, and S3-compatible servers often lack
                           request_checksum_calculation="when_required", response_checksum_validation="when_required")
        self.client = await self._stack.enter_async_context(get_session().create_client(
            "s3", endpoint_url=self.endpoint, region_name=self._options.get("region", "us-east-1"), aws_access_key_id=key,
            aws_secret_access_key=secret, verify=self._options.get("ca") or None, config=config))
        await self.usage()

    async def close(self) -> None:
        await self._stack.aclose()

    async def usage(self) -> None:
        """Nobody counts an S3 server's room; but whether the bucket is there and ours to use can be asked."""
        try:
            with self._told():
                await self.client.head_bucket(Bucket=self.bucket)
        except BlobMissing as exc:
            raise StoreError(f"{self.endpoint} has no bucket {self.bucket}: make it there") from exc

    @contextmanager
    def _told(self, key: str = "") -> Iterator[None]:
        """The server's failures, by meaning."""
        try:
            yield
        except ClientError as exc:
            raise self._meant(exc, key) from exc
        except (BotoCoreError, aiohttp.ClientError, TimeoutError, OSError) as exc:
            raise StoreUnreachable(f"{self.endpoint} does not answer: {exc or type(exc).__name__}") from exc

    def _meant(self, error: ClientError, key: str) -> StoreError:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in MISSING or status == 404:
            return BlobMissing(f"the store {self.name} has no {key or self.bucket}")
        if code in FULL or status == 507:
            return StoreFull(f"no room is left in the bucket {self.bucket} of {self.endpoint}")
        if status == 403:
            return StoreError(f"{self.endpoint} refuses the key that [image] stores gives for the bucket {self.bucket} ({code})")
        kind = StoreUnreachable if status >= 500 else StoreError
        return kind(f"{self.endpoint} answered {status} {code}: {error.response.get('Error', {}).get('Message', '')}".rstrip(": "))

    def _object(self, key: str) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self.prefix + key}

    async def writer(self, key: str) -> Writer:
        return S3Writer(self, key)

    async def read(self, key: str, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """A connection that breaks is taken up again where it broke, so that a long download survives."""
        resumes, left = 0, length
        while left is None or left > 0:
            until = "" if left is None else offset + left - 1
            wanted = {"Range": f"bytes={offset}-{until}"} if offset or left is not None else {}
            try:
                with self._told(key):
                    answer = await self.client.get_object(**self._object(key), **wanted)
                    async with answer["Body"] as body:
                        async for chunk in body.iter_chunks(CHUNK):
                            offset += len(chunk)
                            left = None if left is None else left - len(chunk)
                            yield chunk
                return
            except StoreUnreachable:
                resumes += 1
                if resumes > RESUMES:
                    raise

    async def size(self, key: str) -> int:
        with self._told(key):
            return (await self.client.head_object(**self._object(key)))["ContentLength"]

    async def adopt(self, key: str, path: Path) -> int:
        writer = await self.writer(key)
        try:
            with path.open("rb") as file:
                while data := await asyncio.to_thread(file.read, PART):
                    await writer.write(data)
            size = await writer.commit()
        finally:
            await writer.abort()
        path.unlink(missing_ok=True)
        return size

    async def delete(self, key: str) -> None:
        """The object, and uploads of it that were never completed."""
        with self._told(key):
            answer = await self.client.list_multipart_uploads(Bucket=self.bucket, Prefix=self.prefix + key)
            for upload in answer.get("Uploads", []):
                if upload["Key"] == self.prefix + key:
                    await self.client.abort_multipart_upload(**self._object(key), UploadId=upload["UploadId"])
            await self.client.delete_object(**self._object(key))

    async def keys(self) -> list[str]:
        found: list[str] = []
        with self._told():
            async for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix):
                found += [entry["Key"].removeprefix(self.prefix) for entry in page.get("Contents", [])]
        return found

    def url(self, key: str) -> str:
        return f"s3+{self.endpoint}/{self.bucket}/{self.prefix}{key}"

    def key_of(self, url: str) -> str | None:
        key = url.removeprefix(self.url(""))
        return key if key != url and KEY.fullmatch(key) else None

    def properties(self) -> dict[str, str]:
        return {"s3_store_host": self.endpoint, "s3_store_bucket": self.bucket, "folder": self.prefix.rstrip("/"),
                "s3_store_large_object_chunk_size": str(PART >> 20)}


class S3Writer(Writer):
    """Sends parts as they are full, a few at once; a small blob is one object sent at the end."""

    def __init__(self, store: S3Store, key: str):
        self._store, self._key = store, key
        self._buffer, self._head = bytearray(), b""
        self._size, self._sent = 0, 0
        self._upload: str | None = None
        self._pending: list[asyncio.Task[dict[str, Any] | StoreError]] = []
        self._done: list[dict[str, Any]] = []

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        if len(self._head) < HEAD:
            self._head += bytes(data[:HEAD - len(self._head)])
        self._buffer += data
        self._size += len(data)
        while len(self._buffer) >= (part := PART << self._sent // GROWS_EVERY):
            await self._send(bytes(self._buffer[:part]))
            del self._buffer[:part]

    async def head(self, size: int) -> bytes:
        return self._head[:size]

    async def _send(self, data: bytes) -> None:
        if self._upload is None:
            with self._store._told(self._key):
                answer = await self._store.client.create_multipart_upload(**self._store._object(self._key))
            self._upload = answer["UploadId"]
        if len(self._pending) >= AT_ONCE:
            await self._await_part()
        self._sent += 1
        self._pending.append(tasks.start(f"part of {self._key}", self._send_part(self._sent, data)))

    async def _send_part(self, number: int, data: bytes) -> dict[str, Any] | StoreError:
        try:
            with self._store._told(self._key):
                answer = await self._store.client.upload_part(**self._store._object(self._key), UploadId=self._upload,
                                                              PartNumber=number, Body=data)
        except StoreError as exc:
            return exc                                        # raised where the part is waited for
        return {"PartNumber": number, "ETag": answer["ETag"]}

    async def _await_part(self) -> None:
        part = await self._pending.pop(0)
        if isinstance(part, StoreError):
            raise part
        self._done.append(part)

    async def commit(self) -> int:
        if self._upload is None:
            with self._store._told(self._key):
                await self._store.client.put_object(**self._store._object(self._key), Body=bytes(self._buffer))
            return self._size
        if self._buffer:
            await self._send(bytes(self._buffer))
        while self._pending:
            await self._await_part()
        with self._store._told(self._key):
            await self._store.client.complete_multipart_upload(**self._store._object(self._key), UploadId=self._upload,
                                                               MultipartUpload={"Parts": self._done})
        self._upload = None
        return self._size

    async def abort(self) -> None:
        for task in self._pending:
            task.cancel()
        await asyncio.gather(*self._pending, return_exceptions=True)
        self._pending.clear()
        self._buffer.clear()
        if self._upload is not None:
            upload, self._upload = self._upload, None
            with self._store._told(self._key):
                await self._store.client.abort_multipart_upload(**self._store._object(self._key), UploadId=upload)
