"""The rules of servers that need no cloud: states, names, disks, patterns, metadata."""

import base64
from datetime import UTC, datetime
from types import SimpleNamespace

import orjson
import pytest

from cloudd.compute import states
from cloudd.compute.boot import metadata as metadata_content
from cloudd.compute.boot import spec as boot_spec
from cloudd.compute.config import CONFIG
from cloudd.compute.models import BlockDevice, Server, ServerPort
from cloudd.compute.servers import devices as servers_devices
from cloudd.compute.servers import list as servers_list
from cloudd.compute.servers import networks as servers_networks
from cloudd.compute.servers.create import hostname_of, new_password, require_user_data
from cloudd.core.errors import BadRequest, Conflict
from cloudd.drivers.hypervisor.base import DiskFile, DiskKind
from cloudd.network import FixedIp, PortView


@pytest.fixture(autouse=True)
def config(monkeypatch):
    """What the settings say, whatever clouds ran in this process before."""
    monkeypatch.setattr(CONFIG, "template", "instance-%08x")
    monkeypatch.setattr(CONFIG, "dns_domain", "")


FLAVOR = {"id": "1", "name": "tiny", "vcpus": 4, "ram": 128, "disk": 1, "ephemeral": 2, "swap": 64, "extra_specs": {}}


# -- states -----------------------------------------------------------------------------------------------------------

NOVA = {
    "start": {"stopped"}, "stop": {"active", "error"}, "reboot": {"active"}, "pause": {"active"}, "unpause": {"paused"},
    "reboot_hard": {"active", "stopped", "paused", "suspended", "error"}, "suspend": {"active"}, "resume": {"suspended"},
    "rebuild": {"active", "stopped", "error"}, "resize": {"active", "stopped"}, "confirmResize": {"resized"},
    "revertResize": {"resized"}, "rescue": {"active", "stopped", "error"}, "unrescue": {"rescued"}, "changePassword": {"active"},
    "snapshot": {"active", "stopped", "paused", "suspended"},
}


@pytest.mark.parametrize("name", sorted(states.SERVER.moves))
def test_moves_are_from_the_states_that_nova_has(name):
    assert states.SERVER.moves[name].sources == NOVA[name]


@pytest.mark.parametrize("vm_state", states.ALL)
def test_every_state_has_a_status_and_every_task_is_one_word(vm_state):
    assert states.status(vm_state, None) == states.STATUS[vm_state]
    for (state, task), word in states.TASK_STATUS.items():
        assert states.status(state, task) == word
    assert states.status(vm_state, "deleting") == states.STATUS[vm_state]


def test_statuses_are_found_back():
    for word in {*states.STATUS.values(), *states.TASK_STATUS.values()}:
        plain, pairs = states.behind(word.lower())
        assert plain or pairs
    assert states.behind("nonsense") is None


def test_refusals_are_in_novas_words():
    server = Server(id="x", vm_state="stopped", task_state=None)
    assert states.refusal(server, states.SERVER.moves["reboot"]).message == (
        "Cannot 'reboot' instance x while it is in vm_state stopped")
    server = Server(id="x", vm_state="active", task_state="powering-off")
    assert states.refusal(server, states.SERVER.moves["reboot_hard"]).message == (
        "Cannot 'reboot' instance x while it is in task_state powering-off")
    with pytest.raises(Conflict, match="never been active"):
        states.require_launched(Server(id="x"), "start")


def test_a_server_that_is_being_deleted_stays_so():
    server = Server(id="x", vm_state="building", task_state="deleting")
    states.settle(server, states.ACTIVE)
    states.working(server, "spawning")
    assert (server.vm_state, server.task_state, server.power_state) == ("active", "deleting", 1)


# -- names, data ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("name", "host"), [
    ("web", "web"), ("Web Server_1", "web-server-1"), ("a.b.c", "a-b-c"), ("...", ""), ("äöü", ""), ("-x-", "x"),
    ("y" * 80, "y" * 63)])
def test_host_names(name, host):
    assert hostname_of(name) == host


def test_host_names_of_several_keep_their_number():
    assert hostname_of("y" * 80, "-12") == "y" * 60 + "-12"


def test_passwords_are_long_and_random():
    assert len({new_password() for _ in range(50)}) == 50 and len(new_password()) == 12


@pytest.mark.parametrize("good", ["", "aGVsbG8=", "aGVs\nbG8="])
def test_user_data_is_base64(good):
    require_user_data(good)


@pytest.mark.parametrize("bad", ["%", "hello world!", "abc"])
def test_other_user_data_is_refused(bad):
    with pytest.raises(BadRequest):
        require_user_data(bad)


@pytest.mark.parametrize("pattern", ["^web-1$", "a|b", "node\\-[0-9]{1,3}", ".*foo.*bar", "(ab)+"])
def test_patterns_that_may_be(pattern):
    servers_list.require_pattern("name", pattern)


