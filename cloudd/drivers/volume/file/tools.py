"""QEMU's tools on layers: each told every layer with its format, the passphrase by a file in memory, and held to limits."""

import errno
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cloudd.core import confined, log
from cloudd.core.confined import Limits, ToolError
from cloudd.core.diskimages import UnsafeImage
from cloudd.core.disks import nodes, qemu_img
from cloudd.core.disks.secrets import handed
from cloudd.drivers.volume.base import BackendFull, BadImage, Passphrase, VolumeBusy, VolumeError

LOG = log.get("cloudd.volumes.file")
COPY = Limits(4 << 30, 6 * 3600, 24 * 3600)
NAMES = {"vhd": "vpc", "ploop": "parallels"}             # QEMU's for Glance's
COMPRESSED = ("qcow2", "vmdk")


@contextmanager
def said(what: str) -> Iterator[None]:
    """Complaints in words that a volume's owner may read; the log has the tool's own."""
    try:
        yield
    except UnsafeImage as exc:
        raise BadImage(str(exc)) from exc
    except ToolError as exc:
        words = str(exc)
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


async def rebase(files: Sequence[nodes.File], onto: nodes.File, passphrase: Passphrase | None) -> None:
    """Make the first layer stand on one further down, by taking in what those between have. Cut off anywhere, it reads as it did."""
    with handed(keys(passphrase)) as secret:
        await confined.run("qemu-img", "rebase", *secret.words, "-q", "-f", files[0].format, "-F", onto.format, "-b", str(onto.path),
                           nodes.disk(files), limits=COPY, room=files[0].path.parent, hand=secret.files)


async def grow(file: nodes.File, size: int) -> None:
    """A qcow2 whose tables lack the room."""
    await qemu_img.grow(file.path, file.format, size)


def room(folder: Path) -> tuple[int, int]:
    """Bytes in all and free."""
    usage = shutil.disk_usage(folder)
    return usage.total, usage.free
