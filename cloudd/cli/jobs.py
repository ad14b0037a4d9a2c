"""`cloudd jobs list`: long operations as they stand in the database, the daemon running or not."""

from sqlalchemy import select

from cloudd.core.database import Database
from cloudd.core.jobs import OPEN
from cloudd.core.tables import JobRow
from cloudd.core.work.waits import Wait
from cloudd.settings import Settings

SHOWN = 50
COLUMNS = ("created", "kind", "resource", "state", "step", "%", "error")


async def show(settings: Settings, finished: bool) -> int:
    """Print the unfinished jobs (with `finished` the last ended ones as well), newest last."""
    database = Database(settings.database.url)
    try:
        await database.check_schema()
        async with database.read() as tx:
            query = select(JobRow).order_by(JobRow.serial.desc()).limit(SHOWN)
            rows = (await tx.execute(query if finished else query.where(JobRow.state.in_(OPEN)))).scalars().all()
    finally:
        await database.close()
    lines = [COLUMNS] + [(row.created_at.strftime("%Y-%m-%d %H:%M:%S"), row.kind, row.resource_id or "", row.state,
                          str(row.step), str(row.percent), _remark(row)) for row in reversed(rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
    if not rows:
        print("no job is waiting or running" if not finished else "no jobs")
    return 0


def _remark(row: JobRow) -> str:
    """What went wrong, or for what it waits."""
    if row.state == "waiting" and row.waits:
        return f"waits for {Wait.of(row)} until {row.waits['until'][:19].replace('T', ' ')}"
    return row.error or ""
