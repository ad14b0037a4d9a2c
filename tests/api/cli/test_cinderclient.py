"""python-cinderclient around volume types and what operators see."""

from collections.abc import Iterator
from typing import Any

import openstack
import pytest
from cinderclient import client, exceptions


@pytest.fixture
def cinder() -> Any:
    """A client of a cloud at a version."""
    return lambda cloud="admin", version="3.71": client.Client(version, session=openstack.connect(cloud=cloud).session)


@pytest.fixture
def made(cinder: Any, name: str) -> Iterator[Any]:
    volume_type = cinder().volume_types.create(name, "words")
    yield volume_type
    cinder().volume_types.delete(volume_type)


def test_types(cinder: Any, made: Any, name: str) -> None:
    admin = cinder()
    assert admin.volume_types.find(name=name).description == "words"
    assert admin.volume_types.update(made, description="others").description == "others"
    made.set_keys({"a": "b", "multiattach": "<is> True"})
    assert admin.volume_types.get(made.id).get_keys() == {"a": "b", "multiattach": "<is> True"}
    assert [row.id for row in admin.volume_types.list(search_opts={"extra_specs": {"a": "b"}}, is_public=None)] == [made.id]
    made.unset_keys(["a"])
    assert cinder("demo").volume_types.get(made.id).get_keys() == {"multiattach": "<is> True"}
    assert admin.volume_types.default().name == "__DEFAULT__"


def test_access(cinder: Any, made: Any) -> None:
    admin, project = cinder(), openstack.connect(cloud="demo").current_project_id
    admin.volume_types.update(made, is_public=False)
    admin.volume_type_access.add_project_access(made, project)
    assert [row.project_id for row in admin.volume_type_access.list(made)] == [project]
    assert cinder("demo").volume_types.get(made.id).name == made.name
    admin.volume_type_access.remove_project_access(made, project)
    with pytest.raises(exceptions.NotFound):
        cinder("demo").volume_types.get(made.id)


def test_encryption(cinder: Any, made: Any) -> None:
    admin = cinder()
    spec = {"provider": "luks", "cipher": "aes-xts-plain64", "key_size": 256, "control_location": "front-end"}
    admin.volume_encryption_types.create(made, spec)
    assert admin.volume_encryption_types.get(made.id).key_size == 256
    admin.volume_encryption_types.update(made, {"key_size": 512})
    assert [row.key_size for row in admin.volume_encryption_types.list() if row.volume_type_id == made.id] == [512]
    admin.volume_encryption_types.delete(made)
    with pytest.raises(exceptions.BadRequest, match="dm-crypt"):
        admin.volume_encryption_types.create(made, {**spec, "provider": "luks2"})


def test_default_types(cinder: Any, made: Any) -> None:
    admin, project = cinder(), openstack.connect(cloud="demo").current_project_id
    admin.default_types.create(made.name, project)
    assert admin.default_types.list(project).volume_type_id == made.id
    assert project in [row.project_id for row in admin.default_types.list()]
    assert cinder("demo").volume_types.default().name == made.name
    admin.default_types.delete(project)
    assert cinder("demo").volume_types.default().name == "__DEFAULT__"


def test_qos(cinder: Any, made: Any, name: str) -> None:
    admin = cinder()
    qos = admin.qos_specs.create(name, {"consumer": "front-end", "total_iops_sec": "10"}).id
    admin.qos_specs.associate(qos, made.id)
    assert [row.id for row in admin.qos_specs.get_associations(qos)] == [made.id]
    admin.qos_specs.set_keys(qos, {"size_iops_sec": "4096"})
    admin.qos_specs.unset_keys(qos, ["total_iops_sec"])
    assert admin.qos_specs.get(qos).specs == {"size_iops_sec": "4096"}
    admin.qos_specs.disassociate(qos, made.id)
    admin.qos_specs.disassociate_all(qos)
    admin.qos_specs.delete(qos)


def test_group_types(cinder: Any, name: str) -> None:
    admin = cinder()
    group_type = admin.group_types.create(name, "words")
    group_type.set_keys({"consistent_group_snapshot_enabled": "<is> True"})
    assert group_type.get_keys() == {"consistent_group_snapshot_enabled": "<is> True"}
    assert name in [row.name for row in cinder("demo").group_types.list()]
    assert admin.group_types.update(group_type, name + "-new", "others").name == name + "-new"
    group_type.unset_keys(["consistent_group_snapshot_enabled"])
    admin.group_types.delete(group_type)


def test_services_and_pools(cinder: Any) -> None:
    admin = cinder()
    backend = admin.services.list(binary="cinder-volume")[0]
    assert (backend.state, backend.status, backend.backend_state) == ("up", "enabled", "up")
    assert admin.services.disable_log_reason(backend.host, "cinder-volume", "tests").disabled_reason == "tests"
    assert admin.services.enable(backend.host, "cinder-volume").status == "enabled"
    admin.services.freeze_host(backend.host)
    admin.services.thaw_host(backend.host)
    with pytest.raises(exceptions.BadRequest, match="replication_status"):
        admin.services.failover_host(backend.host, "other")
    assert {row.binary for row in admin.services.get_log_levels("*", "", "cloudd.http")} >= {"cinder-api", "cinder-volume"}
    admin.services.set_log_levels("info", "*", "", "cloudd.http")
    assert admin.pools.list(detailed=True)[0].storage_protocol == "simulated"
    assert admin.capabilities.get(backend.host).vendor_name == "cloudd"
    assert [zone.zoneName for zone in admin.availability_zones.list()] == ["nova"]
    assert admin.clusters.list() == []
    assert admin.workers.clean(is_up=False) == ([], [])


def test_quotas_and_limits(cinder: Any, name: str) -> None:
    admin, project = cinder(), openstack.connect(cloud="demo").current_project_id
    assert admin.quotas.update(project, volumes=12).volumes == 12
    assert admin.quotas.get(project, usage=True).volumes["limit"] == 12
    assert admin.quotas.defaults(project).volumes == 10
    admin.quotas.delete(project)
    assert admin.quota_classes.get("default").volumes == 10
    assert admin.quota_classes.update("default", backups=11).backups == 11
    admin.quota_classes.update("default", backups=10)
    limits = {limit.name: limit.value for limit in admin.limits.get(project).absolute}
    assert limits["maxTotalVolumes"] == 10


def test_messages_and_filters(cinder: Any) -> None:
    assert isinstance(cinder("demo").messages.list(limit=5), list)
    with pytest.raises(exceptions.NotFound):
        cinder("demo").messages.get("nothing")
    assert "event_id" in next(row.filters for row in cinder("demo").resource_filters.list() if row.resource == "message")
