"""A client of QEMU's block server on a socket: reads, writes and maps a disk of any format without knowing it.

By github.com/NetworkBlockDevice/nbd doc/proto.md: fixed newstyle, structured replies, the contexts base:allocation and QEMU's own
qemu:allocation-depth.
"""

import asyncio
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from cloudd.core import tasks

NBDMAGIC, IHAVEOPT, REPLY = 0x4E42444D41474943, 0x49484156454F5054, 0x3E889045565A9
REQUEST, SIMPLE, STRUCTURED = 0x25609513, 0x67446698, 0x668E33EF
OPT_GO, OPT_STRUCTURED_REPLY, OPT_SET_META_CONTEXT = 7, 8, 10
REP_ACK, REP_INFO, REP_META_CONTEXT = 1, 3, 4
READ, WRITE, DISCONNECT, FLUSH, WRITE_ZEROES, BLOCK_STATUS = 0, 1, 2, 3, 6, 7
DONE, NONE, OFFSET_DATA, OFFSET_HOLE, STATUS = 1, 0, 1, 2, 5
ERROR = 1 << 15
ALLOCATION, DEPTH = "base:allocation", "qemu:allocation-depth"
ZERO = 1 << 1
MOST = 32 << 20                          # of one request
NO_SPACE = 28


class NbdError(OSError):
    """The server refused, or is gone."""


