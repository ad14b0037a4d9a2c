"""Passphrases on their way to QEMU's tools: in memory that only they are handed, never in arguments or files."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

FIRST = 64                               # far from the numbers that a tool itself expects something under


@dataclass(frozen=True)
class Handed:
    """What a tool's command line says of its secrets, and the open files behind it."""

    words: tuple[str, ...]
    files: tuple[int, ...]


@contextmanager
def handed(keys: Mapping[str, bytes]) -> Iterator[Handed]:
    """Secrets by the id under which QEMU is to know them."""
    words: list[str] = []
    files: list[int] = []
    try:
        for name, value in keys.items():
            made = os.memfd_create(f"secret {name}")
            try:
                os.write(made, value)
                files.append(fcntl.fcntl(made, fcntl.F_DUPFD_CLOEXEC, FIRST))
            finally:
                os.close(made)
            words += ["--object", f"secret,id={name},file=/dev/fd/{files[-1]}"]
        yield Handed(tuple(words), tuple(files))
    finally:
        for handle in files:
            os.close(handle)
