import pytest

from tests.api.keymanager.safe import make_safe


@pytest.fixture(scope="module")
async def safe(cloud):
    """A project for the tests of one file."""
    return await make_safe(cloud)
