"""`cloudd init`: fills a running cloud with what a first user needs, through its API only; what is there already stays.

Flavors, the test image, the external network, and in the demo project a network behind a router, a key pair, a default
security group that lets SSH and ICMP in, and a first guest.
"""

import asyncio
import ipaddress
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from cloudd.cli.session import CallFailed, Session, login
from cloudd.settings import Settings

FLAVORS = (("m1.nano", 128, 1, 1), ("m1.micro", 192, 1, 1), ("m1.tiny", 512, 1, 1), ("m1.small", 2048, 20, 1),
           ("m1.medium", 4096, 40, 2), ("m1.large", 8192, 80, 4), ("m1.xlarge", 16384, 160, 8))
IMAGE = {"name": "testguest", "disk_format": "qcow2", "container_format": "bare", "visibility": "public", "min_disk": 0,
         "min_ram": 80, "os_distro": "debian", "os_admin_user": "cirros", "os_type": "linux", "hw_rng_model": "virtio"}
PRIVATE = "10.20.0.0/24"
BOOT_SECONDS = 300
STEPS = 7
RANGES = 64                      # ranges after the wanted one that are tried for floating addresses


class Said:
    """What is being done and how far it is: lines on a terminal, or plain ones in a file."""

    def __init__(self) -> None:
        self.number, self.began, self._open = 0, time.monotonic(), False
        self._terminal = sys.stdout.isatty()

    def step(self, what: str) -> None:
        self.number += 1
        self._show(f"[{self.number}/{STEPS}] {what}")

    def progress(self, text: str) -> None:
        if self._terminal:
            self._show(f"[{self.number}/{STEPS}] {text}", again=True)

    def done(self, text: str) -> None:
        self._show(f"[{self.number}/{STEPS}] {text}", again=True)

    def _show(self, text: str, again: bool = False) -> None:
        if self._terminal:
            sys.stdout.write(("\r\033[K" if again else "\n" if self._open else "") + text)
            self._open = True
        else:
            sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def end(self) -> None:
        if self._open:
            sys.stdout.write("\n")


async def run(settings: Settings, guest_image: Path | None, guest: bool = True) -> int:
    """Fill the cloud of these settings; the exit status."""
    state = Path(settings.server.state_dir)
    said = Said()
    try:
        async with login(state / "clouds.yaml", "admin") as admin, login(state / "clouds.yaml", "demo") as demo:
            await flavors(admin, said)
            image = await test_image(admin, said, guest_image)
            await external_network(admin, said, settings)
            network = await private_network(demo, said, settings)
            await key_pair(demo, said, state / "demo_key")
            await open_default_group(demo, said)
            address = await first_guest(demo, said, image, network) if guest and image else None
    except (CallFailed, aiohttp.ClientError, OSError) as exc:
        said.end()
        print(f"cloudd init: {exc}", file=sys.stderr)
        return 1
    said.end()
    _farewell(state.absolute(), address)
    return 0


async def flavors(admin: Session, said: Said) -> None:
    said.step("flavors")
    listed = (await admin.call("GET", "compute", "/flavors", params={"is_public": "None"}))["flavors"]
    have, ids = {flavor["name"] for flavor in listed}, {flavor["id"] for flavor in listed}
    for number, (name, ram, disk, vcpus) in enumerate(FLAVORS, 1):
        if name not in have:
            key = str(number) if str(number) not in ids else "auto"
            body = {"flavor": {"id": key, "name": name, "ram": ram, "disk": disk, "vcpus": vcpus}}
            await admin.call("POST", "compute", "/flavors", body)
    said.done(f"flavors: {', '.join(name for name, *_ in FLAVORS)}")


async def test_image(admin: Session, said: Said, path: Path | None) -> dict[str, Any] | None:
    said.step("image testguest")
    found = (await admin.call("GET", "image", "/v2/images", params={"name": "testguest"}))["images"]
    ready = next((image for image in found if image["status"] == "active"), None)
    if ready or path is None:
        said.done("image testguest: there" if ready else "image testguest: none given (--guest-image)")
        return ready
    image = found[0] if found else await admin.call("POST", "image", "/v2/images", IMAGE)
    size = path.stat().st_size
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
    await admin.call("PUT", "image", f"/v2/images/{image['id']}/file", data=_read(path, size, said), headers=headers)
    said.done(f"image testguest: {size >> 20} MiB sent")
    return await admin.call("GET", "image", f"/v2/images/{image['id']}")


async def _read(path: Path, size: int, said: Said) -> AsyncIterator[bytes]:
    sent = 0
    with path.open("rb") as handle:
        while data := await asyncio.to_thread(handle.read, 1 << 20):
            yield data
            sent += len(data)
            said.progress(f"image testguest: {100 * sent // size} %")


