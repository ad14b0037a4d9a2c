"""How a command on the host tells a running daemon that it changed accounts. Looked at with every token: one `stat`."""

import os
from pathlib import Path


class Mark:
    """A file whose time says when something was last changed beside the daemon."""

    def __init__(self, state: Path):
        self.path = state / "identity-changed"
        self._seen = self._time()

    def _time(self) -> int:
        try:
            return os.stat(self.path).st_mtime_ns
        except FileNotFoundError:
            return 0

    def move(self) -> None:
        self.path.unlink(missing_ok=True)
        self.path.touch(mode=0o600)

    def moved(self) -> bool:
        """Whether it was moved since this was asked last."""
        before, self._seen = self._seen, self._time()
        return before != self._seen
