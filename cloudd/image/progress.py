"""How much of an image's data has come, while it comes: shown with the image, and with the task of an import. In memory only."""

from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from cloudd.core.parts import Parts

MIB = 1 << 20
T = TypeVar("T", bytes, bytearray)
PROPERTY = "os_glance_progress"


@dataclass
class Coming:
    """`total` bytes are to come, None where nobody says how many; `done` have."""

    total: int | None
    done: int = 0

    async def count(self, chunks: AsyncIterable[T]) -> AsyncIterator[T]:
        async for chunk in chunks:
            self.done += len(chunk)
            yield chunk


@dataclass
class Progress:
    """`parts.service(Progress)`: images whose data is on its way."""

    of: dict[str, Coming] = field(default_factory=dict)

    def words(self, image_id: str) -> str | None:
        """As people read it: `37 % (379 of 1024 MiB)`."""
        if (coming := self.of.get(image_id)) is None:
            return None
        if not coming.total:
            return f"{coming.done // MIB} MiB"
        return f"{min(100 * coming.done // coming.total, 100)} % ({coming.done // MIB} of {-(-coming.total // MIB)} MiB)"


@contextmanager
def told(parts: Parts, image_id: str, total: int | None) -> Iterator[Coming]:
    """While the block lasts, the image says how much of its data has come."""
    of = parts.service(Progress).of
    of[image_id] = coming = Coming(total)
    try:
        yield coming
    finally:
        if of.get(image_id) is coming:
            del of[image_id]
