"""The pieces of an image that are looked at, taken from a stream or a file."""

from collections.abc import Callable
from dataclasses import dataclass, field

HEAD = 320 * 1024                    # up to the end of a VHDX's region tables
TAIL = 4096                          # a VMDK's footer has 1536 bytes, a VHD's 512
WINDOW = 128 * 1024                  # the longest piece that a format may ask for besides

Window = tuple[int, int]             # offset and length


class UnsafeImage(ValueError):
    """The image must not be opened by anything. The message says why, for its owner."""

    @property
    def message(self) -> str:
        return str(self)


@dataclass(frozen=True)
class Found:
    """`format` as Glance names it (`raw` for anything unknown); the disk's size in bytes as a guest sees it; `partitions`: why its
    partition table is not one that firmware would believe ("" for a good one, or none)."""

    format: str
    virtual_size: int
    partitions: str = ""


@dataclass(frozen=True)
class Content:
    """What was kept of an image of `size` bytes."""

    head: bytes
    tail: bytes
    size: int
    windows: dict[int, bytes] = field(default_factory=dict)

    def read(self, offset: int, length: int, what: str) -> bytes:
        """A piece of the image. Raises UnsafeImage when the image is shorter, or the piece is not where it belongs."""
        if offset + length > self.size:
            raise UnsafeImage(f"The image is cut short: its {what} is not whole ({self.size} bytes came).")
        for start, piece in ((0, self.head), (self.size - len(self.tail), self.tail), *self.windows.items()):
            if start <= offset and offset + length <= start + len(piece):
                return piece[offset - start:offset - start + length]
        raise UnsafeImage(f"The image is laid out strangely: its {what} lies at {offset}, far from where it belongs.")

    def table(self, offset: int, length: int, what: str) -> None:
        """Raise UnsafeImage unless a table, that nobody here reads, begins behind the header and ends within the image."""
        if offset <= 0 or offset + length > self.size:
            raise UnsafeImage(f"The image is damaged or made to harm: its {what} ({length} bytes at {offset}) is not within its "
                              f"{self.size} bytes.")


class Watcher:
    """Looks at a stream as it passes. `wanted(head)` says which further pieces are to be kept."""

    def __init__(self, wanted: Callable[[bytes], tuple[Window, ...]], decide: Callable[[Content], Found]):
        self._wanted, self._decide = wanted, decide
        self._head, self._tail, self.size = bytearray(), b"", 0
        self._windows: dict[int, bytearray] = {}
        self._lengths: dict[int, int] | None = None             # not known before the head is whole

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        view, start = memoryview(data), self.size
        self.size += len(view)
        if len(self._head) < HEAD:
            self._head += view[:HEAD - len(self._head)]
        if self._lengths is None and len(self._head) == HEAD:
            self._lengths = {offset: min(length, WINDOW) for offset, length in self._wanted(bytes(self._head))}
            self._windows = {offset: self._head[offset:offset + length] for offset, length in self._lengths.items()}
        for offset, piece in self._windows.items():
            lacks = (self._lengths or {})[offset] - len(piece)
            first = max(0, offset + len(piece) - start)
            if lacks > 0 and first < len(view):
                piece += view[first:first + lacks]
        self._tail = (self._tail + bytes(view[-TAIL:]))[-TAIL:]

    def found(self) -> Found:
        """All has come. Raises UnsafeImage."""
        return self._decide(Content(bytes(self._head), self._tail, self.size,
                                    {offset: bytes(piece) for offset, piece in self._windows.items()}))
