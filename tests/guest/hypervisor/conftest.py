"""Guest tests of the libvirt driver: real guests on the machine's libvirt, with a cloud id and files of this process's own."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
import pytest_asyncio

sys.path[:0] = [str(Path(__file__).parents[3]), str(Path(__file__).parent)]

from hv_libvirt import LibvirtRig  # noqa: E402
from hv_rig import GUEST, config_below  # noqa: E402

CLOUD = f"hv-{os.getpid()}"


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(240))
            if os.geteuid():
                item.add_marker(pytest.mark.skip(reason="needs root"))
            elif not (GUEST / "testguest.qcow2").exists():
                item.add_marker(pytest.mark.skip(reason=f"no test guest in {GUEST}: it is made by `make guest`"))


@pytest.fixture(scope="session")
def state():
    """A short path, since sockets lie below it; others may enter it, as QEMU has to."""
    made = Path(tempfile.mkdtemp(prefix="hv-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture(autouse=True)
def validated(monkeypatch):
    """libvirt holds each definition against its schema: here, since a boot has no time for it."""
    import libvirt

    from cloudd.drivers.hypervisor.libvirt import power
    monkeypatch.setattr(power, "define", lambda conn, _, xml: conn.defineXMLFlags(xml, libvirt.VIR_DOMAIN_DEFINE_VALIDATE))


@pytest_asyncio.fixture
async def rig(state):
    from cloudd.drivers.hypervisor.libvirt import LibvirtHypervisor

    made = LibvirtRig(LibvirtHypervisor, config_below(state, cloud_id=CLOUD), GUEST / "testguest.qcow2", "qcow2", patience=120)
    await made.open()
    yield made
    await made.clear()
    await made.hypervisor.disks.drop_image("image")
    await made.hypervisor.close()
