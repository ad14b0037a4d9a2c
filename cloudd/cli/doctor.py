"""`cloudd doctor`: what this host needs, tried out; for each failure the command that mends it."""

import ctypes
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from cloudd.core.errors import StartError
from cloudd.settings import Settings

OK, WARN, FAIL = "ok", "warn", "fail"
SECONDS = 20
GUEST_MB = 2048


@dataclass(frozen=True)
class Finding:
    """What one check found: `state` is ok, warn (it will work, but) or fail; `mend` is the command that helps."""

    check: str
    state: str
    text: str
    mend: str = ""


Check = Callable[[Settings], Iterable[Finding]]
PROGRAMS = {
    "qemu-img": ("qemu-utils", "disks"), "qemu-nbd": ("qemu-utils", "reading volumes"),
    "qemu-system-x86_64": ("qemu-system-x86", "guests"), "dnsmasq": ("dnsmasq-base", "DHCP"),
    "nft": ("nftables", "the firewall"), "ip": ("iproute2", "networks"), "conntrack": ("conntrack", "cutting flows off"),
    "genisoimage": ("genisoimage", "config drives"),
}


RULES = """
table inet t {
  set s { type mark; size 65535; flags dynamic; }
  chain c { type filter hook prerouting priority -140; ct state established meta mark set 0x1; }
  chain l { type filter hook forward priority -10; add @s { meta mark ct count over 9 } drop; }
}
table bridge t {
  map m { type ifname : verdict; }
  set s { type ifname . ether_addr . ipv4_addr; flags interval; }
  chain c { type filter hook forward priority -10; iifname vmap @m; }
}
"""


def run(settings: Settings, as_json: bool) -> int:
    """Run the checks; 1 if any failed."""
    simulated = settings.compute.driver == "simulated"
    findings = [finding for check in (SIMULATED if simulated else ALL) for finding in check(settings)]
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        for finding in findings:
            print(f"{finding.state:5} {finding.check:18} {finding.text}")
            if finding.mend and finding.state != OK:
                print(f"      {'':18} mend: {finding.mend}")
    return int(any(finding.state == FAIL for finding in findings))


def root(settings: Settings) -> Iterable[Finding]:
    if os.geteuid() == 0:
        yield Finding("root", OK, "runs as root")
    else:
        yield Finding("root", FAIL, f"runs as uid {os.geteuid()}; bridges and namespaces need root", "sudo cloudd doctor")


def programs(settings: Settings) -> Iterable[Finding]:
    for name, (package, purpose) in PROGRAMS.items():
        path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if path:
            yield Finding(name, OK, path)
        else:
            yield Finding(name, FAIL, f"not found; needed for {purpose}", f"apt-get install {package}")


def libvirt(settings: Settings) -> Iterable[Finding]:
    try:
        import libvirt as binding
    except ImportError as exc:
        yield Finding("libvirt", FAIL, str(exc), "apt-get install libvirt-dev && pip install libvirt-python")
        return
    binding.registerErrorHandler(lambda context, error: None, None)
    try:
        connection = binding.open(settings.compute.libvirt_uri)
    except binding.libvirtError as exc:
        yield Finding("libvirt", FAIL, f"{settings.compute.libvirt_uri}: {exc}",
                      "apt-get install libvirt-daemon-system && systemctl start libvirtd")
        return
    try:
        yield Finding("libvirt", OK, f"{settings.compute.libvirt_uri}, version {_version(connection.getLibVersion())}, "
                                     f"QEMU {_version(connection.getVersion())}")
        yield _virtualisation(connection, settings)
    finally:
        connection.close()


def _version(number: int) -> str:
    return f"{number // 1000000}.{number // 1000 % 1000}.{number % 1000}"


