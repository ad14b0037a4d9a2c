"""Null where a member of the catalog may be null."""

import uuid


async def test_a_null_description_of_a_region_is_no_500(cloud):
    region = (await cloud.admin.post("/identity/v3/regions", {"region": {"id": uuid.uuid4().hex, "description": "x"}})).body["region"]
    answer = await cloud.admin.request("PATCH", f"/identity/v3/regions/{region['id']}", json={"region": {"description": None}})
    assert (answer.status, answer.body["region"]["description"]) == (200, "")
    made = await cloud.admin.request("PUT", f"/identity/v3/regions/{uuid.uuid4().hex}", json={"region": {"description": None}})
    assert (made.status, made.body["region"]["description"]) == (201, "")
