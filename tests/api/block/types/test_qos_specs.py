"""QoS specs: keys, associations, and what of them could be obeyed."""

import itertools

import pytest

from cloudd.block.types import qos
from tests.api.block.forms import B, fits, words

NUMBERS = itertools.count()
Q = f"{B}/qos-specs"


async def make(cloud, **more):
    answer = await cloud.admin.post(Q, {"qos_specs": {"name": f"qos-{next(NUMBERS)}", **more}})
    return fits(answer, "qos", "show_qos")["qos_specs"]


async def make_type(cloud):
    return (await cloud.admin.post(f"{B}/types", {"volume_type": {"name": f"qos-type-{next(NUMBERS)}"}})).body["volume_type"]["id"]


async def test_every_reply_has_tempests_form(cloud):
    made = await make(cloud, consumer="front-end", read_iops_sec="2000")
    path = f"{Q}/{made['id']}"
    assert (made["consumer"], made["specs"]) == ("front-end", {"read_iops_sec": "2000"})
    assert fits(await cloud.admin.get(path), "qos", "show_qos")["qos_specs"] == made
    assert made in fits(await cloud.admin.get(Q), "qos", "list_qos")["qos_specs"]
    keys = {"qos_specs": {"iops_bytes": "500"}}
    assert fits(await cloud.admin.put(path, keys), "qos", "set_qos_key") == keys
    assert (await cloud.admin.get(path)).body["qos_specs"]["specs"] == {"read_iops_sec": "2000", "iops_bytes": "500"}
    fits(await cloud.admin.put(f"{path}/delete_keys", {"keys": ["iops_bytes"]}), "qos", "unset_qos_key")
    assert (await cloud.admin.put(f"{path}/delete_keys", {"keys": ["iops_bytes"]})).status == 404
    one, other = await make_type(cloud), await make_type(cloud)
    for type_id in (one, other):
        fits(await cloud.admin.get(f"{path}/associate?vol_type_id={type_id}"), "qos", "associate_qos")
    listed = fits(await cloud.admin.get(f"{path}/associations"), "qos", "show_association_qos")["qos_associations"]
    assert {row["id"] for row in listed} == {one, other}
    assert (await cloud.admin.get(f"{B}/types/{one}")).body["volume_type"]["qos_specs_id"] == made["id"]
    fits(await cloud.admin.get(f"{path}/disassociate?vol_type_id={one}"), "qos", "disassociate_qos")
    assert [row["id"] for row in (await cloud.admin.get(f"{path}/associations")).body["qos_associations"]] == [other]
    fits(await cloud.admin.get(f"{path}/disassociate_all"), "qos", "disassociate_all_qos")
    assert (await cloud.admin.get(f"{path}/associations")).body["qos_associations"] == []
    fits(await cloud.admin.delete(path), "qos", "delete_qos")
    assert (await cloud.admin.get(path)).status == 404


@pytest.mark.parametrize("consumer", ["front-end", "back-end", "both"])
async def test_consumers(cloud, consumer):
    assert (await make(cloud, consumer=consumer))["consumer"] == consumer


async def test_without_a_consumer_it_is_the_back_end(cloud):
    assert (await make(cloud))["consumer"] == "back-end"


@pytest.mark.parametrize("wrong", [
    {"consumer": "nobody"}, {"name": " "}, {"name": ""}, {"total_iops_sec": "many"}, {"total_iops_sec": "-1"}, {"total_iops_sec": 5},
    {"read_bytes_sec_max": "1.5"}, {"total_iops_sec": "100", "read_iops_sec": "50"}, {"x" * 256: "1"}, {"key": "x" * 256},
    {"total_bytes_sec_per_gb": "1", "write_bytes_sec": "2"}, {"size_iops_sec": str(2**63)}])
async def test_what_could_not_be_obeyed_is_refused(cloud, wrong):
    answer = await cloud.admin.post(Q, {"qos_specs": {"name": f"wrong-{next(NUMBERS)}", **wrong}})
    assert answer.status == 400, answer.content


