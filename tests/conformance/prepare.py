"""Puts into a running cloud what Tempest wants to find there, once: two images, two flavors; and reads the rest from it."""

from pathlib import Path

import openstack
import requests
from openstack.connection import Connection

from tests.conformance.plan import EXPECTED, Target

# name: MB of memory, GB of disk; the test guest runs in 128 MB
FLAVORS = {"conformance": (128, 1), "conformance-alt": (192, 2)}
IMAGES = ("conformance", "conformance-alt")


def target(cloud: str, image_file: Path, http_image: str, validation: bool, without: frozenset[str], loose: bool) -> Target:
    """The named cloud of clouds.yaml, made ready."""
    connection = openstack.connect(cloud=cloud)
    services = (frozenset(entry["type"] for entry in connection.service_catalog) | EXPECTED) - without
    auth = connection.config.get_auth_args()
    root = auth["auth_url"].split("/identity")[0]
    images = _images(connection, image_file) if "image" in services else ("", "")
    flavors = _flavors(connection) if "compute" in services else ("", "")
    network, network_name = _public_network(connection) if "network" in services else ("", "")
    ca_file = connection.config.config.get("cacert") or None
    return Target(
        auth_url=_versioned(auth["auth_url"]), username=auth["username"], password=auth["password"],
        project=auth["project_name"], user_domain=auth.get("user_domain_name", "Default"),
        project_domain=auth.get("project_domain_name", "Default"), region=connection.config.get_region_name() or "RegionOne",
        ca_file=ca_file, services=services, image=images[0], image_alt=images[1], flavor=flavors[0], flavor_alt=flavors[1],
        public_network=network, public_network_name=network_name, http_image=http_image,
        dashboard=requests.get(f"{root}/dashboard/", timeout=30, verify=ca_file or True).ok, image_file=image_file,
        validation=validation, loose=loose)


def _versioned(auth_url: str) -> str:
    return auth_url if auth_url.rstrip("/").endswith("/v3") else auth_url.rstrip("/") + "/v3"


def _images(connection: Connection, file: Path) -> tuple[str, str]:
    for name in IMAGES:
        if not connection.image.find_image(name):
            connection.image.create_image(name=name, filename=str(file), disk_format="qcow2", container_format="bare",
                                          visibility="public", wait=True, timeout=300)
    first, second = (connection.image.find_image(name, ignore_missing=False).id for name in IMAGES)
    return first, second


def _flavors(connection: Connection) -> tuple[str, str]:
    for name, (ram, disk) in FLAVORS.items():
        if not connection.compute.find_flavor(name):
            connection.compute.create_flavor(name=name, ram=ram, vcpus=1, disk=disk)
    first, second = (connection.compute.find_flavor(name, ignore_missing=False).id for name in FLAVORS)
    return first, second


def _public_network(connection: Connection) -> tuple[str, str]:
    """The external network whose addresses Tempest takes for floating IPs."""
    for network in connection.network.networks(is_router_external=True):
        return network.id, network.name
    raise SystemExit("conformance: the cloud has no external network; `cloudd init` makes one")
