"""Tasks: what is repeated survives its own failures."""

import asyncio

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


async def test_a_daemon_that_ends_leaves_the_work_of_another_in_the_process_alone():
    async def live() -> tuple[tasks.Tasks, asyncio.Task]:
        return tasks.own(), tasks.start("work", asyncio.Event().wait())

    one, other = [await asyncio.create_task(live()) for _ in range(2)]
    await tasks.stop_all(one[0])
    assert one[1].cancelled() and not other[1].done()
    await tasks.stop_all(other[0])
    assert other[1].cancelled()
