"""A cloud of their own for tests that put into its records what nobody else could work with."""

import pytest

from tests.api.conftest import Cloud, Clouds, make_settings


@pytest.fixture(scope="session")
async def cloud(cloud: Cloud, engine: str, clouds: Clouds, tmp_path_factory: pytest.TempPathFactory) -> Cloud:
    if "hostile" not in cloud.kept:
        settings = make_settings(tmp_path_factory.mktemp("hostile"), url=clouds.url(engine, "hostile"))
        cloud.kept["hostile"] = await clouds.run(settings)
    return cloud.kept["hostile"]
