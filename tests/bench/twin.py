"""A copy of a server's domain that its cloud knows nothing of: how long `virsh start` takes is what a boot is held against."""

import re
import shutil
import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from tests.realcloud import RealCloud

NAME = "twin"


@dataclass(frozen=True)
class Twin:
    """The domain, defined and off, with disks of its own in `folder`."""

    virsh: tuple[str, ...]
    folder: Path

    @classmethod
    def of(cls, cloud: RealCloud, domain: str, server: str) -> "Twin":
        """Of a server's domain, with a copy of its disks as they are."""
        made = cls(("virsh", "-q", "-c", f"qemu:///system?socket={cloud.libvirt.socket}"), cloud.work / NAME)
        own = cloud.state / "instances" / server
        shutil.copytree(own, made.folder)
        made.folder.chmod(0o755)
        text = made._said("dumpxml", "--inactive", domain)
        text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)          # by which the cloud would know it
        text = re.sub(r"<target dev='tap[^']*'/>", f"<target dev='{NAME}'/>", text)
        text = text.replace(str(own), str(made.folder)).replace(server, str(uuid.uuid4())).replace(f"<name>{domain}<", f"<name>{NAME}<")
        definition = made.folder / "domain.xml"
        definition.write_text(text)
        made._said("define", str(definition))
        made.start()                                           # the first one of a domain is slower
        return made

    def _said(self, *command: str) -> str:
        return subprocess.run([*self.virsh, *command], check=True, capture_output=True, text=True).stdout

    def start(self) -> float:
        """Seconds that `virsh start` takes; it is off again afterwards."""
        began = time.perf_counter()
        self._said("start", NAME)
        seconds = time.perf_counter() - began
        self._said("destroy", NAME)
        return seconds