async def external_network(admin: Session, said: Said, settings: Settings) -> None:
    said.step("external network public")
    network = await admin.find("network", "/v2.0/networks", "networks", "public")
    if network is None:
        body = {"name": "public", "router:external": True, "is_default": True, "provider:network_type": "flat",
                "provider:physical_network": settings.network.bridge_physical_network or "public"}
        network = (await admin.call("POST", "network", "/v2.0/networks", {"network": body}))["network"]
    if not network["subnets"]:
        cidr = settings.network.external_range
        if settings.network.driver == "linux" and not settings.network.bridge_interface:
            cidr = free_range(cidr, await asyncio.to_thread(ranges_of_host, settings.network.host_namespace))
        body = {"network_id": network["id"], "name": "public", "ip_version": ipaddress.ip_network(cidr).version, "cidr": cidr,
                "enable_dhcp": False}
        await admin.call("POST", "network", "/v2.0/subnets", {"subnet": body})
    subnets = (await admin.call("GET", "network", "/v2.0/subnets", params={"network_id": network["id"]}))["subnets"]
    said.done(f"external network public: floating addresses from {', '.join(subnet['cidr'] for subnet in subnets)}")


def ranges_of_host(namespace: str) -> list[str]:
    """What the host has addresses in or routes to, other than everything."""
    place = ["-n", namespace] if namespace else []
    found = []
    for what in ("-4", "-6"):
        done = subprocess.run(["ip", *place, what, "-j", "route"], capture_output=True, text=True, timeout=20, check=False)
        found += [route["dst"] for route in json.loads(done.stdout or "[]") if route.get("dst", "default") != "default"]
    return found


def free_range(wanted: str, taken: list[str]) -> str:
    """The wanted range, or the next one of its size that overlaps with none of those taken: a second cloud on a host, or a VPN."""
    first = ipaddress.ip_network(wanted)
    others = [ipaddress.ip_network(other, strict=False) for other in taken]
    for step in range(RANGES):
        candidate = type(first)((int(first.network_address) + step * first.num_addresses, first.prefixlen))
        if not any(candidate.version == other.version and candidate.overlaps(other) for other in others):
            return str(candidate)
    raise OSError(f"{wanted} and the {RANGES - 1} ranges after it are in use on this host: set [network] external_range")


async def private_network(demo: Session, said: Said, settings: Settings) -> dict[str, Any]:
    said.step("network private behind router")
    network = await demo.find("network", "/v2.0/networks", "networks", "private")
    if network is None:
        network = (await demo.call("POST", "network", "/v2.0/networks", {"network": {"name": "private"}}))["network"]
    subnet = await demo.find("network", "/v2.0/subnets", "subnets", "private")
    if subnet is None:
        body = {"network_id": network["id"], "name": "private", "ip_version": 4, "cidr": PRIVATE}
        subnet = (await demo.call("POST", "network", "/v2.0/subnets", {"subnet": body}))["subnet"]
    public = await demo.find("network", "/v2.0/networks", "networks", "public")
    router = await demo.find("network", "/v2.0/routers", "routers", "router")
    if router is None:
        body = {"name": "router", "external_gateway_info": {"network_id": public["id"]}}
        router = (await demo.call("POST", "network", "/v2.0/routers", {"router": body}))["router"]
    ports = (await demo.call("GET", "network", "/v2.0/ports", params={"device_id": router["id"]}))["ports"]
    if not any(address["subnet_id"] == subnet["id"] for port in ports for address in port["fixed_ips"]):
        await demo.call("PUT", "network", f"/v2.0/routers/{router['id']}/add_router_interface", {"subnet_id": subnet["id"]})
    said.done(f"network private: {PRIVATE} behind the router to public")
    return network


async def key_pair(demo: Session, said: Said, path: Path) -> None:
    said.step("key pair demo")
    have = {item["keypair"]["name"] for item in (await demo.call("GET", "compute", "/os-keypairs"))["keypairs"]}
    if "demo" not in have or not path.exists():
        public = _new_key(path) if not path.exists() else path.with_suffix(".pub").read_text()
        if "demo" in have:
            await demo.call("DELETE", "compute", "/os-keypairs/demo")
        await demo.call("POST", "compute", "/os-keypairs", {"keypair": {"name": "demo", "public_key": public}})
    said.done(f"key pair demo: {path}")


def _new_key(path: Path) -> str:
    """Write a new private key beside its public one, 0600; returns the public one."""
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ed25519

    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption())
    public = key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH).decode() + " demo\n"
    path.with_suffix(".pub").write_text(public)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
        handle.write(private)
    return public


async def open_default_group(demo: Session, said: Said) -> None:
    said.step("default security group")
    groups = (await demo.call("GET", "network", "/v2.0/security-groups", params={"name": "default"}))["security_groups"]
    group = next(group for group in groups if group["project_id"] == demo.project_id)
    have = {(rule["protocol"], rule["port_range_min"]) for rule in group["security_group_rules"]
            if rule["direction"] == "ingress" and rule["remote_group_id"] is None}
    for protocol, port in (("icmp", None), ("tcp", 22)):
        if (protocol, port) not in have:
            rule = {"security_group_id": group["id"], "direction": "ingress", "ethertype": "IPv4", "protocol": protocol,
                    "port_range_min": port, "port_range_max": port}
            await demo.call("POST", "network", "/v2.0/security-group-rules", {"security_group_rule": rule})
    said.done("default security group of demo: SSH (22/tcp) and ICMP are let in from everywhere")