async def test_limits_are_checked_together_when_keys_are_added(cloud):
    made = await make(cloud, total_iops_sec="100")
    refused = await cloud.admin.put(f"{Q}/{made['id']}", {"qos_specs": {"read_iops_sec": "50"}})
    assert refused.status == 400 and "read_iops_sec" in words(refused)
    assert (await cloud.admin.put(f"{Q}/{made['id']}", {"qos_specs": {"read_bytes_sec": "50", "consumer": "front-end"}})).status == 200
    assert (await cloud.admin.get(f"{Q}/{made['id']}")).body["qos_specs"]["consumer"] == "front-end"


async def test_names_are_unique_and_stripped(cloud):
    made = await make(cloud)
    assert (await cloud.admin.post(Q, {"qos_specs": {"name": f"  {made['name']} "}})).status == 409


async def test_while_types_have_them_they_go_only_by_force(cloud):
    made, type_id = await make(cloud), await make_type(cloud)
    await cloud.admin.get(f"{Q}/{made['id']}/associate?vol_type_id={type_id}")
    refused = await cloud.admin.delete(f"{Q}/{made['id']}")
    assert refused.status == 400 and "qos-type" in words(refused)
    assert (await cloud.admin.delete(f"{Q}/{made['id']}?force=perhaps")).status == 400
    assert (await cloud.admin.delete(f"{Q}/{made['id']}?force=True")).status == 202
    assert (await cloud.admin.get(f"{B}/types/{type_id}")).body["volume_type"]["qos_specs_id"] is None


async def test_a_type_has_one(cloud):
    one, other, type_id = await make(cloud), await make(cloud), await make_type(cloud)
    for made, status in ((one, 202), (one, 202), (other, 400)):
        assert (await cloud.admin.get(f"{Q}/{made['id']}/associate?vol_type_id={type_id}")).status == status
    assert (await cloud.admin.get(f"{Q}/{one['id']}/associate")).status == 400
    assert (await cloud.admin.get(f"{Q}/{one['id']}/associate?vol_type_id=nothing")).status == 404
    assert (await cloud.admin.get(f"{Q}/nothing/associate?vol_type_id={type_id}")).status == 404


async def test_only_administrators(cloud):
    made = await make(cloud)
    for path in (Q, f"{Q}/{made['id']}", f"{Q}/{made['id']}/associations", f"{Q}/{made['id']}/disassociate_all"):
        assert (await cloud.demo.get(path)).status == 403
    assert (await cloud.demo.post(Q, {"qos_specs": {"name": "mine"}})).status == 403
    assert (await cloud.demo.delete(f"{Q}/{made['id']}")).status == 403


async def test_lists_are_sorted_and_filtered(cloud):
    made = await make(cloud, consumer="both")
    assert [row["id"] for row in (await cloud.admin.get(f"{Q}?name={made['name']}")).body["qos_specs"]] == [made["id"]]
    assert made["id"] in [row["id"] for row in (await cloud.admin.get(f"{Q}?consumer=both")).body["qos_specs"]]
    names = [row["name"] for row in (await cloud.admin.get(f"{Q}?sort=name:desc")).body["qos_specs"]]
    assert names == sorted(names, reverse=True)


@pytest.mark.parametrize(("specs", "size", "limits"), [
    ({"total_iops_sec": "100", "unknown": "x", "read_bytes_sec": "0"}, 5, {"total_iops_sec": 100}),
    ({"read_iops_sec_per_gb": "10"}, 5, {"read_iops_sec": 50}),
    ({"read_iops_sec_per_gb": "10", "read_iops_sec_per_gb_min": "80"}, 5, {"read_iops_sec": 80}),
    ({"read_iops_sec_per_gb": "10", "read_iops_sec_max": "30"}, 5, {"read_iops_sec": 30}),
    ({"write_bytes_sec": "7", "write_bytes_sec_max": "9", "write_bytes_sec_max_length": "3", "size_iops_sec": "4"}, 1,
     {"write_bytes_sec": 7, "write_bytes_sec_max": 9, "write_bytes_sec_max_length": 3, "size_iops_sec": 4}),
    ({"read_iops_sec_per_gb_min": "80"}, 5, {}),
])
def test_limits_of_a_volume(specs, size, limits):
    assert qos.iotune(specs, size) == limits
