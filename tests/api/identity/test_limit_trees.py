"""Limits of projects below each other, with the model strict_two_level."""

import pytest

from tests.api.conftest import make_settings, run_cloud
from tests.api.identity.test_projects import V3, make, refused


@pytest.fixture
async def strict(tmp_path):
    async for running in run_cloud(make_settings(tmp_path, "limit_model = strict_two_level\n")):
        yield running


async def test_a_limit_fits_between_parent_and_children(strict):
    model = (await strict.admin.get(f"{V3}/limits/model")).body["model"]
    assert model["name"] == "strict_two_level" and model["description"]
    service = (await strict.admin.get(f"{V3}/services?type=compute")).body["services"][0]["id"]
    place = {"service_id": service, "resource_name": "cores"}
    await strict.admin.post(f"{V3}/registered_limits", {"registered_limits": [{**place, "default_limit": 10}]})
    parent = await make(strict, "project")
    child = await make(strict, "project", parent_id=parent["id"])

    async def limit(project, number):
        return await strict.admin.post(f"{V3}/limits", {"limits": [{**place, "project_id": project["id"],
                                                                    "resource_limit": number}]})

    await refused(await limit(child, 11), 403, "above the 10", parent["id"])
    await refused(await limit(child, -1), 403, "above the 10")
    made = (await limit(child, 8)).body["limits"][0]["id"]
    await refused(await limit(parent, 5), 403, "below the 8", child["id"])
    assert (await limit(parent, 9)).status == 201
    path = f"{V3}/limits/{made}"
    await refused(await strict.admin.patch(path, {"limit": {"resource_limit": 10}}), 403, "above the 9")
    assert (await strict.admin.patch(path, {"limit": {"resource_limit": 9}})).status == 200
