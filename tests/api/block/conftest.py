"""A user with a project of his own, at the newest version; what he makes is gone afterwards."""

import pytest

from cloudd.block.backends import Backends
from tests.api.block.room import Room
from tests.api.conftest import Cloud


@pytest.fixture
async def room(cloud: Cloud):
    room = await Room.make(cloud)
    yield room
    await room.clean()


@pytest.fixture
def driver(cloud: Cloud):
    """The simulated back end; whatever was to fail works again afterwards."""
    driver = cloud.parts.service(Backends).by_name["simulated"]
    yield driver
    driver.heal()
    driver.others_take(0)
    driver._opened.clear()
