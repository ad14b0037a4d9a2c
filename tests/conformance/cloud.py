"""A cloud for one run: sealed off in namespaces (tests/realcloud.py), or over simulated drivers. Nothing of it stays behind."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import realcloud

FEW_ROUNDS = {"CLOUDD_IDENTITY_BCRYPT_ROUNDS": "4"} | {        # Tempest makes some hundred users
    f"CLOUDD_SECURITY_COMPLIANCE_{name}": value for name, value in (        # as plan.COMPLIANCE tells it
        ("LOCKOUT_FAILURE_ATTEMPTS", "2"), ("LOCKOUT_DURATION", "5"), ("UNIQUE_LAST_PASSWORD_COUNT", "2"))}

# a second store and web addresses as locations; Tempest's own web server is on this machine
STORES = {"CLOUDD_IMAGE_STORES": "second=file:{work}/second-images, web=http:", "CLOUDD_IMAGE_IMPORT_HOSTS": "127.0.0.1",
          "CLOUDD_IMAGE_SHOW_MULTIPLE_LOCATIONS": "on"}


LOOSE = {"CLOUDD_IMAGE_REQUIRE_FORMAT_MATCH": "off", "CLOUDD_IMAGE_DO_SECURE_HASH": "off"}        # as plan.sections tells it


def environment(work: Path, loose: bool) -> dict[str, str]:
    return FEW_ROUNDS | {name: value.format(work=work) for name, value in STORES.items()} | (LOOSE if loose else {})


@dataclass(frozen=True)
class Own:
    """A running cloud: how to enter the place from which its floating addresses are reached, and its clouds.yaml."""

    enter: list[str]
    clouds: Path


@contextmanager
def running(work: Path, port: int, simulated: bool, image: Path, loose: bool = False) -> Iterator[Own]:
    """The cloud, ready and filled by `cloudd init`; gone afterwards. `work` keeps its state and logs."""
    try:
        with (simulated_cloud if simulated else real_cloud)(work, port, environment(work, loose)) as (enter, daemon):
            daemon.init("--no-guest", "--guest-image", str(image))
            yield Own(enter, daemon.state / "clouds.yaml")
    except realcloud.NotReady as exc:
        raise SystemExit(f"conformance: {exc}") from exc


@contextmanager
def real_cloud(work: Path, port: int, variables: dict[str, str]) -> Iterator[tuple[list[str], realcloud.DaemonProcess]]:
    with realcloud.running(realcloud.RealCloud(work, f"conf-{port}", port, variables)) as cloud:
        yield cloud.enter, cloud.daemon


@contextmanager
def simulated_cloud(work: Path, port: int, variables: dict[str, str]) -> Iterator[tuple[list[str], realcloud.DaemonProcess]]:
    state = work / "state"
    state.mkdir(parents=True, exist_ok=True)
    daemon = realcloud.DaemonProcess([], state, port, work / "cloudd.log", ["--simulated"], variables)
    try:
        daemon.start()
        yield [], daemon
    finally:
        daemon.stop()