@pytest.mark.parametrize("pattern", ["(", "(a+)+$", "(a*)*b", "a*a*a*a*a*b", "(.)\\1", "x" * 256, "((a|b)+)+"])
def test_patterns_that_may_not(pattern):
    with pytest.raises(BadRequest):
        servers_list.require_pattern("name", pattern)


# -- networks, disks --------------------------------------------------------------------------------------------------

UUID = "11111111-1111-1111-1111-111111111111"


@pytest.mark.parametrize("asked", [
    [{}], [{"uuid": "x"}], [{"port": UUID, "fixed_ip": "10.0.0.1"}], [{"port": UUID}, {"port": UUID}]])
def test_networks_that_contradict_themselves(asked):
    with pytest.raises(BadRequest):
        servers_networks.read(asked)


def test_disks_of_a_flavor():
    disks = servers_devices.read([], FLAVOR, UUID)
    assert [(disk.name, disk.size, disk.image_id, disk.boot_index) for disk in disks] == [
        ("root", 1, UUID, 0), ("ephemeral0", 2, None, -1), ("swap", 64, None, -1)]


def test_mapped_disks():
    root = {"source_type": "image", "destination_type": "local", "boot_index": 0, "uuid": UUID, "disk_bus": "scsi"}
    blank = {"source_type": "blank", "destination_type": "local", "volume_size": 1}
    swap = {"source_type": "blank", "destination_type": "local", "guest_format": "swap", "volume_size": 32}
    for asked, swapped in (([root, blank, dict(blank)], FLAVOR["swap"]), ([root, blank, swap], 32)):
        disks = servers_devices.read(asked, FLAVOR, UUID)
        ephemerals = [("ephemeral0", 1, None), ("ephemeral1", 1, None)][:len(asked) - (swap in asked) - 1]
        assert [(disk.name, disk.size, disk.bus) for disk in disks] == [("root", 1, "scsi"), *ephemerals, ("swap", swapped, None)]
    with pytest.raises(BadRequest, match="4 of at most 3"):
        servers_devices.read([root, blank, dict(blank), swap], FLAVOR, UUID)


@pytest.mark.parametrize("device", [
    {"source_type": "volume", "uuid": UUID, "boot_index": 0}, {"source_type": "image", "uuid": UUID, "volume_size": 5},
    {"source_type": "blank", "destination_type": "local", "volume_size": 50},
    {"source_type": "blank", "destination_type": "volume", "volume_size": 1},
    {"source_type": "image", "destination_type": "local", "uuid": UUID, "boot_index": 1},
    {"source_type": "blank", "destination_type": "local", "uuid": UUID}])
def test_devices_that_cannot_be(device):
    with pytest.raises(BadRequest):
        servers_devices.read([device], FLAVOR, UUID)


# -- domain and metadata ----------------------------------------------------------------------------------------------

def fixed(address="10.0.0.5", **more):
    values = {"address": address, "subnet_id": "s", "version": 4, "cidr": "10.0.0.0/24", "prefix": 24, "gateway": "10.0.0.1",
              "dns": ("9.9.9.9",), "routes": (("10.9.0.0/16", "10.0.0.2"),), "dhcp_enabled": True, "dhcp_server": None,
              "ipv6_ra_mode": None, "ipv6_address_mode": None}
    return FixedIp(**{**values, **more})


def port(*addresses, floating=()):
    return PortView(
        id=UUID, name="", network_id="n", network_name="net", network_project_id="p", external=False, project_id="p",
        mac_address="fa:16:3e:00:00:01", mtu=1450, tap="tap11111111-11", status="ACTIVE", admin_state_up=True, device_id="x",
        device_owner="compute:nova", vnic_type="normal", port_security_enabled=True, dns_name="", dns_domain="",
        fixed_ips=addresses or (fixed(),), floating_ips=floating, security_groups=(("g", "default"), ("h", "web")))


def boot(properties=None, specs=None, ports=None, **values):
    given = {"id": "sid", "number": 42, "name": "n", "hostname": "host", "project_id": "p", "user_id": "u", "vcpus": 4,
             "memory_mb": 128, "image_id": "img", "image": {"properties": properties or {}, "disk_format": "qcow2"},
             "flavor": {**FLAVOR, "extra_specs": specs or {}}, "launch_index": 0, "reservation_id": "r-1",
             "availability_zone": "nova", "random_seed": "c2VlZA==", "config_drive": True, "system_metadata": {},
             "created_at": datetime(2026, 1, 1, tzinfo=UTC)}
    ports = [port()] if ports is None else ports
    rows = tuple((ServerPort(port_id=view.id, server_id="sid", number=number, tag="front"), view)
                 for number, view in enumerate(ports))
    root = BlockDevice(id="b", server_id="sid", number=0, name="root", boot_index=0, volume_id=None, disk_bus=None)
    return boot_spec.Boot(SimpleNamespace(**{**dict.fromkeys(Server.__mapper__.attrs.keys()), **given, **values}), (root,), rows,
                          {"role": "web"}, "project", "user")


