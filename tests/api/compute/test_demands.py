"""What flavors and images demand is met, or refused when it is asked for; nothing is promised that libvirt would refuse later."""

import itertools

import pytest
from sqlalchemy import update

from cloudd.network.models.l2 import Port
from tests.api.compute.rooms import C, make_image, make_room

NUMBERS = itertools.count(1)
A = f"{C}/os-aggregates"


@pytest.fixture(scope="module")
async def room(cloud):
    return await make_room(cloud)


async def flavor(room, **specs):
    body = {"flavor": {"name": f"demanding-{room.name}-{next(NUMBERS)}", "ram": 192, "vcpus": 1, "disk": 1}}
    made = (await room.cloud.admin.post(f"{C}/flavors", body)).body["flavor"]["id"]
    specs = {name.replace("__", ":"): value for name, value in specs.items()}
    answer = await room.cloud.admin.post(f"{C}/flavors/{made}/os-extra_specs", {"extra_specs": specs})
    assert answer.status == 200, answer.content
    return made


SPECS = [({"pci_passthrough__alias": "gpu:1"}, 400), ({"accel__device_profile": "fpga"}, 400), ({"resources__CUSTOM_X": "1"}, 409),
         ({"trait__CUSTOM_X": "required"}, 409), ({"capabilities__hypervisor_type": "xen"}, 409),
         ({"aggregate_instance_extra_specs__ssd": "true"}, 409), ({"hw__serial_port_count": "5"}, 400),
         ({"hw__tpm_version": "2.0", "hw__tpm_model": "tpm-crb"}, 400)]


@pytest.mark.parametrize(("specs", "status"), SPECS)
async def test_what_a_flavor_demands_in_vain_is_refused_at_create_and_resize(room, specs, status):
    demanding, (key, value) = await flavor(room, **specs), next(iter(specs.items()))
    server = await room.server(networks=[{"uuid": room.network}])
    for answer in (await room.create(flavorRef=demanding), await room.act(server, "resize", {"flavorRef": demanding})):
        message = next(iter(answer.body.values()))["message"]
        assert answer.status == status and value in message, answer.content
        assert message.startswith("No valid host was found. ") == (status == 409)
    assert key.partition("__")[2] in message or status == 400
    await room.user.delete(f"{C}/servers/{server}")
    await room.cloud.settled()


PROPERTIES = [({"hypervisor_type": "xen"}, 409), ({"img_hv_type": "vmware"}, 409), ({"vm_mode": "xen"}, 409),
              ({"hw_vm_mode": "uml"}, 409), ({"hw_tpm_model": "tpm-crb"}, 400), ({"hw_serial_port_count": "5"}, 400),
              ({"hw_disk_bus": "ide", "hw_machine_type": "q35"}, 400), ({"trait:CUSTOM_X": "required"}, 409)]


@pytest.mark.parametrize(("properties", "status"), PROPERTIES)
async def test_what_an_image_demands_in_vain_is_refused_at_create_rebuild_and_rescue(room, properties, status):
    demanding, value = await make_image(room.user, **properties), next(iter(properties.values()))
    server = await room.server(networks=[{"uuid": room.network}])
    for answer in (await room.create(imageRef=demanding), await room.act(server, "rebuild", {"imageRef": demanding}),
                   await room.act(server, "rescue", {"rescue_image_ref": demanding})):
        assert answer.status == status and value in next(iter(answer.body.values()))["message"], answer.content
    assert await room.status(server) == "ACTIVE"
    await room.user.delete(f"{C}/servers/{server}")
    await room.cloud.settled()


async def test_an_aggregate_with_what_a_flavor_demands_takes_its_server(room):
    demanding, admin = await flavor(room, aggregate_instance_extra_specs__ssd="<or> fast <or> true"), room.cloud.admin
    host = (await admin.get(f"{C}/os-hypervisors/detail")).body["hypervisors"][0]["service"]["host"]
    made = (await admin.post(A, {"aggregate": {"name": f"ssd-{room.name}"}})).body["aggregate"]["id"]
    await admin.post(f"{A}/{made}/action", {"add_host": {"host": host}})
    assert (await room.create(flavorRef=demanding)).status == 409
    await admin.post(f"{A}/{made}/action", {"set_metadata": {"metadata": {"ssd": "true"}}})
    assert (await room.create(flavorRef=demanding)).status == 202
    await admin.post(f"{A}/{made}/action", {"remove_host": {"host": host}})
    await room.cloud.settled()


def device(room, **more):
    return [{"boot_index": 0, "source_type": "image", "destination_type": "local", "uuid": room.image, **more}]


@pytest.mark.parametrize("wrong", [{"disk_bus": "xen"}, {"disk_bus": "fdc"}, {"device_type": "floppy"}, {"device_type": "lun"},
                                   {"device_type": "cdrom"}])
async def test_a_disk_that_no_machine_has_is_refused(room, wrong):
    answer = await room.create(block_device_mapping_v2=device(room, **wrong))
    assert answer.status == 400 and next(iter(wrong.values())) in answer.body["badRequest"]["message"]


async def test_an_ide_disk_is_refused_on_a_q35_also_when_it_comes_by_a_rebuild_or_a_rescue(room):
    modern = await make_image(room.user, hw_machine_type="q35")
    answer = await room.create(imageRef=modern, block_device_mapping_v2=[{**device(room, disk_bus="ide")[0], "uuid": modern}])
    assert answer.status == 400 and "q35" in answer.body["badRequest"]["message"]
    server = await room.server(block_device_mapping_v2=device(room, disk_bus="ide"))
    assert (await room.act(server, "rebuild", {"imageRef": modern})).status == 400
    other = await room.server(imageRef=modern)
    rescue = await make_image(room.user, hw_rescue_bus="ide")
    assert (await room.act(other, "rescue", {"rescue_image_ref": rescue})).status == 400
    assert (await room.act(server, "rescue", {"rescue_image_ref": rescue})).status == 200


async def test_a_port_with_a_multicast_address_is_refused(room):
    port = (await room.user.post("/networking/v2.0/ports", {"port": {"network_id": room.network}})).body["port"]["id"]
    async with room.cloud.parts.database.write() as tx:
        await tx.execute(update(Port).where(Port.id == port).values(mac_address="01:00:5e:00:00:01"))
    answer = await room.create(networks=[{"port": port}])
    assert answer.status == 400 and "01:00:5e:00:00:01" in answer.body["badRequest"]["message"]


async def test_a_running_server_that_must_be_quiesced_is_not_copied_as_it_is(room):
    server = await room.server(imageRef=await make_image(room.user, os_require_quiesce="yes"))
    answer = await room.act(server, "createImage", {"name": "torn"})
    assert answer.status == 409 and "os_require_quiesce" in answer.body["conflictingRequest"]["message"]
    assert (await room.act(server, "os-stop")).status == 202
    assert (await room.act(server, "createImage", {"name": "whole"})).status == 202