@dataclass
class Asked:
    """A request under way: what its chunks have brought so far."""

    offset: int
    done: asyncio.Future[None]
    data: bytearray | None = None
    extents: dict[int, list[tuple[int, int]]] = field(default_factory=dict)          # by context: (length, what is told)
    error: NbdError | None = None

    def end(self, error: NbdError | None) -> None:
        self.error = error
        if not self.done.done():
            self.done.set_result(None)


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self._reader, self._writer = reader, writer
        self._asked: dict[int, Asked] = {}
        self._next = 0
        self._gone: NbdError | None = None
        self._listening: asyncio.Task[None] | None = None
        self._contexts: dict[str, int] = {}
        self.size = 0

    async def greet(self, export: str = "") -> None:
        """Agree with the server on what is spoken. Raises NbdError."""
        try:
            magic, option, _ = struct.unpack(">QQH", await self._reader.readexactly(18))
            if (magic, option) != (NBDMAGIC, IHAVEOPT):
                raise NbdError("this is no NBD server")
            self._writer.write(struct.pack(">I", 3))
            await self._option(OPT_STRUCTURED_REPLY, b"")
            name = export.encode()
            queries = b"".join(struct.pack(">I", len(query)) + query.encode() for query in (ALLOCATION, DEPTH))
            for _, data in await self._option(OPT_SET_META_CONTEXT, struct.pack(">I", len(name)) + name + struct.pack(">I", 2) + queries):
                self._contexts[data[4:].decode()] = struct.unpack(">I", data[:4])[0]
            for kind, data in await self._option(OPT_GO, struct.pack(">I", len(name)) + name + struct.pack(">H", 0)):
                if kind == REP_INFO and data[:2] == b"\0\0":
                    self.size = struct.unpack(">Q", data[2:10])[0]
        except (asyncio.IncompleteReadError, ConnectionError) as exc:
            raise NbdError("the block server went away") from exc
        self._listening = tasks.start("read from a block server", self._listen())

    async def _option(self, option: int, data: bytes) -> list[tuple[int, bytes]]:
        self._writer.write(struct.pack(">QII", IHAVEOPT, option, len(data)) + data)
        told: list[tuple[int, bytes]] = []
        while True:
            magic, _, kind, length = struct.unpack(">QIII", await self._reader.readexactly(20))
            answer = await self._reader.readexactly(length)
            if magic != REPLY or kind & (1 << 31):
                raise NbdError(f"the block server does not take option {option}: {answer.decode('utf-8', 'replace')}")
            if kind == REP_ACK:
                return told
            told.append((kind, answer))

    # -- requests ---------------------------------------------------------------------------------------------------

    async def read(self, offset: int, length: int) -> bytearray:
        data = bytearray()
        while len(data) < length:
            piece = min(MOST, length - len(data))
            data += (await self._ask(READ, offset + len(data), piece, room=piece)).data or b""
        return data

    async def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data)
        for at in range(0, len(view), MOST):
            piece = view[at:at + MOST]
            await self._ask(WRITE, offset + at, len(piece), piece)

    async def zero(self, offset: int, length: int) -> None:
        for at in range(0, length, 1 << 30):
            await self._ask(WRITE_ZEROES, offset + at, min(1 << 30, length - at))

    async def flush(self) -> None:
        await self._ask(FLUSH, 0, 0)

    async def status(self, offset: int, length: int) -> Sequence[tuple[int, bool]]:
        """The next pieces from an offset: (length, whether there may be data)."""
        return [(piece, not flags & ZERO) for piece, flags in (await self._status(offset, length))[self._contexts[ALLOCATION]]]

    async def depths(self, offset: int, length: int) -> Sequence[tuple[int, int]]:
        """The next pieces from an offset: (length, the number of the layer that has them, 0 for none). Of servers that tell it."""
        return (await self._status(offset, length))[self._contexts[DEPTH]]

    async def _status(self, offset: int, length: int) -> dict[int, list[tuple[int, int]]]:
        return (await self._ask(BLOCK_STATUS, offset, min(length, (1 << 32) - (1 << 16)))).extents

    async def close(self) -> None:
        if self._gone is None:
            self._gone = NbdError("the block server was let go")
            self._writer.write(struct.pack(">IHHQQI", REQUEST, 0, DISCONNECT, 0, 0, 0))
        self._writer.close()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait((self._listening,))
        self._fail(self._gone)

    async def _ask(self, command: int, offset: int, length: int, payload: memoryview | bytes = b"", room: int | None = None) -> Asked:
        if self._gone is not None:
            raise self._gone
        self._next += 1
        asked = Asked(offset, asyncio.get_running_loop().create_future(), None if room is None else bytearray(room))
        self._asked[self._next] = asked
        try:
            self._writer.write(struct.pack(">IHHQQI", REQUEST, 0, command, self._next, offset, length))
            if payload:
                self._writer.write(payload)
            await self._writer.drain()
        except ConnectionError as exc:
            raise NbdError("the block server went away") from exc
        await asyncio.shield(asked.done)
        if asked.error is not None:
            raise asked.error
        return asked

    # -- replies ----------------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        try:
            while True:
                await self._reply()
        except (asyncio.IncompleteReadError, OSError, KeyError, struct.error) as exc:
            self._gone = self._gone or NbdError("the block server went away")
            self._gone.__cause__ = exc
            self._fail(self._gone)

    def _fail(self, error: NbdError) -> None:
        for asked in self._asked.values():
            asked.end(error)
        self._asked.clear()

    async def _reply(self) -> None:
        magic = struct.unpack(">I", await self._reader.readexactly(4))[0]
        if magic == SIMPLE:
            error, handle = struct.unpack(">IQ", await self._reader.readexactly(12))
            self._end(handle, failed(error, "") if error else None)
            return
        if magic != STRUCTURED:
            raise NbdError("the block server speaks strangely")
        flags, kind, handle, length = struct.unpack(">HHQI", await self._reader.readexactly(16))
        error = await self._chunk(self._asked[handle], kind, length)
        if error is not None:
            self._asked[handle].error = error
        if flags & DONE:
            self._end(handle, self._asked[handle].error)

    def _end(self, handle: int, error: NbdError | None) -> None:
        self._asked.pop(handle).end(error)

    async def _chunk(self, asked: Asked, kind: int, length: int) -> NbdError | None:
        if kind == OFFSET_DATA and asked.data is not None:
            start = struct.unpack(">Q", await self._reader.readexactly(8))[0] - asked.offset
            asked.data[start:start + length - 8] = await self._reader.readexactly(length - 8)
        elif kind == STATUS:
            body = await self._reader.readexactly(length)
            asked.extents[struct.unpack(">I", body[:4])[0]] = list(struct.iter_unpack(">II", body[4:]))
        else:
            body = await self._reader.readexactly(length)                # OFFSET_HOLE: the data begins as zeros
            if kind & ERROR:
                number, words = struct.unpack(">IH", body[:6])
                return failed(number, body[6:6 + words].decode("utf-8", "replace"))
        return None


def failed(number: int, words: str) -> NbdError:
    return NbdError(number, words or "the block server reported an error")