FILES = {"root": DiskFile("/r", "qcow2", 1 << 30), "config": DiskFile("/c", "raw", 1 << 20)}


def test_the_domain_of_a_plain_server():
    spec = boot_spec.domain(boot(), FILES)
    assert (spec.name, spec.vcpus, spec.memory_mb, spec.machine, spec.firmware) == ("instance-0000002a", 4, 128, "", "bios")
    assert [(disk.id, disk.kind, disk.device, disk.boot_index) for disk in spec.disks] == [
        ("root", DiskKind.ROOT, "disk", 0), ("config", DiskKind.CONFIG, "cdrom", None)]
    assert [(nic.mac, nic.tap, nic.mtu, nic.queues) for nic in spec.nics] == [("fa:16:3e:00:00:01", "tap11111111-11", 1450, 1)]


def test_images_and_flavors_shape_the_domain():
    spec = boot_spec.domain(boot(
        {"hw_disk_bus": "scsi", "hw_vif_model": "e1000", "hw_machine_type": "q35", "hw_firmware_type": "uefi", "hw_cpu_cores": "1",
         "os_type": "windows", "hw_video_model": "qxl", "hw_qemu_guest_agent": "no"},
        {"hw:cpu_cores": "2", "hw:cpu_threads": "2", "quota:cpu_shares": "512", "hw_rng:allowed": "False"}), FILES)
    assert (spec.disks[0].bus, spec.nics[0].model, spec.machine, spec.firmware) == ("scsi", "e1000", "q35", "uefi")
    assert (spec.topology.sockets, spec.topology.cores, spec.topology.threads) == (1, 2, 2)
    assert (spec.cpu_shares, spec.rng, spec.utc_clock, spec.video, spec.guest_agent) == (512, False, False, "qxl", False)


def test_a_rescue_boots_from_its_own_disk():
    spec = boot_spec.domain(boot(), {**FILES, "rescue": DiskFile("/x", "qcow2", 1)}, rescue=True)
    assert [(disk.id, disk.boot_index) for disk in spec.disks] == [("rescue", 0), ("root", 1), ("config", None)]


def test_metadata_tells_what_guests_look_for():
    content = metadata_content.of(boot(
        key_name="k", key_data="ssh-ed25519 AAAA", key_type="ssh", user_data=base64.b64encode(b"#!/bin/sh").decode(),
        admin_pass="secret", injected_files=[{"path": "/etc/x", "contents": base64.b64encode(b"hi").decode()}]))
    data = content.meta_data
    assert (data["uuid"], data["hostname"], data["meta"], data["public_keys"]) == (
        "sid", "host", {"role": "web"}, {"k": "ssh-ed25519 AAAA"})
    assert data["files"] == [{"path": "/etc/x", "content_path": "/content/0000"}]
    assert data["devices"][0]["tags"] == ["front"]
    tree = metadata_content.drive(content)
    assert orjson.loads(tree["openstack/latest/meta_data.json"]) == data
    assert tree["openstack/latest/user_data"] == tree["ec2/latest/user-data"] == b"#!/bin/sh"
    assert tree["openstack/content/0000"] == b"hi"
    assert "openstack/2012-08-10/network_data.json" not in tree and "openstack/2018-08-27/network_data.json" in tree
    assert orjson.loads(tree["ec2/latest/meta-data.json"])["public-keys"] == {"0": {"openssh-key": "ssh-ed25519 AAAA"}}


def test_network_data_for_each_kind_of_subnet():
    six = {"version": 6, "cidr": "fd00::/64", "gateway": "fd00::1", "dns": (), "routes": ()}
    data = metadata_content.network_data(boot(ports=[port(
        fixed(), fixed("10.0.0.6", dhcp_enabled=False), fixed("fd00::5", **six, ipv6_address_mode="slaac"),
        fixed("fd00::6", **six))]))
    assert [network["type"] for network in data["networks"]] == ["ipv4_dhcp", "ipv4", "ipv6_slaac", "ipv6"]
    static = data["networks"][1]
    assert (static["ip_address"], static["netmask"]) == ("10.0.0.6", "255.255.255.0")
    assert static["routes"] == [
        {"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.0.0.1"},
        {"network": "10.9.0.0", "netmask": "255.255.0.0", "gateway": "10.0.0.2"}]
    assert data["services"] == [{"type": "dns", "address": "9.9.9.9"}]
    assert data["links"][0]["ethernet_mac_address"] == "fa:16:3e:00:00:01"


def test_the_ec2_tree():
    paths = metadata_content.ec2_paths(metadata_content.of(boot(ports=[port(floating=(("172.24.4.9", "10.0.0.5"),))])))
    assert paths["meta-data/public-ipv4"] == b"172.24.4.9"
    assert paths["meta-data/local-ipv4"] == b"10.0.0.5"
    assert paths["meta-data/instance-id"] == b"i-0000002a"
    assert paths["meta-data/security-groups"] == b"default\nweb"
    assert paths["meta-data/placement/availability-zone"] == b"nova"
    assert "user-data" not in paths