def _virtualisation(connection: object, settings: Settings) -> Finding:
    """KVM by trying: a device node alone proves nothing."""
    from cloudd.drivers.hypervisor.libvirt import probe

    if settings.compute.virt_type != "auto":
        return Finding("virtualisation", OK, f"virt_type = {settings.compute.virt_type}, as configured")
    with tempfile.TemporaryDirectory(prefix="cloudd-doctor-", dir="/var/tmp") as directory:
        Path(directory).chmod(0o711)                 # QEMU runs as a user of its own
        found = probe.virt_type(connection, "auto", Path(directory), "doctor00")
    if found == "kvm":
        return Finding("virtualisation", OK, "KVM works: a guest was started and ran")
    node = "there is a /dev/kvm, but a guest started with it does not run" if os.path.exists("/dev/kvm") else "there is no /dev/kvm"
    return Finding("virtualisation", WARN, f"{node}: guests are emulated, ten times slower",
                   "switch on VT-x or AMD-V in the firmware, or nested virtualisation on the outer host; modprobe kvm_intel kvm_amd")


def firewall(settings: Settings) -> Iterable[Finding]:
    """nftables and bridge filtering, tried in a namespace of our own that is thrown away."""
    name = f"cloudd-doctor-{os.getpid()}"
    if _call(["ip", "netns", "add", name]):
        yield Finding("namespaces", FAIL, "a network namespace cannot be made", "run on a kernel with CONFIG_NET_NS, as root")
        return
    try:
        error = _call(["ip", "netns", "exec", name, "nft", "-f", "-"], RULES)
        yield Finding("nftables", FAIL if error else OK, error or "inet and bridge rules are taken",
                      "modprobe -a nf_tables nf_conntrack nft_connlimit")
        error = _call(["ip", "netns", "exec", name, "sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1"])
        yield Finding("bridge filter", FAIL if error else OK, error or "br_netfilter is there",
                      "modprobe br_netfilter && echo br_netfilter > /etc/modules-load.d/cloudd.conf")
        error = _call(["ip", "-n", name, "link", "add", "cldr0", "type", "bridge"])
        yield Finding("bridges", FAIL if error else OK, error or "bridges can be made", "modprobe bridge")
    finally:
        _call(["ip", "netns", "del", name])


def _call(command: list[str], text: str = "") -> str:
    """Run a command; its error, empty when it worked."""
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as exc:
        return str(exc)
    return (done.stderr.strip() or f"{command[0]} ended with {done.returncode}") if done.returncode else ""


def forwarding(settings: Settings) -> Iterable[Finding]:
    """Other masters of the firewall, and what NAT outwards needs."""
    if not settings.network.outbound:
        yield Finding("forwarding", OK, "outbound is off: guests' packets stay on this machine")
        return
    done = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, timeout=SECONDS, check=False)
    chain = next((line.strip() for line in done.stdout.splitlines() if "hook forward" in line and "policy drop" in line), "")
    if chain:
        yield Finding("forwarding", WARN, "another program (Docker, firewalld, ufw) drops what it does not know in the forward chain: "
                      "guests may not reach the outside", "iptables -I DOCKER-USER -s RANGE -j ACCEPT (RANGE: [network] external_range), "
                      "or the like for your firewall")
    else:
        yield Finding("forwarding", OK, "no other rule drops forwarded packets")


def uplink(settings: Settings) -> Iterable[Finding]:
    """The interface that a provider network is joined to must be one that this host can spare."""
    from cloudd.drivers.network.linux.outside import uplinks

    own = settings.network
    if not own.bridge_interface or not own.outbound:
        return
    why = uplinks.refusal(own.host_namespace, own.bridge_interface)
    if not any(uplinks.exists(place, own.bridge_interface) for place in (own.host_namespace, own.namespace)):
        yield Finding("uplink", FAIL, f"there is no interface {own.bridge_interface}", "ip link; then set [network] bridge_interface")
    elif why:
        yield Finding("uplink", FAIL, why, f"ip link add br0 type bridge && ip link set {own.bridge_interface} master br0, the address "
                      "and default route on br0 (best in the host's network configuration); then [network] bridge_interface = br0")
    else:
        yield Finding("uplink", OK, f"{own.bridge_interface} can be joined to {own.bridge_physical_network}")


