"""Quotas of secrets and consumers."""

import asyncio

import pytest

from tests.api.keymanager.safe import Q, Safe, make_safe, words

NONE = dict.fromkeys(("secrets", "orders", "containers", "consumers", "cas"))


@pytest.fixture
async def admin(cloud):
    return Safe(cloud.admin)


async def test_set_shown_listed_and_taken_back(cloud, admin):
    safe = await make_safe(cloud)
    where = f"{Q}/{safe.user.project_id}"
    assert (await safe.call("GET", "/key-manager/v1/quotas")).body == {"quotas": dict.fromkeys(NONE, -1)}
    missing = await admin.call("GET", where)
    assert missing.status == 404 and safe.user.project_id in words(missing)
    assert (await admin.call("PUT", where, json={"project_quotas": {"secrets": 2, "cas": 5}})).status == 204
    assert (await admin.call("GET", where)).body == {"project_quotas": {**NONE, "secrets": 2, "cas": 5}}
    assert (await safe.call("GET", "/key-manager/v1/quotas")).body["quotas"] == {**dict.fromkeys(NONE, -1), "secrets": 2, "cas": 5}
    assert (await admin.call("PUT", where, json={"project_quotas": {"consumers": 1}})).status == 204    # those left out go back
    assert (await admin.call("GET", where)).body == {"project_quotas": {**NONE, "consumers": 1}}
    listed = (await admin.call("GET", f"{Q}?limit=100")).body
    assert {"project_id": safe.user.project_id, "project_quotas": {**NONE, "consumers": 1}} in listed["project_quotas"]
    assert listed["total"] >= 1
    assert (await admin.call("DELETE", where)).status == 204
    assert (await admin.call("DELETE", where)).status == 404


async def test_full_is_full_and_of_two_at_once_one_wins(cloud, admin):
    safe = await make_safe(cloud)
    await admin.call("PUT", f"{Q}/{safe.user.project_id}", json={"project_quotas": {"secrets": 3, "consumers": 1}})
    first = await safe.make()
    await safe.make()
    answers = await asyncio.gather(*(safe.call("POST", "", json={}) for _ in range(5)))
    assert sorted(answer.status for answer in answers) == [201, 403, 403, 403, 403]
    assert "3 of 3 secrets" in words(next(answer for answer in answers if answer.status == 403))
    one = {"service": "a", "resource_type": "b", "resource_id": "c"}
    assert (await safe.call("POST", f"{first}/consumers", json=one)).status == 200
    assert (await safe.call("POST", f"{first}/consumers", json=one)).status == 200                      # it is one
    assert (await safe.call("POST", f"{first}/consumers", json={**one, "resource_id": "d"})).status == 403
    assert (await safe.call("DELETE", first)).status == 204
    await safe.make()


async def test_zero_is_none(cloud, admin):
    safe = await make_safe(cloud)
    await admin.call("PUT", f"{Q}/{safe.user.project_id}", json={"project_quotas": {"secrets": 0}})
    assert (await safe.call("POST", "", json={})).status == 403


@pytest.mark.parametrize("body", [{}, {"project_quotas": {"secrets": "5"}}, {"project_quotas": {"secrets": None}},
                                  {"project_quotas": {"colours": 5}}, {"project_quotas": {"secrets": 2**40}}, {"project_quotas": []}])
async def test_bodies_that_cannot_be(cloud, admin, body):
    assert (await admin.call("PUT", f"{Q}/{cloud.demo.project_id}", json=body)).status == 400
    assert (await admin.call("GET", f"{Q}/{cloud.demo.project_id}")).status == 404


async def test_a_project_that_there_is_not(admin):
    answer = await admin.call("PUT", f"{Q}/{'0' * 32}", json={"project_quotas": {"secrets": 1}})
    assert answer.status == 404 and "0" * 32 in words(answer)
