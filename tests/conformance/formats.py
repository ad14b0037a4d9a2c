"""Disk images of every format for Tempest's ImagesFormatTest: real ones by qemu-img, and such as must be refused, with the manifest
that it reads."""

import subprocess
from pathlib import Path

import yaml

from tests import disk_images

REAL = {"qcow2": "qcow2", "vmdk": "vmdk", "vhd": "vpc", "vhdx": "vhdx", "vdi": "vdi", "raw": "raw"}
BAD = {"qcow2-backing-file": ("qcow2", disk_images.qcow2_with_backing), "qcow2-data-file": ("qcow2", disk_images.qcow2_with_data_file),
       "vmdk-flat": ("vmdk", lambda: disk_images.vmdk("monolithicFlat", 'RW 32768 FLAT "/etc/shadow" 0'))}
SIZE = 16 << 20


def write(folder: Path, bad: bool) -> Path:
    """Make the images; the manifest. `bad`: with those that must be refused."""
    folder.mkdir(parents=True, exist_ok=True)
    raw = folder / "image.raw"
    raw.write_bytes(b"a disk" * 1000)
    with raw.open("r+b") as file:
        file.truncate(SIZE)
    images = []
    for name, kind in REAL.items():
        if name != "raw":
            subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", kind, raw, folder / f"image.{name}"], check=True, timeout=120)
        images.append({"name": name, "format": name, "filename": f"image.{name}", "usable": True})
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", raw, folder / "stream.vmdk"],
                   check=True, timeout=120)
    (folder / "image.iso").write_bytes(disk_images.iso())
    images += [{"name": "vmdk-streamOptimized", "format": "vmdk", "filename": "stream.vmdk", "usable": True},
               {"name": "iso", "format": "iso", "filename": "image.iso", "usable": True}]
    for name, (kind, made) in BAD.items() if bad else ():
        (folder / name).write_bytes(made())
        images.append({"name": name, "format": kind, "filename": name, "usable": False})
    manifest = folder / "manifest.yaml"
    manifest.write_text(yaml.safe_dump({"images": images}))
    return manifest