def room(settings: Settings) -> Iterable[Finding]:
    """Disk and memory, and what fits."""
    state = Path(settings.server.state_dir)
    place = next(path for path in (state, *state.parents) if path.exists())
    free = shutil.disk_usage(place).free >> 30
    yield Finding("disk", FAIL if free < 2 else WARN if free < 20 else OK, f"{free} GiB free at {place}",
                  "free some, or put [server] state_dir on a larger disk")
    memory = {line.split(":")[0]: int(line.split()[1]) >> 10 for line in Path("/proc/meminfo").read_text().splitlines()}
    usable = int(memory["MemAvailable"] * settings.compute.ram_allocation_ratio) - settings.compute.reserved_host_memory_mb
    yield Finding("memory", OK if usable >= GUEST_MB else WARN, f"{memory['MemAvailable']} MiB free of {memory['MemTotal']}: "
                  f"this machine holds {max(usable, 0) // GUEST_MB} servers of 2 GB", "add memory, or use smaller flavors")


def volumes(settings: Settings) -> Iterable[Finding]:
    """The directories of volumes: whether they can be written, what is free, and whether clones share blocks there."""
    for name, (driver, address) in settings.volume_backends().items():
        if driver != "file":
            continue
        place = next(path for path in (Path(address), *Path(address).parents) if path.exists())
        if not os.access(place, os.W_OK):
            yield Finding("volumes", FAIL, f"back end {name}: {place} cannot be written", f"mount -o remount,rw, or chown, {place}")
            continue
        free = shutil.disk_usage(place).free >> 30
        yield Finding("volumes", WARN if free < 20 else OK, f"back end {name}: {free} GiB free at {place}",
                      "free some, or add a back end on another disk: [volume] backends")


def reach(settings: Settings) -> Iterable[Finding]:
    """QEMU and dnsmasq run as users of their own, who must be able to enter the state directory's parents."""
    state = Path(settings.server.state_dir).absolute()
    closed = [path for path in (state, *state.parents) if path.exists() and not path.stat().st_mode & 0o001]
    if closed:
        yield Finding("state directory", WARN, f"{', '.join(map(str, closed))} cannot be entered by QEMU's and dnsmasq's users, where they "
                      "have their own", f"chmod o+x {' '.join(map(str, closed))}; or set [server] state_dir")
    else:
        yield Finding("state directory", OK, f"{state} can be entered by QEMU's and dnsmasq's users")


def consoles(settings: Settings) -> Iterable[Finding]:
    """The pages of consoles need noVNC and xterm.js beside the program."""
    from cloudd.compute.consoles import pages

    missing = [name for name in ("@novnc/novnc", "@xterm/xterm") if not any((root / name).is_dir() for root in pages.VENDORS)]
    yield Finding("console pages", WARN if missing else OK, f"{', '.join(missing)} not found: consoles do not open in a browser"
                  if missing else "noVNC and xterm.js are there", "make consoles")


def lvm(settings: Settings) -> Iterable[Finding]:
    """Each back end on LVM: whether its pool is there, and whether the host's own LVM looks into guests' volumes."""
    import asyncio

    for name, (driver, address) in settings.volume.named().items():
        if driver == "lvm":
            yield from asyncio.run(_thin_pool(f"volumes {name}", address))


async def _thin_pool(check: str, address: str) -> list[Finding]:
    from cloudd.drivers.volume.base import VolumeError
    from cloudd.drivers.volume.lvm import host

    try:
        full = await host.look(address)
        inside = await host.groups_inside(address.partition("/")[0])
    except (ValueError, VolumeError) as exc:
        return [Finding(check, FAIL, str(exc), "vgs; lvs; docs/volumes.md says how a pool is made")]
    if inside:
        names = ", ".join(f"{one.group} in {one.volume}" for one in inside)
        return [Finding(check, WARN, f"this machine's LVM finds volume groups that guests have made in their volumes: {names}. While one "
                        "is active its volume cannot be deleted", "vgchange -an GROUP; scan_lvs = 0 and a global_filter in the section "
                        "devices of /etc/lvm/lvm.conf, as docs/volumes.md says")]
    if full:
        return [Finding(check, WARN, "; ".join(full), f"lvextend -L +SIZE {address}")]
    return [Finding(check, OK, f"the thin pool {address} has room")]


