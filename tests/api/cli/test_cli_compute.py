"""`openstack` commands of the compute service around servers: flavors, key pairs, quotas, hypervisors."""

from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from openstack_cli import Cli

Later = Callable[..., None]


def test_flavor(admin: Cli, demo: Cli, name: str, later: Later) -> None:
    flavor = admin.json("flavor create --ram 192 --disk 2 --vcpus 2 --ephemeral 1 --swap 64", name)
    later(admin, "flavor delete", flavor["id"])
    assert (flavor["ram"], flavor["disk"], flavor["vcpus"], flavor["swap"]) == (192, 2, 2, 64)
    assert flavor["os-flavor-access:is_public"] is True
    assert name in [row["Name"] for row in demo.json("flavor list")]
    assert demo.json("flavor show", name)["OS-FLV-EXT-DATA:ephemeral"] == 1
    assert "409" in admin.fails("flavor create --ram 1 --vcpus 1", name)
    assert "403" in demo.fails("flavor create --ram 64", name + "-mine")
    admin("flavor delete", name)
    assert "No Flavor found" in demo.fails("flavor show", name)


def test_private_flavor(admin: Cli, demo: Cli, name: str, later: Later) -> None:
    flavor = admin.value("flavor create --private --ram 64", "id", name)
    later(admin, "flavor delete", flavor)
    assert name not in [row["Name"] for row in demo.json("flavor list")]
    project = demo.value("token issue", "project_id")
    admin("flavor set", "--project", project, flavor)
    assert name in [row["Name"] for row in demo.json("flavor list")]


def test_imported_keypair(demo: Cli, name: str, tmp_path: Path, later: Later) -> None:
    key = Ed25519PrivateKey.generate().public_key()
    file = tmp_path / "key.pub"
    file.write_bytes(key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH))
    created = demo.json("keypair create", "--public-key", file, name)
    later(demo, "keypair delete", name)
    assert created["name"] == name and created["fingerprint"].count(":") == 15
    assert name in [row["Name"] for row in demo.json("keypair list")]
    assert demo("keypair show --public-key", name).split()[:2] == file.read_text().split()[:2]
    demo("keypair delete", name)
    assert "No Keypair found" in demo.fails("keypair show", name)


def test_generated_keypair(demo: Cli, name: str, later: Later) -> None:
    private = demo("keypair create", name)
    later(demo, "keypair delete", name)
    assert private.startswith("-----BEGIN") and "PRIVATE KEY" in private


def test_availability_zones(admin: Cli, demo: Cli) -> None:
    rows = demo.json("availability zone list --compute")
    assert {"Zone Name": "nova", "Zone Status": "available"} in rows
    assert admin.json("availability zone list --compute --long")


def test_hypervisors(admin: Cli, demo: Cli) -> None:
    rows = admin.json("hypervisor list")
    assert [row["State"] for row in rows] == ["up"]
    shown = admin.json("hypervisor show", rows[0]["Hypervisor Hostname"])
    assert shown["status"] == "enabled" and shown["hypervisor_hostname"] == rows[0]["Hypervisor Hostname"]
    assert "403" in demo.fails("hypervisor list")


def test_hypervisor_stats(admin: Cli) -> None:
    stats = admin.json("hypervisor stats show")
    assert stats["count"] == 1 and stats["vcpus"] >= 1 and stats["memory_mb"] > 0


def test_quota(admin: Cli, name: str, later: Later) -> None:
    project = admin.value("project create", "id", name)
    later(admin, "project delete", project)
    quotas = {row["Resource"]: row["Limit"] for row in admin.json("quota show", project)}
    assert quotas["instances"] == 10 and quotas["cores"] == 20 and quotas["ram"] == 51200
    assert {"networks", "ports", "floating_ips", "security_groups"} <= set(quotas)
    admin("quota set --instances 3 --cores 4 --networks 5", project)
    quotas = {row["Resource"]: row["Limit"] for row in admin.json("quota show", project)}
    assert (quotas["instances"], quotas["cores"], quotas["networks"]) == (3, 4, 5)
    assert "instances" in {row["Resource"] for row in admin.json("quota show --default", project)}


def test_a_member_sees_his_own_quota(demo: Cli) -> None:
    quotas = {row["Resource"]: row["Limit"] for row in demo.json("quota show")}
    assert quotas["instances"] == 10 and {"networks", "ports", "floating_ips"} <= set(quotas)


def test_quota_is_kept(demo: Cli, admin: Cli, name: str) -> None:
    assert "403" in demo.fails("quota set --instances 99", demo.value("token issue", "project_id"))


def test_limits(demo: Cli) -> None:
    limits = {row["Name"]: row["Value"] for row in demo.json("limits show --absolute")}
    assert limits["instances"] == 10 and limits["total_cores"] == 20 and limits["instances_used"] >= 0


def test_server_groups(demo: Cli, name: str, later: Later) -> None:
    group = demo.json("server group create --policy anti-affinity", name)
    later(demo, "server group delete", group["id"])
    assert group["policy"] == "anti-affinity" and group["members"] in ("", [])


def test_compute_services(admin: Cli) -> None:
    rows = admin.json("compute service list")
    assert {"nova-compute"} <= {row["Binary"] for row in rows} and {row["State"] for row in rows} == {"up"}
