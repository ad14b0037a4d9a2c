"""Images' and flavors' words about a guest's machine: what they come to, and which are refused."""

import pytest

from cloudd.compute.boot import hardware
from cloudd.core.errors import BadRequest
from cloudd.drivers.hypervisor.base import Hardware


def flavor(**specs):
    return {"name": "m1", "extra_specs": {name.replace("__", ":"): value for name, value in specs.items()}}


@pytest.mark.parametrize(("specs", "properties", "made"), [
    ({}, {}, Hardware()),
    ({}, {"hw_watchdog_action": "reset", "hw_boot_menu": "True", "hw_time_hpet": "yes"}, Hardware("reset", boot_menu=True, hpet=True)),
    ({"hw__watchdog_action": "pause"}, {"hw_watchdog_action": "reset"}, Hardware("pause")),
    ({}, {"hw_watchdog_action": "disabled", "hw_scsi_model": "lsilogic"}, Hardware(scsi_model="lsilogic")),
    ({}, {"hw_pointer_model": "ps2mouse"}, Hardware(pointer="")), ({}, {"hw_input_bus": "virtio"}, Hardware(pointer="virtio")),
    ({}, {"hw_pmu": "false"}, Hardware(pmu=False)), ({"hw__pmu": "true"}, {}, Hardware(pmu=True)),
    ({}, {"img_hide_hypervisor_id": "true"}, Hardware(hide_hypervisor=True)),
    ({"hide_hypervisor_id": "true"}, {}, Hardware(hide_hypervisor=True)),
    ({"hw_video__ram_max_mb": "64"}, {"hw_video_ram": "32"}, Hardware(video_ram_mb=32)),
])
def test_what_the_words_come_to(specs, properties, made):
    hardware.require(flavor(**specs), properties)
    assert hardware.of(flavor(**specs)["extra_specs"], properties) == made


@pytest.mark.parametrize(("specs", "properties", "said"), [
    ({}, {"hw_watchdog_action": "explode"}, "hw_watchdog_action = explode"),
    ({"hw__watchdog_action": "x"}, {}, "Flavor m1 has hw:watchdog"),
    ({}, {"hw_boot_menu": "perhaps"}, "hw_boot_menu"), ({}, {"hw_scsi_model": "buslogic"}, "virtio-scsi"),
    ({"hw__cpu_policy": "dedicated"}, {}, "hw:cpu_policy = dedicated"), ({}, {"hw_cpu_policy": "dedicated"}, "shared"),
    ({"hw__mem_page_size": "large"}, {}, "small"), ({"hw__numa_nodes": "2"}, {}, "hw:numa_nodes"),
    ({}, {"hw_tpm_version": "2.0"}, "leave it out"), ({}, {"os_secure_boot": "required"}, "os_secure_boot"),
    ({}, {"hw_mem_encryption": "true"}, "hw_mem_encryption"), ({}, {"hw_video_ram": "16"}, "hw_video:ram_max_mb"),
    ({"hw_video__ram_max_mb": "8"}, {"hw_video_ram": "16"}, "allows 8 MiB"), ({}, {"hw_video_ram": "much"}, "much"),
])
def test_what_is_not_served_is_refused(specs, properties, said):
    with pytest.raises(BadRequest, match=said.replace("(", r"\(")):
        hardware.require(flavor(**specs), properties)


@pytest.mark.parametrize("properties", [{"hw_numa_nodes": "1"}, {"hw_cpu_policy": "shared"}, {"hw_mem_page_size": "any"},
                                        {"os_secure_boot": "optional"}, {"hw_mem_encryption": "False"}, {"hw_unheard_of": "x"}])
def test_what_asks_for_nothing_special_passes(properties):
    hardware.require(flavor(), properties)
