"""QEMU's tools on layers: each told every layer with its format, the passphrase by a file in memory, and held to limits."""

import asyncio
import errno
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

from cloudd.core import confined, log, tasks
from cloudd.core.confined import Limits, ToolError
from cloudd.core.diskimages import UnsafeImage
from cloudd.core.disks import nodes, qemu_img
from cloudd.core.disks.nbd import Client
from cloudd.core.disks.secrets import handed
from cloudd.core.disks.server import serve
from cloudd.drivers.volume.base import BackendFull, BadImage, Passphrase, VolumeBusy, VolumeError

LOG = log.get("cloudd.volumes.file")
COPY = Limits(4 << 30, 6 * 3600, 24 * 3600)
NAMES = {"vhd": "vpc", "ploop": "parallels"}             # QEMU's for Glance's
PIECE, AT_ONCE = 1 << 20, 8
COMPRESSED = ("qcow2", "vmdk")


@contextmanager
def said(what: str) -> Iterator[None]:
    """Complaints in words that a volume's owner may read; the log has the tool's own."""
    try:
        yield
    except UnsafeImage as exc:
        raise BadImage(str(exc)) from exc
    except ToolError as exc:
        words = str(exc).rpartition("}': ")[2]               # without the disk's description, which has such words, too
        if "Is another process using the image" in words or " lock" in words:
            raise VolumeBusy(f"{what} is open elsewhere") from exc
        if "No space left" in words or "filled the disk" in words:
            raise BackendFull(f"no room was left in the back end for {what}") from exc
        if "Invalid password" in words or "key-secret" in words or "No secret with id" in words:
            raise VolumeError(f"{what} is encrypted, and this is not its passphrase") from exc
        LOG.warning("a tool failed", what=what, error=words)
        raise VolumeError(f"the work on {what} failed; cloudd's log tells more") from exc
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise BackendFull(f"no room was left in the back end for {what}") from exc
        LOG.warning("the file system failed", what=what, error=str(exc))
        raise VolumeError(f"the back end failed at {what}: {exc.strerror}") from exc


def keys(passphrase: Passphrase | None) -> dict[str, bytes]:
    return {} if passphrase is None else {nodes.KEY: passphrase.value}


async def convert(source: Sequence[nodes.File], target: nodes.File, passphrase: Passphrase | None = None) -> None:
    """All data into a layer that is there, empty, and has room for it."""
    with handed(keys(passphrase)) as secret:
        await confined.run("qemu-img", "convert", *secret.words, "-n", "--target-is-zero", "-f", source[0].format, "--target-image-opts",
                           nodes.disk(source), nodes.target(target), limits=COPY, room=target.path.parent, hand=secret.files)


async def export(source: Sequence[nodes.File], target: Path, format: str, compress: bool, passphrase: Passphrase | None) -> None:
    how = ("-c",) if compress and format in COMPRESSED else ()
    with handed(keys(passphrase)) as secret:
        await confined.run("qemu-img", "convert", *secret.words, *how, "-f", source[0].format, "-O", NAMES.get(format, format),
                           nodes.disk(source), str(target), limits=COPY, room=target.parent, hand=secret.files)


async def commit(files: Sequence[nodes.File], passphrase: Passphrase | None) -> None:
    """What the first layer has into the one beneath it. Cut off anywhere, both still read as they did."""
    with handed(keys(passphrase)) as secret:
        await confined.run("qemu-img", "commit", *secret.words, "-q", "-d", "-f", files[0].format, nodes.disk(files), limits=COPY,
                           room=files[0].path.parent, hand=secret.files)


async def take_in(source: Sequence[nodes.File], numbers: range, target: Sequence[nodes.File], passphrase: Passphrase | None) -> None:
    """What some layers of the source have, by their numbers from the top, into the first layer of the target.

    Not qemu-img's rebase: that looks for the layer to stand on by a name, and opens what its header says.
    """
    async with AsyncExitStack() as opened:
        into = await _served(opened, target, passphrase, write=True)
        out_of = into if source == target else await _served(opened, source, passphrase, write=False)
        work: set[asyncio.Task[None]] = set()
        try:
            async for start, length in _pieces(out_of, numbers):
                if len(work) >= AT_ONCE:
                    done, work = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
                    await asyncio.gather(*done)
                work.add(tasks.start("copy a piece", _copy(out_of, into, start, length)))
            await asyncio.gather(*work)
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
        await into.flush()


async def held(files: Sequence[nodes.File], numbers: range, passphrase: Passphrase | None) -> list[tuple[int, int]]:
    """Where some layers have something, by their numbers from the top: (offset, length), none touching the next."""
    found: list[tuple[int, int]] = []
    async with AsyncExitStack() as opened:
        disk = await _served(opened, files, passphrase, write=False)
        async for start, length in _pieces(disk, numbers, 1 << 62):
            if found and sum(found[-1]) == start:
                start, length = found[-1][0], found.pop()[1] + length
            found.append((start, length))
    return found


async def _pieces(disk: Client, numbers: range, most: int = PIECE) -> AsyncIterator[tuple[int, int]]:
    at = 0
    while at < disk.size:
        for length, number in await disk.depths(at, disk.size - at):
            for start in range(at, at + length, most) if number in numbers else ():
                yield start, min(most, at + length - start)
            at += length


async def _served(opened: AsyncExitStack, files: Sequence[nodes.File], passphrase: Passphrase | None, *, write: bool) -> Client:
    served = await serve(files, files[0].path.parent, write=write, keys=keys(passphrase))
    opened.push_async_callback(served.close)
    return served.client


async def _copy(source: Client, target: Client, offset: int, length: int) -> None:
    data = await source.read(offset, length)
    if data.count(0) == length:
        await target.zero(offset, length)
    else:
        await target.write(offset, data)


async def grow(file: nodes.File, size: int) -> None:
    """A qcow2 whose tables lack the room."""
    await qemu_img.grow(file.path, file.format, size)


def room(folder: Path) -> tuple[int, int]:
    """Bytes in all and free."""
    usage = shutil.disk_usage(folder)
    return usage.total, usage.free