def clock(settings: Settings) -> Iterable[Finding]:
    """Tokens and certificates have their times: the clock must be about right, and kept so."""
    built = Path(__file__).stat().st_mtime
    if time.time() < built - 86400:
        yield Finding("clock", FAIL, f"the clock says {time.strftime('%Y-%m-%d')}, before this program was installed",
                      "apt-get install systemd-timesyncd && timedatectl set-ntp on")
    elif _clock_drifts():
        yield Finding("clock", WARN, f"{time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime())}, kept right by nothing",
                      "apt-get install systemd-timesyncd && timedatectl set-ntp on")
    else:
        yield Finding("clock", OK, time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()))


def _clock_drifts() -> bool:
    """Whether the kernel says that nobody disciplines its clock (adjtimex(2): TIME_ERROR)."""
    return ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(512)) == 5


def ports(settings: Settings) -> Iterable[Finding]:
    """The addresses to listen on: free, or held by the cloudd of this state directory."""
    ours = Path(settings.server.state_dir) / "cloudd.lock"
    for host, port in settings.server.addresses():
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as door:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                door.bind((host, port))
                yield Finding("port", OK, f"{host}:{port} is free")
            except OSError as exc:
                runs = ours.exists() and ours.read_text().strip().isdigit() and Path(f"/proc/{ours.read_text().strip()}").exists()
                yield Finding("port", OK if runs else FAIL, f"{host}:{port} is held by our own cloudd" if runs
                              else f"{host}:{port}: {exc.strerror}", f"ss -ltnp 'sport = :{port}' shows who; or set [server] listen")


def database(settings: Settings) -> Iterable[Finding]:
    """The database answers and is at our schema."""
    import asyncio

    from sqlalchemy import make_url

    from cloudd.core.database import Database, UnknownSchema

    async def look() -> None:
        opened = Database(settings.database.url)
        try:
            await opened.check_schema()
        finally:
            await opened.close()
    url = make_url(settings.database.url)
    path = Path(url.database or "")
    if url.get_backend_name() == "sqlite" and not path.exists() and path.parent == Path(settings.server.state_dir).absolute():
        yield Finding("database", OK, f"{path} will be made at the first start")
        return
    try:
        asyncio.run(look())
        yield Finding("database", OK, "answers, and is at our schema")
    except UnknownSchema as exc:
        yield Finding("database", FAIL, str(exc), "cloudd db upgrade")
    except StartError as exc:
        yield Finding("database", FAIL, str(exc), "start the database, or set [database] url")


def keys(settings: Settings) -> Iterable[Finding]:
    """The master key is there, for its owner only, and is the one that the database's keys are wrapped with."""
    import asyncio

    from cloudd.core.database import Database
    from cloudd.keymanager.master import Locked, MasterFile
    from cloudd.keymanager.sealing import Vault

    vault = Vault(MasterFile.of(settings))

    async def look() -> str | None:
        opened = Database(settings.database.url)
        try:
            async with opened.read() as tx:
                return await vault.check(tx) if await vault.in_force(tx) else None
        finally:
            await opened.close()
    state = next(iter(database(settings)))
    if state.state != OK:                                     # which is told already
        return
    try:
        found = None if "will be made" in state.text else asyncio.run(look())
        yield Finding("master key", OK, f"{vault.file.path} has {found}, which is in force" if found else
                      f"{vault.file.path} will be made at the first start")
    except Locked as exc:
        yield Finding("master key", FAIL, f"{exc.why}: keys answer 503, all else works", exc.mend)


SIMULATED: tuple[Check, ...] = (room, volumes, consoles, clock, ports, database, keys)
ALL: tuple[Check, ...] = (root, programs, libvirt, firewall, forwarding, uplink, reach, lvm, *SIMULATED)
