"""What a project's user sees of a real cloud from outside, and what an auditor sees inside of it: calls, ssh, leftovers."""

import asyncio
import contextlib
import io
import re
import sqlite3
import subprocess
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import paramiko
import yaml

from cloudd.drivers.network.linux import netns
from tests.api.conftest import Client
from tests.realcloud import RealCloud, connect
from tests.waiting import until

C, N = "/compute/v2.1", "/networking/v2.0"
BOOT_SECONDS = 100                     # an emulated guest on a machine that others use as well


@dataclass
class Tenant:
    """The demo project's user, at work in one cloud; `admin` is there for what only administrators see."""

    cloud: RealCloud
    session: aiohttp.ClientSession
    demo: Client = field(init=False)
    admin: Client = field(init=False)

    async def login(self) -> "Tenant":
        self.demo, self.admin = await self._client("demo"), await self._client("admin")
        return self

    async def _client(self, name: str) -> Client:
        auth = yaml.safe_load((self.cloud.state / "clouds.yaml").read_text())["clouds"][name]["auth"]
        url, domain = auth["auth_url"].removesuffix("/identity"), {"name": auth.get("user_domain_name", "Default")}
        user = {"name": auth["username"], "password": auth["password"], "domain": domain}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}},
                         "scope": {"project": {"name": auth["project_name"], "domain": domain}}}}
        async with self.session.post(f"{url}/identity/v3/auth/tokens", json=body) as answer:
            assert answer.status == 201, await answer.text()
            token = (await answer.json())["token"]
            return Client(url, self.session, {"X-Auth-Token": answer.headers["X-Subject-Token"]}, token["project"]["id"],
                          token["user"]["id"])

    # -- servers --------------------------------------------------------------------------------------------------------

    async def named(self, path: str, key: str, name: str) -> str:
        rows = (await self.demo.get(path)).body[key]
        return next(row["id"] for row in rows if row["name"] == name)

    async def create(self, name: str, **more: Any) -> str:
        """Order a server on the private network; its id."""
        body = {"name": name, "flavorRef": "1", "key_name": "demo", **more}
        if "imageRef" not in body:
            body["imageRef"] = await self.named("/image/v2/images", "images", "testguest")
        if "networks" not in body:
            body["networks"] = [{"uuid": await self.named(f"{N}/networks", "networks", "private")}]
        answer = await self.demo.post(f"{C}/servers", {"server": body})
        assert answer.status == 202, answer.content
        return answer.body["server"]["id"]

    async def show(self, server: str) -> dict[str, Any] | None:
        """The server as it is now; None when there is none."""
        answer = await self.demo.get(f"{C}/servers/{server}")
        if answer.status == 404:
            return None
        assert answer.status == 200, answer.content
        return answer.body["server"]

    async def becomes(self, server: str, status: str | None, seconds: float = 60) -> dict[str, Any] | None:
        """Wait until it has the status, and nothing is being done to it; None is: it is gone."""
        found: dict[str, Any] | None = None

        async def there() -> bool:
            nonlocal found
            found = await self.show(server)
            if found is None or status is None:
                return found is None and status is None
            if found["status"] == "ERROR" != status and not found["OS-EXT-STS:task_state"]:
                raise AssertionError(f"server {server} is in ERROR: {found.get('fault')}")
            return found["status"] == status and not found["OS-EXT-STS:task_state"]
        try:
            await until(there, seconds)
        except TimeoutError:
            raise AssertionError(f"server {server} did not become {status}: {found}") from None
        return found

    async def act(self, server: str, action: str, body: Any = None) -> Any:
        answer = await self.demo.post(f"{C}/servers/{server}/action", {action: body})
        assert answer.status in (200, 202), answer.content
        return answer.body

    async def console(self, server: str) -> str:
        return (await self.act(server, "os-getConsoleOutput", {}))["output"]

    async def delete(self, server: str) -> None:
        answer = await self.demo.delete(f"{C}/servers/{server}")
        assert answer.status in (204, 404), answer.content
        await self.becomes(server, None)

    async def ports(self, server: str) -> list[dict[str, Any]]:
        return (await self.demo.get(f"{N}/ports?device_id={server}")).body["ports"]

    async def floating_ip(self, server: str) -> str:
        body = {"floating_network_id": await self.named(f"{N}/networks", "networks", "public"),
                "port_id": (await self.ports(server))[0]["id"]}
        answer = await self.demo.post(f"{N}/floatingips", {"floatingip": body})
        assert answer.status == 201, answer.content
        return answer.body["floatingip"]["floating_ip_address"]

    async def drop_floating_ips(self) -> None:
        for row in (await self.demo.get(f"{N}/floatingips")).body["floatingips"]:
            await self.demo.delete(f"{N}/floatingips/{row['id']}")

    # -- the guest, from the host ---------------------------------------------------------------------------------------

    async def ssh(self, address: str, command: str) -> str:
        """What a command says in the guest. Raises OSError, paramiko.SSHException, AssertionError."""
        return await asyncio.to_thread(self._ssh, address, command)

    def _ssh(self, address: str, command: str) -> str:
        key = paramiko.Ed25519Key.from_private_key(io.StringIO((self.cloud.state / "demo_key").read_text()))
        with contextlib.closing(connect(self.cloud.host, address, 22)) as door, paramiko.SSHClient() as client:
            client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
            client.connect(address, username="cirros", pkey=key, sock=door, timeout=20, banner_timeout=20, auth_timeout=20,
                           allow_agent=False, look_for_keys=False)
            _, out, err = client.exec_command(command, timeout=20)
            said, complaint, status = out.read().decode(), err.read().decode(), out.channel.recv_exit_status()
        assert status == 0, f"{command}: {status} {said}{complaint}"
        return said

    async def reaches(self, address: str, command: str = "cat /proc/sys/kernel/random/boot_id", *,
                      seconds: float = BOOT_SECONDS) -> str:
        """Wait until a command can be run in the guest; what it says."""
        said, last = "", "never tried"

        async def lets_in() -> bool:
            nonlocal said, last
            try:
                said = await self.ssh(address, command)
            except (OSError, EOFError, paramiko.SSHException) as exc:
                last = repr(exc)
                return False
            return True
        try:
            await until(lets_in, seconds)
        except TimeoutError:
            raise AssertionError(f"{address} does not let us in: {last}") from None
        return said.strip()

    async def is_open(self, address: str, port: int = 22) -> bool:
        """Whether a connection is taken; not taken within two seconds is closed."""
        try:
            (await asyncio.to_thread(connect, self.cloud.host, address, port, 2)).close()
        except OSError:
            return False
        return True

    # -- behind the scenes ----------------------------------------------------------------------------------------------

    def qemu(self, server: str) -> int | None:
        """The process of a server's guest."""
        name = self.domain_names().get(server)
        return self.cloud.libvirt.guests().get(name) if name else None

    def domain_names(self) -> dict[str, str]:
        """Names of domains by server: of those that run and of those that are only defined."""
        found = {}
        for folder in ("etc/libvirt/qemu", "run/libvirt/qemu"):
            for file in (self.cloud.libvirt.state / folder).glob("*.xml"):
                with contextlib.suppress(FileNotFoundError):
                    if match := re.search(r"<uuid>([0-9a-f-]{36})</uuid>", file.read_text()):
                        found[match[1]] = file.stem
        return found

    def jobs(self, resource: str) -> list[tuple[str, str, int]]:
        """(kind, state, step) of a resource's jobs, as the daemon has saved them."""
        with contextlib.closing(sqlite3.connect(f"file:{self.cloud.state}/cloudd.db?mode=ro", uri=True, timeout=5)) as database:
            return database.execute("SELECT kind, state, step FROM core_jobs WHERE resource_id = ? ORDER BY serial",
                                    (resource,)).fetchall()

    def traces(self) -> set[str]:
        """All that guests leave on the machine: domains, files, links, firewall, what DHCP knows."""
        found = {f"domain {server} {name}" for server, name in self.domain_names().items()}
        found |= {f"qemu {name}" for name in self.cloud.libvirt.guests()}
        for folder in (self.cloud.state / "instances", self.cloud.state / "run", self.cloud.run_dir,
                       self.cloud.libvirt.state / "var/lib/libvirt/qemu", self.cloud.state / "snapshots"):
            found |= {f"file {file}" for file in folder.rglob("*") if file.is_file() or file.is_socket()}
        for names in ("hosts", "names"):
            for file in (self.cloud.state / "network/dhcp").glob(f"*/{names}"):
                found |= {f"dhcp {line}" for line in file.read_text().splitlines()}
        for namespace in (self.cloud.node, self.cloud.host, *self.cloud.own_namespaces()):
            found |= {f"{namespace} {line}" for line in (*(f"link {name}" for name in links(namespace)), *_rules(namespace))}
        return found


