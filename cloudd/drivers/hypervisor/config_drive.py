"""Builds the CD that tells a guest about itself where no metadata service is to be relied on."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from cloudd.drivers.hypervisor import tools
from cloudd.drivers.hypervisor.base import HypervisorError

LABEL = "config-2"                                      # cloud-init and cloudbase-init look for it
BUILDERS = ("genisoimage", "mkisofs", "xorrisofs")      # one command line suits them all


async def build(target: Path, files: Mapping[str, bytes]) -> None:
    """Write an ISO 9660 image with Joliet and Rock Ridge names to `target`."""
    builder = next((name for name in BUILDERS if shutil.which(name)), None)
    if builder is None:
        raise HypervisorError("no tool to make config drives; install genisoimage or xorriso")
    with tempfile.TemporaryDirectory(prefix=".config-drive-", dir=target.parent) as folder:
        lay_out(Path(folder), files)
        await tools.run(builder, "-o", str(target), "-ldots", "-allow-lowercase", "-allow-multidot", "-l",
                        "-publisher", "cloudd", "-quiet", "-J", "-r", "-V", LABEL, folder)


def lay_out(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        parts = PurePosixPath(name).parts
        if not parts or name.startswith("/") or ".." in parts:
            raise HypervisorError(f"{name!r} cannot be a file of a config drive")
        path = folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
