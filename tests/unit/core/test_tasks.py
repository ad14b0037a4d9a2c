"""Tasks: what is repeated survives its own failures."""

from cloudd.core import tasks
from tests.waiting import until


async def test_repeated_work_that_fails_is_done_again():
    done = []

    async def work():
        done.append(1)
        if len(done) == 1:
            raise ValueError("once")

    async def thrice():
        return len(done) >= 3
    task = tasks.repeat("test", work, lambda: 0.001)
    await until(thrice)
    task.cancel()
