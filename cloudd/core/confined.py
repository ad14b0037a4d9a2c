"""Runs a tool of the machine on what users made: with limits of memory, processor time, size of files and room on the disk."""

import asyncio
import shutil
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cloudd.core import tasks

ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
RESERVE = 1 << 30                        # bytes of a disk that a tool has to leave to everybody else
LOOK_EVERY = 0.5


class ToolError(Exception):
    """The tool is missing, failed, or went over its limits; the message is its last words."""


@dataclass(frozen=True)
class Limits:
    memory_bytes: int
    cpu_seconds: int
    wall_seconds: int
    file_bytes: int = 1 << 46


async def run(*command: str, limits: Limits, room: Path | None = None, hand: Sequence[int] = (),
              stdin: int = asyncio.subprocess.DEVNULL) -> bytes:
    """Run a tool; its output. `room` is a folder that it fills: it is stopped before the disk there is full. `hand`: open files that
    it is given under their numbers. Raises ToolError."""
    process = await asyncio.create_subprocess_exec(
        _find("prlimit"), f"--as={limits.memory_bytes}", f"--cpu={limits.cpu_seconds}", f"--fsize={limits.file_bytes}", "--core=0", "--",
        _find(command[0]), *command[1:], stdin=stdin, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE, env=ENVIRONMENT, pass_fds=hand)
    talk = tasks.start(f"run {command[0]}", process.communicate())
    try:
        await asyncio.wait_for(_watch(talk, room), limits.wall_seconds)
    except TimeoutError:
        raise ToolError(f"{command[0]} was stopped after {limits.wall_seconds} seconds") from None
    except _Full:
        raise ToolError(f"{command[0]} was stopped: it would have filled the disk") from None
    finally:
        if process.returncode is None:
            process.kill()
        output, errors = await talk
    if process.returncode:
        raise ToolError(f"{command[0]} failed: {_last_words(errors, process.returncode, limits)}")
    return output


def _last_words(errors: bytes, status: int, limits: Limits) -> str:
    """The limits of time and of files end a tool by a signal, that of memory by its own complaint."""
    if status in (-signal.SIGXCPU, -signal.SIGKILL):
        return f"it used up its {limits.cpu_seconds} seconds of processor time, or was killed"
    if status == -signal.SIGXFSZ:
        return f"it would have written more than {limits.file_bytes} bytes"
    return errors.decode("utf-8", "replace").strip().rpartition("\n")[2][-500:] or f"status {status}"


class _Full(Exception):
    pass


async def _watch(talk: asyncio.Task[tuple[bytes, bytes]], room: Path | None) -> None:
    """Until the tool has ended. Raises _Full before a disk is."""
    reserve = min(RESERVE, shutil.disk_usage(room).free // 2) if room else 0
    while not talk.done():
        await asyncio.wait({talk}, timeout=LOOK_EVERY if room else None)
        if room and shutil.disk_usage(room).free < reserve:
            raise _Full


def _find(name: str) -> str:
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if path is None:
        raise ToolError(f"{name} is missing on this machine" + ("; install util-linux" if name == "prlimit" else ""))
    return path
