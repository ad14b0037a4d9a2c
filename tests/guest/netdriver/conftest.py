"""Guest tests of the network driver: the real kernel, in namespaces named nd…, state below /tmp/nd."""

import os
import sys
from pathlib import Path

import pytest
import pytest_asyncio

sys.path[:0] = [str(Path(__file__).parents[3]), str(Path(__file__).parent)]

from nd_cloud import make_cloud  # noqa: E402


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(120))
            if os.geteuid():
                item.add_marker(pytest.mark.skip(reason="needs root"))


@pytest_asyncio.fixture
async def make():
    """Clouds with other settings than usual."""
    made = []

    async def one(**settings):
        made.append(await make_cloud(f"cloud{len(made)}", **settings))
        return made[-1]
    yield one
    for cloud in made:
        await cloud.destroy()


@pytest_asyncio.fixture
async def cloud():
    made = await make_cloud("cloud")
    yield made
    await made.destroy()