async def first_guest(demo: Session, said: Said, image: dict[str, Any], network: dict[str, Any]) -> str | None:
    said.step("first guest")
    server = await demo.find("compute", "/servers/detail", "servers", "first")
    if server and server["status"] == "ERROR" and not server["OS-SRV-USG:launched_at"]:
        said.progress("first guest: it was never built; once more")
        await _delete(demo, server["id"])
        server = None
    boots = server is None
    if server is None:
        server = await _create(demo, image, network)
    server = await _settled(demo, said, server["id"])
    if server["status"] == "SHUTOFF":
        boots = True
        await demo.call("POST", "compute", f"/servers/{server['id']}/action", {"os-start": None})
        server = await _settled(demo, said, server["id"])
    address = await _floating_ip(demo, server)
    if not boots or server["status"] != "ACTIVE":
        said.done(f"first guest: {address}, {server['status']}")
        return address
    seconds = await _until_login(demo, said, server["id"])
    said.done(f"first guest: {address}" + (f", at its login prompt after {seconds:.0f} s" if seconds else ", no login prompt yet"))
    return address


async def _create(demo: Session, image: dict[str, Any], network: dict[str, Any]) -> dict[str, Any]:
    flavor = await demo.find("compute", "/flavors", "flavors", FLAVORS[0][0])
    if flavor is None:
        raise CallFailed("boot of", "the first guest", 404, f"the demo project sees no flavor {FLAVORS[0][0]}")
    body = {"name": "first", "imageRef": image["id"], "flavorRef": flavor["id"], "key_name": "demo",
            "networks": [{"uuid": network["id"]}]}
    return (await demo.call("POST", "compute", "/servers", {"server": body}))["server"]


async def _delete(demo: Session, server_id: str) -> None:
    await demo.call("DELETE", "compute", f"/servers/{server_id}")
    deadline = time.monotonic() + BOOT_SECONDS
    while await demo.find("compute", "/servers", "servers", "first"):
        if time.monotonic() > deadline:
            raise CallFailed("delete of", "the first guest", 504, f"it is still there after {BOOT_SECONDS} s")
        await asyncio.sleep(0.3)


async def _settled(demo: Session, said: Said, server_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + BOOT_SECONDS
    while True:
        server = (await demo.call("GET", "compute", f"/servers/{server_id}"))["server"]
        if server["status"] == "ERROR":
            raise CallFailed("boot of", "the first guest", 500, server.get("fault", {}).get("message", "no fault told"))
        if server["status"] != "BUILD" and not server.get("OS-EXT-STS:task_state"):
            return server
        if time.monotonic() > deadline:
            raise CallFailed("boot of", "the first guest", 504, f"still {server['status']} after {BOOT_SECONDS} s")
        said.progress(f"first guest: {server['status']} {server.get('OS-EXT-STS:task_state') or ''}")
        await asyncio.sleep(0.3)


async def _floating_ip(demo: Session, server: dict[str, Any]) -> str:
    ports = (await demo.call("GET", "network", "/v2.0/ports", params={"device_id": server["id"]}))["ports"]
    query = {"port_id": ports[0]["id"]}
    found = (await demo.call("GET", "network", "/v2.0/floatingips", params=query))["floatingips"]
    if not found:
        public = await demo.find("network", "/v2.0/networks", "networks", "public")
        body = {"floatingip": {"floating_network_id": public["id"], "port_id": ports[0]["id"]}}
        found = [(await demo.call("POST", "network", "/v2.0/floatingips", body))["floatingip"]]
    return found[0]["floating_ip_address"]


async def _until_login(demo: Session, said: Said, server_id: str) -> float | None:
    began = time.monotonic()
    while time.monotonic() - began < BOOT_SECONDS:
        body = {"os-getConsoleOutput": {"length": 30}}
        output = (await demo.call("POST", "compute", f"/servers/{server_id}/action", body))["output"]
        if "login:" in output or "Simulated" in output:
            return time.monotonic() - began
        last = next((line for line in reversed(output.splitlines()) if line.strip()), "")
        said.progress(f"first guest boots: {last[:90]}")
        await asyncio.sleep(0.5)
    return None


def _farewell(state: Path, address: str | None) -> None:
    import yaml

    url = yaml.safe_load((state / "clouds.yaml").read_text())["clouds"]["admin"]["auth"]["auth_url"].removesuffix("/identity")
    beside = Path(sys.executable).parent
    path = "" if shutil.which("openstack") or not (beside / "openstack").exists() else f"\n  export PATH={beside}:$PATH"
    print(f"""
cloudd is up: {url}   (operations: {url}/openapi)
credentials:  {state}/clouds.yaml, {state}/admin-openrc, {state}/demo-openrc (0600)
first guest:  {address or 'none'}

Try next:{path}
  export OS_CLIENT_CONFIG_FILE={state}/clouds.yaml OS_CLOUD=demo
  openstack server list
  openstack server create --wait --image testguest --flavor m1.nano --network private --key-name demo second""" + (f"""
  openstack console url show first
  ssh -i {state}/demo_key cirros@{address}""" if address else ""))
