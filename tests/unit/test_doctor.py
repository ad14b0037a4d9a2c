"""Doctor: what it finds, and what it says mends it."""

import json
import os
import socket
import subprocess
from dataclasses import replace

import pytest

from cloudd import settings
from cloudd.cli import doctor
from cloudd.core import database


@pytest.fixture
def values(tmp_path):
    made = settings.load(state_dir=str(tmp_path), listen="127.0.0.1:1", simulated=True, environ={})
    return replace(made, server=replace(made.server, listen="127.0.0.1:15987"))


def found(check, values):
    return {finding.check: finding for finding in check(values)}


def test_a_back_end_on_lvm_that_cannot_work_is_named_with_what_lacks(values):
    there = replace(values, volume=replace(values.volume, backends=("fast=lvm:cloudd-no-such/pool", "other=file:/srv")))
    (finding,) = doctor.lvm(there)
    assert (finding.check, finding.state) == ("volumes fast", doctor.FAIL)
    assert "no volume group cloudd-no-such" in finding.text or "apt-get install lvm2" in finding.text


def test_a_missing_program_names_its_package(values, monkeypatch):
    monkeypatch.setattr(doctor.shutil, "which", lambda name, path=None: None if name == "dnsmasq" else f"/usr/bin/{name}")
    findings = found(doctor.programs, values)
    assert (findings["dnsmasq"].state, findings["dnsmasq"].mend) == (doctor.FAIL, "apt-get install dnsmasq-base")
    assert findings["qemu-img"].state == doctor.OK


def test_a_port_that_is_held_is_told(values):
    with socket.socket() as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(("127.0.0.1", 0))
        door.listen()
        port = door.getsockname()[1]
        taken = replace(values, server=replace(values.server, listen=f"127.0.0.1:{port}"))
        finding = found(doctor.ports, taken)["port"]
    assert finding.state == doctor.FAIL and f"sport = :{port}" in finding.mend


def test_a_libvirt_that_is_not_there_is_told(values):
    gone = replace(values, compute=replace(values.compute, libvirt_uri="qemu:///system?socket=/nonexistent/socket"))
    finding = found(doctor.libvirt, gone)["libvirt"]
    assert finding.state == doctor.FAIL and "systemctl start libvirtd" in finding.mend


def test_an_old_schema_is_told_with_the_command(values, tmp_path):
    assert found(doctor.database, values)["database"].state == doctor.OK
    (tmp_path / "cloudd.db").touch()
    finding = found(doctor.database, values)["database"]
    assert (finding.state, finding.mend) == (doctor.FAIL, "cloudd db upgrade")
    database.upgrade(values.database.url)
    assert found(doctor.database, values)["database"].state == doctor.OK


def test_a_database_that_does_not_answer_is_told_without_its_password(values):
    away = replace(values, database=replace(values.database, url="postgresql://u:hunter2@127.0.0.1:1/x"))
    finding = found(doctor.database, away)["database"]
    assert finding.state == doctor.FAIL and "postgresql://u:***@127.0.0.1:1/x" in finding.text and "start the database" in finding.mend


def test_a_state_directory_that_others_cannot_enter_is_told(values, tmp_path):
    tmp_path.chmod(0o700)
    finding = found(doctor.reach, values)["state directory"]
    assert finding.state == doctor.WARN and f"chmod o+x {tmp_path}" in finding.mend


def test_missing_parts_of_consoles_are_told(values, tmp_path, monkeypatch):
    monkeypatch.setattr("cloudd.compute.consoles.pages.VENDORS", (tmp_path,))
    assert found(doctor.consoles, values)["console pages"].mend == "make consoles"


def test_the_firewall_and_the_bridges_are_tried_on_this_kernel(values):
    findings = found(doctor.firewall, values)
    assert {name: finding.state for name, finding in findings.items()} == {
        "nftables": doctor.OK, "bridge filter": doctor.OK, "bridges": doctor.OK}


def test_memory_is_told_in_servers(values):
    assert "servers of 2 GB" in found(doctor.room, values)["memory"].text


def test_the_exit_status_and_the_forms(values, capsys):
    assert doctor.run(values, as_json=True) in (0, 1)
    findings = json.loads(capsys.readouterr().out)
    assert {"check", "state", "text", "mend"} == set(findings[0])
    doctor.run(values, as_json=False)
    assert "disk" in capsys.readouterr().out


def test_an_uplink_that_the_host_lives_by_is_told(values):
    name = f"cloudd-doctor-test-{os.getpid()}"
    own = replace(values, network=replace(values.network, host_namespace=name, bridge_interface="card0", bridge_physical_network="lan"))
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        assert "no interface card0" in found(doctor.uplink, own)["uplink"].text
        subprocess.run(["ip", "-n", name, "link", "add", "card0", "type", "veth", "peer", "name", "far"], check=True)
        assert found(doctor.uplink, own)["uplink"].state == doctor.OK
        subprocess.run(["ip", "-n", name, "addr", "add", "192.0.2.5/24", "dev", "card0"], check=True)
        finding = found(doctor.uplink, own)["uplink"]
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)
    assert finding.state == doctor.FAIL and "card0 has the address 192.0.2.5/24" in finding.text and "br0" in finding.mend


def test_a_directory_of_volumes_that_is_nearly_full_or_closed_is_told(values, tmp_path, monkeypatch):
    real = replace(values, block=replace(values.block, driver="file", address=str(tmp_path / "volumes")))
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 5 << 30})())
    finding = found(doctor.volumes, real)["volumes"]
    assert finding.state == doctor.WARN and "back end file: 5 GiB free" in finding.text and "[volume] backends" in finding.mend
    monkeypatch.setattr(doctor.os, "access", lambda path, mode: False)
    assert found(doctor.volumes, real)["volumes"].state == doctor.FAIL
