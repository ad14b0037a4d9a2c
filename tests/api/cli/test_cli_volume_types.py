"""`openstack` commands around volumes: types, QoS specs, group types, services, pools, messages, quotas."""

from collections.abc import Callable

import pytest
from openstack_cli import Cli

Later = Callable[..., None]
VERSION = "--os-volume-api-version"


def test_volume_type(admin: Cli, demo: Cli, name: str, later: Later) -> None:
    made = admin.json("volume type create --public --description quick --property a=b --multiattach", name)
    later(admin, "volume type delete", made["id"])
    assert (made["name"], made["is_public"], made["properties"]) == (name, True, {"a": "b", "multiattach": "<is> True"})
    assert name in [row["Name"] for row in demo.json("volume type list")]
    assert demo.json("volume type show", name)["properties"] == {"multiattach": "<is> True"}
    admin("volume type set --name", name + "-new", "--description", "slow", "--property", "c=d", name)
    admin("volume type unset --property a", name + "-new")
    shown = admin.json("volume type show", name + "-new")
    assert (shown["description"], shown["properties"]) == ("slow", {"c": "d", "multiattach": "<is> True"})
    assert "409" in admin.fails("volume type create", name + "-new")
    assert "403" in demo.fails("volume type create", name + "-mine")
    admin("volume type delete", name + "-new")
    assert "No Type found" in admin.fails("volume type show", name + "-new")


def test_default_type(demo: Cli) -> None:
    assert [row["Name"] for row in demo.json("volume type list --default")] == ["__DEFAULT__"]


def test_private_type(admin: Cli, demo: Cli, name: str, later: Later) -> None:
    project = demo.value("token issue", "project_id")
    admin("volume type create --private", name)
    later(admin, "volume type delete", name)
    assert name not in [row["Name"] for row in demo.json("volume type list")]
    assert name in [row["Name"] for row in admin.json("volume type list --private")]
    admin("volume type set --project", project, name)
    assert admin.json("volume type show", name)["access_project_ids"] == [project]
    assert name in [row["Name"] for row in demo.json("volume type list")]
    admin("volume type unset --project", project, name)
    assert name not in [row["Name"] for row in demo.json("volume type list")]


def test_encryption_of_a_type(admin: Cli, name: str, later: Later) -> None:
    options = "--encryption-provider luks --encryption-cipher aes-xts-plain64 --encryption-key-size 256"
    made = admin.json(f"volume type create {options} --encryption-control-location front-end", name)
    later(admin, "volume type delete", name)
    assert (made["encryption"]["provider"], made["encryption"]["key_size"]) == ("luks", 256)
    shown = admin.json("volume type show --encryption-type", name)["encryption"]
    assert (shown["cipher"], shown["control_location"]) == ("aes-xts-plain64", "front-end")
    admin("volume type set --encryption-key-size 512", name)
    assert admin.json("volume type show --encryption-type", name)["encryption"]["key_size"] == 512
    admin("volume type unset --encryption-type", name)
    assert admin.json("volume type show --encryption-type", name)["encryption"] == {}


def test_qos(admin: Cli, name: str, later: Later) -> None:
    made = admin.json("volume qos create --consumer front-end --property total_iops_sec=100", name)
    later(admin, "volume qos delete --force", made["id"])
    assert (made["consumer"], made["properties"]) == ("front-end", {"total_iops_sec": "100"})
    admin("volume type create", name)
    later(admin, "volume type delete", name)
    admin("volume qos associate", name, name)
    assert next(row for row in admin.json("volume qos list") if row["Name"] == name)["Associations"] == [name]
    admin("volume qos set --property size_iops_sec=4096", name)
    admin("volume qos unset --property total_iops_sec", name)
    shown = admin.json("volume qos show", name)
    assert (shown["properties"], shown["associations"]) == ({"size_iops_sec": "4096"}, [name])
    assert "in use" in admin.fails("volume qos delete", name)
    admin("volume qos disassociate --volume-type", name, name)
    admin("volume qos associate", name, name)
    admin("volume qos disassociate --all", name)
    admin("volume qos delete", name)
    assert "400" in admin.fails("volume qos create --property total_iops_sec=many", name)


def test_group_type(admin: Cli, demo: Cli, name: str, later: Later) -> None:
    made = admin.json(f"{VERSION} 3.11 volume group type create --description d", name)
    later(admin, f"{VERSION} 3.11 volume group type delete", name)
    assert made["Name"] == name
    admin(f"{VERSION} 3.11 volume group type set --property a=b --name", name + "-new", made["ID"])
    assert admin.json(f"{VERSION} 3.11 volume group type show", name + "-new")["Properties"] == {"a": "b"}
    assert name + "-new" in [row["Name"] for row in demo.json(f"{VERSION} 3.11 volume group type list")]
    admin(f"{VERSION} 3.11 volume group type delete", name + "-new")


