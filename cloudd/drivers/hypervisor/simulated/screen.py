"""The screen of a guest that is not there: RFB 3.8 (RFC 6143) without a password, colour bars, a mark for every key."""

import asyncio
import struct
from dataclasses import dataclass, field

GREETING = b"RFB 003.008\n"
WIDTH, HEIGHT, BAR, MARK = 640, 400, 80, 8
BARS = ((255, 255, 255), (255, 255, 0), (0, 255, 255), (0, 255, 0), (255, 0, 255), (255, 0, 0), (0, 0, 255), (40, 40, 40))
PIXELS = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
REST = {0: 19, 3: 9, 4: 7, 5: 5}                             # how much follows the type of a client's message
ENCODINGS, CUT_TEXT = 2, 6


@dataclass
class Screen:
    """One viewer's connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    name: str
    keys: int = 0
    drawn: int = -1
    wanted: bool = False
    shifts: tuple[int, int, int] = field(default=(16, 8, 0))

    async def serve(self) -> None:
        """Until the viewer leaves, or does not speak RFB."""
        try:
            await self._greet()
            while True:
                await self._message((await self.reader.readexactly(1))[0])
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            pass
        finally:
            self.writer.close()

    async def _greet(self) -> None:
        await self._say(GREETING)
        await self.reader.readexactly(12)
        await self._say(b"\x01\x01")                         # one way to prove oneself: none
        await self.reader.readexactly(1)
        await self._say(b"\0\0\0\0")
        await self.reader.readexactly(1)
        name = self.name.encode()[:80]
        await self._say(struct.pack(">HH", WIDTH, HEIGHT) + PIXELS + struct.pack(">I", len(name)) + name)

    async def _say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def _message(self, kind: int) -> None:
        if kind == ENCODINGS:
            count = struct.unpack(">xH", await self.reader.readexactly(3))[0]
            await self.reader.readexactly(4 * count)
            return
        if kind == CUT_TEXT:
            length = struct.unpack(">3xI", await self.reader.readexactly(7))[0]
            await self.reader.readexactly(min(length, 1 << 20))
            return
        if kind not in REST:
            raise ValueError(f"no such message: {kind}")
        await self._short(kind, await self.reader.readexactly(REST[kind]))

    async def _short(self, kind: int, data: bytes) -> None:
        if kind == 0:
            self.shifts = (data[13], data[14], data[15])
            self.drawn = -1
        elif kind == 3:
            self.wanted = True
            if not data[0]:
                self.drawn = -1
        elif kind == 4 and data[0]:
            self.keys += 1
        if self.wanted and self.drawn != self.keys:
            await self._draw()

    async def _draw(self) -> None:
        row = b"".join(self._pixel(BARS[x // BAR]) * BAR for x in range(0, WIDTH, BAR))
        marks = min(self.keys, WIDTH // MARK)
        marked = self._pixel((255, 128, 0)) * (MARK * marks) + row[4 * MARK * marks:]
        head = struct.pack(">BxH4Hi", 0, 1, 0, 0, WIDTH, HEIGHT, 0)
        self.wanted, self.drawn = False, self.keys
        await self._say(head + row * (HEIGHT - MARK) + marked * MARK)

    def _pixel(self, colour: tuple[int, int, int]) -> bytes:
        return sum(value << shift for value, shift in zip(colour, self.shifts, strict=True)).to_bytes(4, "little")
