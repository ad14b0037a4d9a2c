"""A small Debian guest under QEMU that runs tests/guest/lvm/inside.py, and whose power can be cut at any moment."""

import json
import os
import select
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
IMAGE = Path(os.environ.get("CLOUDD_TEST_LVM_GUEST", ROOT / "build/lvmguest/root.img"))
KERNEL = ROOT / "build/testguest"
MARK = b"@@ "
DISK_BYTES = 8 << 30
SILENCE_SECONDS = 300
CODE = ("cloudd/__init__.py", "cloudd/core/*.py", "cloudd/core/disks/*.py", "cloudd/core/diskimages/*.py", "cloudd/core/work/*.py",
        "cloudd/drivers/__init__.py", "cloudd/drivers/faults.py", "cloudd/drivers/volume/**/*.py", "tests/__init__.py",
        "tests/unit/drivers/__init__.py", "tests/unit/drivers/volume/__init__.py", "tests/unit/drivers/volume/volume_contract.py",
        "tests/unit/drivers/volume/volume_rig.py", "tests/guest/lvm/inside.py")
"""What the guest needs of us: the driver and all that it stands on use nothing but Python's own library."""

Line = list[Any]


class Guest:
    """One disk with a volume group, over several lives of a machine."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._disk = folder / "disk.raw"
        with self._disk.open("wb") as file:
            file.truncate(DISK_BYTES)
        self.log = folder / "serial.log"             # of the life that is, or was the last

    def lives(self, **files: str) -> Iterator[Line]:
        """Boot, and what is told until the guest ends. Whoever stops listening cuts the power. `files` lie where it runs."""
        archive = self._folder / "job.tar"
        self.log.write_bytes(b"")
        self._pack(archive, files)
        process = subprocess.Popen(self._command(archive), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            yield from self._lines(process)
        finally:
            process.kill()
            process.wait()

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]

    def _pack(self, archive: Path, files: dict[str, str]) -> None:
        with tarfile.open(archive, "w") as tar:
            for pattern in CODE:
                for path in sorted(ROOT.glob(pattern)):
                    tar.add(path, str(path.relative_to(ROOT)))
            for name, content in files.items():
                path = self._folder / name
                path.write_text(content)
                tar.add(path, name)

    def _command(self, archive: Path) -> list[str]:
        drives = [f"file={IMAGE},format=raw,if=virtio,snapshot=on", f"file={archive},format=raw,if=virtio,readonly=on",
                  f"file={self._disk},format=raw,if=virtio,cache=writeback,discard=unmap"]
        return ["qemu-system-x86_64", "-accel", "tcg,tb-size=64", "-machine", "pc", "-cpu", "max", "-smp", "1", "-m", "512", "-nodefaults",
                "-display", "none", "-serial", "stdio", "-no-reboot", "-kernel", str(KERNEL / "testguest-vmlinuz"),
                "-initrd", str(KERNEL / "testguest-initrd"),
                "-append", "root=/dev/vda console=ttyS0 quiet loglevel=3 mitigations=off no_timer_check",
                *(word for drive in drives for word in ("-drive", drive))]

    def _lines(self, process: "subprocess.Popen[bytes]") -> Iterator[Line]:
        output = process.stdout
        assert output is not None
        pending = b""
        while True:
            ready, _, _ = select.select([output], [], [], SILENCE_SECONDS)
            if not ready:
                raise TimeoutError(f"the guest told nothing more; its last words: {self.last_words()}")
            data = os.read(output.fileno(), 65536)
            if not data:
                return
            with self.log.open("ab") as log:
                log.write(data)
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                start = line.find(MARK)
                if start >= 0:
                    yield json.loads(line[start + len(MARK):])