def test_services(admin: Cli, demo: Cli) -> None:
    rows = admin.json("volume service list --long")
    backend = next(row for row in rows if row["Binary"] == "cinder-volume")
    assert (backend["Status"], backend["State"]) == ("enabled", "up")
    assert {"cinder-scheduler", "cinder-backup"} <= {row["Binary"] for row in rows}
    admin("volume service set --disable --disable-reason tests", backend["Host"], "cinder-volume")
    row = admin.json("volume service list --long --service cinder-volume --host", backend["Host"])[0]
    assert (row["Status"], row["Disabled Reason"]) == ("disabled", "tests")
    admin("volume service set --enable", backend["Host"], "cinder-volume")
    assert admin.json("volume service list --service cinder-volume")[0]["Status"] == "enabled"
    assert "replication_status" in admin.fails("volume host failover --volume-backend other", backend["Host"])
    admin("volume host set --disable", backend["Host"])
    admin("volume host set --enable", backend["Host"])
    assert "403" in demo.fails("volume service list")


def test_back_ends(admin: Cli) -> None:
    pool = admin.json("volume backend pool list --long")[0]
    assert pool["Capabilities"]["storage_protocol"] == "simulated" and "#simulated" in pool["Name"]
    rows = {row["Key"]: row["Type"] for row in admin.json("volume backend capability show", pool["Name"].partition("#")[0])}
    assert rows["thin_provisioning"] == "boolean"


def test_log_levels(admin: Cli) -> None:
    rows = admin.json(f"{VERSION} 3.32 block storage log level list --service cinder-api --log-prefix cloudd.http")
    assert [(row["Prefix"], row["Level"]) for row in rows] == [("cloudd.http", "INFO")]
    admin(f"{VERSION} 3.32 block storage log level set ERROR --log-prefix cloudd.http")
    rows = admin.json(f"{VERSION} 3.32 block storage log level list --log-prefix cloudd.http")
    assert {row["Level"] for row in rows} == {"ERROR"}
    admin(f"{VERSION} 3.32 block storage log level set INFO --log-prefix cloudd.http")


def test_resource_filters_clusters_and_clean_up(admin: Cli) -> None:
    assert "message" in [row["Resource"] for row in admin.json(f"{VERSION} 3.33 block storage resource filter list")]
    assert "event_id" in str(admin.json(f"{VERSION} 3.33 block storage resource filter show message"))
    assert admin.json(f"{VERSION} 3.7 block storage cluster list") == []
    assert "Cluster nothing could not be found" in admin.fails(f"{VERSION} 3.7 block storage cluster show nothing")
    admin(f"{VERSION} 3.24 block storage cleanup --binary cinder-volume --host any --cluster none")   # the client needs all three


def test_messages(admin: Cli, name: str, later: Later) -> None:
    """Of a volume that no back end can take."""
    admin("volume type create --property volume_backend_name=nowhere", name)
    later(admin, "volume type delete", name)
    volume = admin.value("volume create --size 1 --type", "id", name, name)
    later(admin, "volume delete --force", volume)
    rows: list[dict[str, str]] = []
    for _ in range(100):
        if rows := [row for row in admin.json(f"{VERSION} 3.5 volume message list") if row["Resource UUID"] == volume]:
            break
    assert rows[0]["Event ID"] == "VOLUME_VOLUME_001_003"
    assert "nowhere" in rows[0]["User Message"]
    admin(f"{VERSION} 3.5 volume message show", rows[0]["ID"])             # shows nothing: the client looks under another name
    admin(f"{VERSION} 3.5 volume message delete", rows[0]["ID"])
    assert rows[0]["ID"] not in admin(f"{VERSION} 3.5 volume message list")


@pytest.mark.parametrize("resource", ["volumes", "gigabytes", "snapshots", "backups"])
def test_quota(admin: Cli, name: str, later: Later, resource: str) -> None:
    project = admin.value("project create", "id", name)
    later(admin, "project delete", project)
    admin(f"quota set --{resource} 7", project)
    assert {row["Resource"]: row["Limit"] for row in admin.json("quota show --volume", project)}[resource] == 7
    assert {row["Resource"]: row["Limit"] for row in admin.json("quota show --volume --default", project)}[resource] != 7
    admin("quota delete --volume", project)
    assert {row["Resource"]: row["Limit"] for row in admin.json("quota show --volume", project)}[resource] != 7


def test_quota_of_a_type(admin: Cli, name: str, later: Later) -> None:
    project = admin.value("project create", "id", name)
    later(admin, "project delete", project)
    admin("volume type create", name)
    later(admin, "volume type delete", name)
    admin("quota set --volumes 3 --volume-type", name, project)
    assert {row["Resource"]: row["Limit"] for row in admin.json("quota show --volume", project)}[f"volumes_{name}"] == 3


def test_zones_limits_and_extensions(demo: Cli) -> None:
    assert {"Zone Name": "nova", "Zone Status": "available"} in demo.json("availability zone list --volume")
    assert "max_total_volumes" in demo("limits show --absolute").replace("maxTotalVolumes", "max_total_volumes")
    assert "qos-specs" in [row["Alias"] for row in demo.json("extension list --volume")]
