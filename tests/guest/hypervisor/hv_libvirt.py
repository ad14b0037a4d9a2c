"""What a test sees of libvirt's domains beside the driver."""

import asyncio
from pathlib import Path
from xml.etree import ElementTree as ET

import libvirt
from hv_rig import Rig

from cloudd.drivers.hypervisor.libvirt import volume_xml
from cloudd.drivers.hypervisor.libvirt.domain_xml import disk_alias
from cloudd.drivers.volume.base import Limits

NAMES = frozenset(volume_xml.parameters(Limits()))


class LibvirtRig(Rig):
    async def domain(self, call, server_id: str):
        """`call(domain)` over a connection of the test's own."""
        def look():
            conn = libvirt.open(self.config.uri)
            try:
                return call(conn.lookupByUUIDString(server_id))
            finally:
                conn.close()
        return await asyncio.to_thread(look)

    async def disk(self, server_id: str, volume_id: str, flags: int = libvirt.VIR_DOMAIN_XML_INACTIVE) -> ET.Element:
        root = ET.fromstring(await self.domain(lambda domain: domain.XMLDesc(flags), server_id))
        return root.find(f"devices/disk/alias[@name='{disk_alias(volume_id)}']/..")

    async def limits(self, server_id: str, volume_id: str) -> tuple[Limits, ...]:
        target = (await self.disk(server_id, volume_id)).find("target").get("dev")
        told = [await self.domain(lambda domain, flag=flag: domain.blockIoTune(target, flag), server_id)
                for flag in (libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_DOMAIN_AFFECT_CONFIG)]
        return tuple(Limits(**{name: value for name, value in one.items() if name in NAMES}) for one in told)

    async def next_start(self, server_id: str, volume_id: str) -> tuple[str, ...]:
        return volume_xml.paths(await self.disk(server_id, volume_id))

    async def stands_still(self, server_id: str) -> bool:
        return await self.domain(lambda domain: domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED, server_id)

    async def traces(self, server_id: str) -> bytes:
        """The domain's XML with all that is secret in it, QEMU's arguments, its log, and what libvirt keeps in files."""
        flags = libvirt.VIR_DOMAIN_XML_SECURE
        found = [(await self.domain(lambda domain: domain.XMLDesc(flags), server_id)).encode()]
        found += [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if _there(path)]
        for folder in ("/etc/libvirt", "/var/lib/libvirt", "/run/libvirt", "/var/log/libvirt", self.config.instances_dir):
            found += [path.read_bytes() for path in Path(folder).rglob("*")
                      if path.is_file() and path.suffix in (".xml", ".log", ".json", ".base64", ".secret", ".conf", ".new")]
        return b"\n".join(found)

    async def secrets(self, server_id: str) -> tuple[str, ...]:
        def look():
            conn = libvirt.open(self.config.uri)
            try:
                return tuple(secret.usageID() for secret in conn.listAllSecrets() if server_id in secret.usageID())
            finally:
                conn.close()
        return await asyncio.to_thread(look)


def _there(path: Path) -> bool:
    try:
        return bool(path.read_bytes())
    except OSError:
        return False
