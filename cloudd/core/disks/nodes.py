"""A disk's layers as QEMU's tools are told them: every file with its format, and that nothing is below the last. So no header is
believed, whatever a guest has written where one could be."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEY = "key0"
"""The id of the passphrase of all layers of an encrypted disk."""


@dataclass(frozen=True)
class File:
    path: Path
    format: str                          # raw or qcow2
    encrypted: bool = False              # by LUKS: within the qcow2, or around the raw data


def disk(layers: Sequence[File]) -> str:
    """The filename of a disk whose first layer is the one on top."""
    return "json:" + json.dumps(_node(layers))


def target(layer: File) -> str:
    """The options of a layer that a tool writes to, by itself."""
    path = str(layer.path).replace(",", ",,")
    if not layer.encrypted:
        return f"driver={layer.format},file.driver=file,file.filename={path}"
    if layer.format == "raw":
        return f"driver=luks,key-secret={KEY},file.driver=file,file.filename={path}"
    return f"driver=qcow2,encrypt.format=luks,encrypt.key-secret={KEY},file.driver=file,file.filename={path}"


def _node(layers: Sequence[File]) -> dict[str, Any]:
    layer, *beneath = layers
    file = {"driver": "file", "filename": str(layer.path)}
    if layer.format == "raw":
        return {"driver": "luks", "key-secret": KEY, "file": file} if layer.encrypted else {"driver": "raw", "file": file}
    node = {"driver": "qcow2", "file": file, "backing": _node(beneath) if beneath else None}
    return node | ({"encrypt": {"format": "luks", "key-secret": KEY}} if layer.encrypted else {})