def links(namespace: str) -> set[str]:
    with netns.route(namespace) as ip:
        return {link.get_attr("IFLA_IFNAME") for link in ip.get_links()}


FILLED_BY_TRAFFIC = ("connections_", "full", "refused")      # sets of the firewall's that come and go with what guests send


def _rules(namespace: str) -> set[str]:
    """The firewall's lines with what they stand in; counters do not matter, nor how elements of a set are broken into lines."""
    text = subprocess.run(["ip", "netns", "exec", namespace, "nft", "list", "ruleset"], capture_output=True, text=True,
                          check=True).stdout
    text = re.sub(r"counter packets \d+ bytes \d+", "counter", text)
    found, stack = set(), []
    for line in re.sub(r",\s*\n\s*", ", ", text).splitlines():
        words = line.strip()
        if words.endswith("{"):
            stack.append(words)
        elif words == "}":
            stack.pop()
        elif words.startswith("elements") and stack[-1].split()[1].startswith(FILLED_BY_TRAFFIC):
            continue
        elif words.startswith("elements"):
            found |= {" ".join((*stack, one.strip())) for one in words.partition("{")[2].rstrip("} ").split(",")}
        elif words:
            found.add(" ".join((*stack, words)))
    return found


@contextlib.asynccontextmanager
async def at_work(cloud: RealCloud) -> AsyncIterator[Tenant]:
    """The demo user of a cloud that is up and filled."""
    def inside(info: Any) -> Any:
        import socket
        with netns.inside(cloud.host):
            return socket.socket(info[0], info[1], info[2])
    # a connection a request: one that is kept would not survive the daemon's end
    connector = aiohttp.TCPConnector(socket_factory=inside, force_close=True)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(60)) as session:
        yield await Tenant(cloud, session).login()


def short_name(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:6]}"


def tail_of(file: Path, lines: int = 60) -> str:
    """The end of a log, without the requests that went well."""
    kept = [line for line in file.read_text(errors="replace").splitlines() if " INFO cloudd.access" not in line]
    return "\n".join(kept[-lines:])
