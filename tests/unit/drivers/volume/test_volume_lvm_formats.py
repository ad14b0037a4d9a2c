"""What the pool's metadata and the kernel tell, in the forms that were recorded."""

import struct

from cloudd.drivers.volume.lvm import devmapper
from cloudd.drivers.volume.lvm.devmapper import DeviceMapper, device_name
from cloudd.drivers.volume.lvm.group import only
from cloudd.drivers.volume.lvm.thin_map import joined, mappings
from tests.unit.drivers.volume.lvm_fake import recorded

CHUNK = 64 << 10


def test_a_map_of_a_thin_volume_joins_neighbours_wherever_their_data_lie():
    pieces = list(joined(mappings(recorded("thin_dump.xml").encode())))
    assert pieces == [(0, 32), (1024, 1025), (1040, 1072)]


def test_names_of_devices_as_lvm_gives_them_to_the_kernel():
    assert device_name("cloud-vg", "volume-a-b") == "cloud--vg-volume--a--b"


def test_a_filter_names_each_device_whole():
    assert only(["/dev/sda1", "/dev/mapper/x+y"]).count('[ "a|^/dev/sda1$|", "a|^/dev/mapper/x.y$|", "r|.*|" ]') == 2


def told(monkeypatch, status, opened=3):
    """The kernel's answer to a request."""
    def answer(handle, request, data):
        head = list(devmapper.HEADER.unpack_from(data))
        head[5], head[6] = 1, opened
        body = devmapper.HEADER.pack(*head) + struct.pack("=QQiI16s", 0, 1, 0, 0, b"thin-pool") + status.encode() + b"\0"
        data[:len(body)] = body
    monkeypatch.setattr(devmapper.os, "open", lambda *args: 99)
    monkeypatch.setattr(devmapper.os, "close", lambda handle: None)
    monkeypatch.setattr(devmapper.fcntl, "ioctl", answer)


def test_how_full_a_pool_is(monkeypatch):
    told(monkeypatch, recorded("status.txt").split("thin-pool ", 1)[1].strip())
    state = DeviceMapper().pool("cloud--vg-pool-tpool", CHUNK)
    assert (state.total, state.mode, state.needs_check) == (2 << 30, "rw", False)
    assert (state.data, state.metadata, state.used) == (209 / 32768, 220 / 2048, 209 * CHUNK)
    assert DeviceMapper().opened("x") == 3


def test_a_pool_that_has_failed(monkeypatch):
    told(monkeypatch, "Fail")
    assert DeviceMapper().pool("x", CHUNK).mode == "Fail"
    told(monkeypatch, "5 12/2048 32768/32768 - out_of_data_space discard_passdown error_if_no_space needs_check 1024")
    assert (DeviceMapper().pool("x", CHUNK).mode, DeviceMapper().pool("x", CHUNK).needs_check) == ("out_of_data_space", True)


def test_without_a_device_mapper_nothing_is_active():
    assert DeviceMapper().opened("cloudd-no-such-device") is None
