"""What users note of secrets."""

import pytest

from tests.api.keymanager.safe import NOBODY, S, words


@pytest.fixture
async def path(safe):
    return f"{await safe.make()}/metadata"


async def test_put_show_change_drop(safe, path):
    assert (await safe.call("GET", path)).body == {"metadata": {}}
    put = await safe.call("PUT", path, json={"metadata": {"Colour": "blue", "size": "5"}})
    assert (put.status, put.body) == (201, {"metadata_ref": safe.user.url + path})
    assert (await safe.call("GET", path)).body == {"metadata": {"colour": "blue", "size": "5"}}
    post = await safe.call("POST", path, json={"key": "Place", "value": "here"})
    assert (post.status, post.body) == (201, {"key": "place", "value": "here"})
    assert post.headers["Location"] == f"{safe.user.url}{path}/place"
    assert (await safe.call("GET", f"{path}/place")).body == {"key": "place", "value": "here"}
    changed = await safe.call("PUT", f"{path}/place", json={"key": "place", "value": "there"})
    assert (changed.status, changed.body) == (200, {"key": "place", "value": "there"})
    assert (await safe.call("DELETE", f"{path}/colour")).status == 204
    assert (await safe.call("GET", path)).body == {"metadata": {"place": "there", "size": "5"}}
    await safe.call("PUT", path, json={"metadata": {"other": ""}})
    assert (await safe.call("GET", path)).body == {"metadata": {"other": ""}}


async def test_what_is_there_or_not(safe, path):
    assert (await safe.call("POST", path, json={"key": "a", "value": "b"})).status == 201
    again = await safe.call("POST", path, json={"key": "A", "value": "c"})
    assert again.status == 409 and "already in the secret metadata" in words(again)
    for method, body in (("GET", None), ("PUT", {"key": "no", "value": "x"}), ("DELETE", None)):
        missing = await safe.call(method, f"{path}/no", json=body)
        assert missing.status == 404 and "no key no" in words(missing)
    other = await safe.call("PUT", f"{path}/a", json={"key": "b", "value": "x"})
    assert other.status == 409 and "does not match" in words(other)
    assert (await safe.call("POST", f"{path}/a", json={"key": "a", "value": "x"})).status == 405
    assert (await safe.call("GET", f"{S}/{NOBODY}/metadata")).status == 404


@pytest.mark.parametrize("body", [{"metadata": {"a b": "c"}}, {"metadata": {"": "c"}}, {"metadata": {"a": 5}}, {"metadata": {"a": None}},
                                  {"metadata": []}, {}, {"metadata": {"x" * 256: "c"}}, {"metadata": {"a": "x" * 256}},
                                  {"metadata": {"ü": "c"}}])
async def test_bodies_that_cannot_be(safe, path, body):
    assert (await safe.call("PUT", path, json=body)).status == 400
    assert (await safe.call("GET", path)).body == {"metadata": {}}


@pytest.mark.parametrize("body", [{"key": "a b", "value": "c"}, {"key": "a"}, {"value": "a"}, {"key": "a", "value": "c", "more": 1},
                                  {"key": "a", "value": 5}, {"key": "", "value": "x"}])
async def test_pairs_that_cannot_be(safe, path, body):
    assert (await safe.call("POST", path, json=body)).status == 400


async def test_there_is_an_end_to_it(cloud, safe, path):
    most = cloud.parts.settings.key_manager.max_metadata_items
    assert (await safe.call("PUT", path, json={"metadata": {f"k{number}": "v" for number in range(most)}})).status == 201
    for method, body in (("POST", {"key": "more", "value": "v"}), ("PUT", {"metadata": {f"k{number}": "v" for number in range(most + 1)}})):
        refused = await safe.call(method, path, json=body)
        assert refused.status == 403 and "max_metadata_items" in words(refused)
