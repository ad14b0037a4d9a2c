"""The openstack command's and openstacksdk's own functional tests of volumes, as their projects ship them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

SECONDS = 900
SDK = "openstack.tests.functional.block_storage.v3."
OSC = "openstackclient.tests.functional.volume.v3."
THEIRS = [OSC + "test_volume", OSC + "test_volume_snapshot", OSC + "test_transfer_request", SDK + "test_volume", SDK + "test_snapshot",
          SDK + "test_attachment", SDK + "test_transfer"]


@pytest.fixture
def their_clouds(state_dir: Path, tmp_path: Path) -> Path:
    """A clouds.yaml with the names that these tests look for."""
    clouds = yaml.safe_load((state_dir / "clouds.yaml").read_text())["clouds"]
    path = tmp_path / "clouds.yaml"
    path.write_text(yaml.safe_dump({"clouds": {"functional_admin": clouds["admin"], "devstack-admin": clouds["admin"],
                                               "devstack-system-admin": clouds["admin"], "devstack": clouds["demo"],
                                               "devstack-alt": clouds["demo"]}}))
    return path


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("package", THEIRS)
def test_a_clients_own_tests(package: str, their_clouds: Path, tmp_path: Path, image: str, flavor: str) -> None:
    environment = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(their_clouds), "OPENSTACKSDK_IMAGE": "cli-image",
                   "OPENSTACKSDK_FLAVOR": "cli-tiny", "PYTHONWARNINGS": "ignore", "PYTHONPATH": str(Path(__file__).parent),
                   "OS_TEST_TIMEOUT": str(SECONDS)}
    command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(tmp_path), "-p", "no:cacheprovider",
               "-p", "no:warnings", "-p", "openstack_in_process", "--tb", "short", "--pyargs", package]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=SECONDS)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout, done.stdout[-500:]
