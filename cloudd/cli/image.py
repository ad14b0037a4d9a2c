"""`cloudd image catalogue|fetch`: official cloud images, downloaded with resume, checked, registered through the image API."""

import asyncio
import hashlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from cloudd.cli.session import CallFailed, login
from cloudd.settings import Settings

CATALOGUE = Path(__file__).with_name("catalogue.yaml")
CHUNK = 1 << 20
ATTEMPTS = 5


@dataclass(frozen=True)
class Entry:
    """One image of the catalogue. `sums` is the address of a checksum list that names the file of `url`."""

    name: str
    title: str
    url: str
    sums: str
    algorithm: str
    user: str
    min_disk: int
    min_ram: int
    distro: str
    version: str
    format: str = "qcow2"


class FetchFailed(RuntimeError):
    """The image could not be had; the message says why."""


def read_catalogue(path: Path = CATALOGUE) -> dict[str, Entry]:
    """The catalogue by name."""
    return {name: Entry(name=name, **entry) for name, entry in yaml.safe_load(path.read_text()).items()}


def catalogue() -> int:
    """Print the catalogue."""
    for entry in read_catalogue().values():
        print(f"{entry.name:14} {entry.title:32} user {entry.user:8} disk {entry.min_disk:3} GB  memory {entry.min_ram:5} MB  {entry.url}")
    return 0


async def fetch(settings: Settings, name: str, cloud: str, path: Path = CATALOGUE) -> int:
    """Download, check and register an image; the exit status."""
    entries = read_catalogue(path)
    if name not in entries:
        print(f"cloudd image fetch: {name} is not in the catalogue; there are: {', '.join(entries)}", file=sys.stderr)
        return 1
    state = Path(settings.server.state_dir)
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, connect=20, sock_read=60)) as http:
            file = await _download(http, entries[name], state / "downloads")
        await _register(state / "clouds.yaml", cloud, entries[name], file)
    except (FetchFailed, CallFailed, aiohttp.ClientError, OSError) as exc:
        print(f"\ncloudd image fetch: {exc or type(exc).__name__}", file=sys.stderr)
        return 1
    file.unlink()
    return 0


async def _download(http: aiohttp.ClientSession, entry: Entry, directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / entry.url.rsplit("/", 1)[-1]
    wanted = await _checksum(http, entry)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            await _continue(http, entry, target)
            break
        except (aiohttp.ClientError, TimeoutError) as exc:
            if attempt == ATTEMPTS:
                raise FetchFailed(f"{entry.url}: {exc or type(exc).__name__}") from exc
            print(f"\n{exc or type(exc).__name__}; going on where it stopped")
    found = await asyncio.to_thread(_digest, target, entry.algorithm)
    if found != wanted:
        target.unlink()
        raise FetchFailed(f"{entry.url}: the {entry.algorithm} is {found}, {entry.sums} says {wanted}; the file was deleted")
    print(f"\n{entry.algorithm} {found[:16]}... is right")
    return target


async def _checksum(http: aiohttp.ClientSession, entry: Entry) -> str:
    async with http.get(entry.sums) as response:
        if response.status != 200:
            raise FetchFailed(f"{entry.sums} answered {response.status}")
        text = await response.text()
    length, name = hashlib.new(entry.algorithm).digest_size * 2, entry.url.rsplit("/", 1)[-1]
    for line in text.splitlines():
        words = line.replace("=", " ").replace("(", " ").replace(")", " ").split()
        sums = [word for word in words if len(word) == length]
        if sums and (name in line or len(words) == 1):
            return sums[0].lower()
    raise FetchFailed(f"{entry.sums} has no {entry.algorithm} of {name}")


async def _continue(http: aiohttp.ClientSession, entry: Entry, target: Path) -> None:
    have = target.stat().st_size if target.exists() else 0
    async with http.get(entry.url, headers={"Range": f"bytes={have}-"} if have else {}) as response:
        if response.status == 416:                            # all of it is here
            return
        if response.status not in (200, 206):
            raise FetchFailed(f"{entry.url} answered {response.status}")
        have = have if response.status == 206 else 0
        total = have + (response.content_length or 0)
        with target.open("ab" if have else "wb") as handle:
            async for data in response.content.iter_chunked(CHUNK):
                await asyncio.to_thread(handle.write, data)
                have += len(data)
                _progress("download", have, total)


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, algorithm).hexdigest()


async def _register(clouds: Path, cloud: str, entry: Entry, file: Path) -> None:
    record: dict[str, Any] = {
        "name": entry.name, "disk_format": entry.format, "container_format": "bare", "min_disk": entry.min_disk, "min_ram": entry.min_ram,
        "visibility": "public" if cloud == "admin" else "private", "os_distro": entry.distro, "os_version": entry.version,
        "os_admin_user": entry.user, "os_type": "linux", "hw_rng_model": "virtio", "hw_qemu_guest_agent": "yes"}
    async with login(clouds, cloud) as session:
        image = await session.call("POST", "image", "/v2/images", record)
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(file.stat().st_size)}
        await session.call("PUT", "image", f"/v2/images/{image['id']}/file", data=_read(file), headers=headers)
    print(f"\nimage {entry.name} is {image['id']}; log in as {entry.user}")


async def _read(file: Path) -> AsyncIterator[bytes]:
    size, sent = file.stat().st_size, 0
    with file.open("rb") as handle:
        while data := await asyncio.to_thread(handle.read, CHUNK):
            yield data
            sent += len(data)
            _progress("register", sent, size)


def _progress(what: str, done: int, total: int) -> None:
    if sys.stdout.isatty():
        share = f"{100 * done // total:3} %" if total else ""
        print(f"\r{what} {share} {done >> 20} MiB", end="", flush=True)
