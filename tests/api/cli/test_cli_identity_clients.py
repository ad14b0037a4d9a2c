"""keystoneclient's, openstacksdk's and the openstack command's own functional tests of identity, as their projects ship them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

SECONDS = 300


@pytest.fixture
def their_clouds(state_dir: Path, tmp_path: Path) -> Path:
    """A clouds.yaml with the names that these tests look for."""
    clouds = yaml.safe_load((state_dir / "clouds.yaml").read_text())["clouds"]
    admin, demo = clouds["admin"], clouds["demo"]
    scoped = {name: value for name, value in admin["auth"].items() if not name.startswith("project_")}
    system = {**admin, "auth": {**scoped, "system_scope": "all"}}
    path = tmp_path / "clouds.yaml"
    path.write_text(yaml.safe_dump({"clouds": {
        "functional_admin": admin, "devstack-admin": admin, "devstack-system-admin": system, "devstack": demo, "devstack-alt": demo}}))
    return path


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("package", [
    "keystoneclient.tests.functional.v3", "openstack.tests.functional.identity.v3", "openstackclient.tests.functional.identity.v3"])
def test_a_clients_own_tests(package: str, their_clouds: Path, tmp_path: Path, image: str, flavor: str) -> None:
    environment = {**os.environ, "OS_CLIENT_CONFIG_FILE": str(their_clouds), "OPENSTACKSDK_IMAGE": "cli-image",
                   "OPENSTACKSDK_FLAVOR": "cli-tiny", "PYTHONWARNINGS": "ignore",
                   "PYTHONPATH": str(Path(__file__).parent)}
    command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(tmp_path), "-p", "no:cacheprovider",
               "-p", "no:warnings", "-p", "openstack_in_process", "--tb", "short", "--pyargs", package]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=SECONDS)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout and " skipped" not in done.stdout, done.stdout[-500:]
