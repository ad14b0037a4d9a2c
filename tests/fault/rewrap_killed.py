"""A rewrap of the master key that kills itself, by SIGKILL, at one moment: `python -m tests.fault.rewrap_killed FILE URL MOMENT`."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from cloudd.core.database import Database
from cloudd.keymanager.master import MasterFile
from cloudd.keymanager.rewrap import rewrap

MOMENTS = ("before the first write", "in the first write", "after the first write", "before the commit", "before the last write",
           "in the last write", "after the last write")


def end() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class File(MasterFile):
    """Ends before, in or after the first or the last time that it is written."""

    moment = ""
    times = ("first", "last")

    def write(self, keys: Sequence[bytes]) -> None:
        which, self.times = self.times[0], self.times[1:]
        if self.moment == f"before the {which} write":
            end()
        if self.moment == f"in the {which} write":
            self.path.with_name(f".{self.path.name}.new").write_text("half of it")
            end()
        super().write(keys)
        if self.moment == f"after the {which} write":
            end()


class Rows(Database):
    """Ends when all is changed and nothing is committed."""

    moment = ""

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Any]:
        async with super().write() as tx:
            yield tx
            await tx.flush()
            if self.moment == "before the commit":
                end()


def main(path: str, url: str, moment: str) -> None:
    file, rows = File(Path(path)), Rows(url)
    file.moment = rows.moment = moment
    asyncio.run(rewrap(rows, file))


if __name__ == "__main__":
    main(*sys.argv[1:])
