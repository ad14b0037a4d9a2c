"""A real guest in a real cloud: it boots, is reached from outside, knows who it is, and is filtered."""

import asyncio
import json
import pwd
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.realtenant import C, N, until


async def test_it_boots_and_is_reached_by_its_floating_address(tenant, guest):
    shown = await tenant.becomes(guest.id, "ACTIVE")
    addresses = {one["OS-EXT-IPS:type"]: one["addr"] for one in shown["addresses"]["private"]}
    assert addresses["floating"] == guest.address and addresses["fixed"].startswith("10.20.0.")
    assert addresses["fixed"] in await guest.run("ip -4 -o addr show eth0")
    assert [port["status"] for port in await tenant.ports(guest.id)] == ["ACTIVE"]
    assert shown["OS-EXT-STS:power_state"] == 1 and shown["OS-SRV-USG:launched_at"]
    log = await tenant.console(guest.id)
    assert "dropbear listens; boot finished" in log and "datasource: config drive" in log


async def test_qemu_runs_as_an_ordinary_user_without_capabilities(real_cloud, guest):
    user = str(pwd.getpwnam("libvirt-qemu").pw_uid)
    running = real_cloud.libvirt.guests().values()
    assert running
    for pid in running:
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
        assert status["Uid"].split() == [user] * 4 and "0" not in status["Gid"].split()
        assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {0}


async def test_the_root_disk_is_as_large_as_the_flavor_says(guest):
    assert int(await guest.run("cat /sys/block/vda/size")) * 512 == 1 << 30
    assert "Linux" in await guest.run("uname -s")


async def test_it_knows_itself_from_config_drive_and_metadata(tenant, guest):
    device = await guest.run("blkid -L config-2")
    mounted = f"mkdir -p /run/drive; mount -o ro {device} /run/drive; cat /run/drive/openstack/latest/{{}}; umount /run/drive"
    drive = json.loads(await guest.run(mounted.format("meta_data.json")))
    served = json.loads(await guest.run("curl http://169.254.169.254/openstack/latest/meta_data.json"))
    for told in (drive, served):
        assert (told["uuid"], told["name"], told["meta"]) == (guest.id, "guest", {"colour": "blue"})
        assert told["public_keys"]["demo"].split()[:2] == (await guest.run("head -1 ~/.ssh/authorized_keys")).split()[:2]
    ports = await tenant.ports(guest.id)
    network = json.loads(await guest.run("curl http://169.254.169.254/openstack/latest/network_data.json"))
    assert [link["ethernet_mac_address"] for link in network["links"]] == [port["mac_address"] for port in ports]
    ec2 = "http://169.254.169.254/latest/meta-data"
    assert await guest.run(f"curl {ec2}/local-ipv4") == ports[0]["fixed_ips"][0]["ip_address"]
    assert await guest.run(f"curl {ec2}/public-ipv4") == guest.address
    assert (await guest.run(f"curl {ec2}/instance-id")).startswith("i-")


async def test_its_user_data_ran_and_its_name_is_set(guest):
    assert await guest.run("hostname") == "guest"
    assert await guest.run("cat /tmp/user-data-ran") == "user data ran"


async def test_a_security_group_closes_and_opens(tenant, guest):
    group = (await tenant.demo.post(f"{N}/security-groups", {"security_group": {"name": "closed"}})).body["security_group"]["id"]
    port = (await tenant.ports(guest.id))[0]

    async def groups(*ids: str) -> None:
        answer = await tenant.demo.put(f"{N}/ports/{port['id']}", {"port": {"security_groups": list(ids)}})
        assert answer.status == 200, answer.content

    async def is_open() -> bool:
        return await tenant.is_open(guest.address)

    async def is_closed() -> bool:
        return not await tenant.is_open(guest.address)
    assert await is_open()
    await groups(group)
    await until(is_closed)
    rule = {"security_group_id": group, "direction": "ingress", "ethertype": "IPv4", "protocol": "tcp", "port_range_min": 22,
            "port_range_max": 22, "remote_ip_prefix": "0.0.0.0/0"}
    answer = await tenant.demo.post(f"{N}/security-group-rules", {"security_group_rule": rule})
    await until(is_open)
    await tenant.demo.delete(f"{N}/security-group-rules/{answer.body['security_group_rule']['id']}")
    await until(is_closed)
    await groups(*port["security_groups"])
    await until(is_open)
    assert (await tenant.demo.delete(f"{N}/security-groups/{group}")).status == 204


async def ticket(tenant, server, protocol, kind):
    answer = await tenant.demo.at("2.6").post(f"{C}/servers/{server}/remote-consoles",
                                              {"remote_console": {"protocol": protocol, "type": kind}})
    assert answer.status == 200, answer.content
    return answer.body["remote_console"]["url"]


def socket_of(tenant, url):
    """Where the page of this address opens its websocket; the serial line's address is one already."""
    parts = urlsplit(url)
    return url if parts.scheme == "ws" else f"{tenant.demo.url}/{parse_qs(parts.query)['path'][0]}"


async def test_its_serial_line_and_screen_by_websocket(tenant, guest):
    await guest.boot_id()                                    # it has a login prompt
    url = socket_of(tenant, await ticket(tenant, guest.id, "serial", "serial"))
    async with asyncio.timeout(30), tenant.session.ws_connect(url, protocols=["binary"]) as line:
        await line.send_bytes(b"\n")
        said = b""
        while b"login:" not in said:
            said += (await line.receive_bytes())
    url = socket_of(tenant, await ticket(tenant, guest.id, "vnc", "novnc"))
    async with asyncio.timeout(30), tenant.session.ws_connect(url, protocols=["binary"]) as screen:
        assert (await screen.receive_bytes()).startswith(b"RFB 003.")


async def test_deleting_a_server_leaves_nothing(tenant, guest):
    """Measured beside another guest, whose network and group stay."""
    await guest.boot_id()
    before, ports = await asyncio.to_thread(tenant.traces), await tenant.demo.get(f"{N}/ports")
    server = await tenant.create("short", config_drive=True, metadata={"a": "b"})
    await tenant.becomes(server, "ACTIVE")
    address = await tenant.floating_ip(server)
    during = await asyncio.to_thread(tenant.traces)
    assert {kind for kind in ("domain", "qemu", "file", "dhcp") if any(one.startswith(kind) for one in during - before)} \
        == {"domain", "qemu", "file", "dhcp"}
    assert any(" link tap" in one for one in during - before)
    for row in (await tenant.demo.get(f"{N}/floatingips?floating_ip_address={address}")).body["floatingips"]:
        assert (await tenant.demo.delete(f"{N}/floatingips/{row['id']}")).status == 204
    await tenant.delete(server)

    async def as_before() -> bool:
        return await asyncio.to_thread(tenant.traces) == before
    try:
        await until(as_before)
    except TimeoutError:
        left = await asyncio.to_thread(tenant.traces)
        raise AssertionError(f"left over: {sorted(left - before)}; missing: {sorted(before - left)}") from None
    assert (await tenant.demo.get(f"{N}/ports")).body == ports.body
