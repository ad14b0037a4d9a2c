"""Made from the declarations: a filter that a list has works, so a value that nothing has lists nothing, or it is refused."""

from urllib.parse import quote

import pytest

from tests.api.compute.rooms import C, make_room
from tests.api.test_markers import LISTS, address, rows_of, versioned

N, K, G, S = "/networking/v2.0", "/identity/v3", "/image/v2", "/key-manager/v1/secrets"
NOBODY = "0b0d1e00-0000-4000-8000-00000000dead"
NOTHING = ("no-such-value", "2147483646", "2100-01-01T00:00:00Z", NOBODY)
ALL_BUT = {"not-tags", "not-tags-any"}                       # what has not got the tag is everything
LOOSE = ("enabled", "is_domain")                             # in Keystone any word but 0 and false is true
BY_HAND = {
    f"{N}/agents": ("id", "agent_type", "binary", "topic", "host", "alive", "admin_state_up", "availability_zone", "description"),
    f"{N}/availability_zones": ("name", "resource", "state"), f"{N}/service-providers": ("service_type", "name", "default"),
    f"{N}/floatingip_pools": ("network_id", "subnet_id", "subnet_name", "cidr", "project_id", "tenant_id"),
    f"{N}/network-ip-availabilities": ("network_id", "network_name", "project_id", "tenant_id", "ip_version"),
    f"{K}/role_assignments": ("role.id", "user.id", "group.id", "scope.project.id", "scope.domain.id"),
    f"{K}/credentials": ("user_id", "type"),
    f"{G}/images": ("name", "id", "status", "container_format", "disk_format", "checksum", "os_hash_value", "os_hash_algo", "owner", "tag",
                    "size_min", "min_disk", "min_ram", "size", "a_property"),
    S: ("name", "alg", "mode", "bits", "secret_type", "created", "updated", "expiration"),
    f"{G}/metadefs/namespaces": ("resource_types", "visibility"),
    f"{C}/servers": ("name", "status", "flavor", "image", "ip", "uuid", "reservation_id", "host", "project_id"),
    f"{C}/flavors": ("minRam", "minDisk", "name"), f"{C}/os-services": ("host", "binary"),
    f"{C}/os-migrations": ("host", "instance_uuid", "status"), f"{C}/os-keypairs": ("user_id",)}


def filters_of(operation):
    listing = getattr(getattr(operation.handler, "__self__", None), "listing", None)
    names = listing.filters if listing else BY_HAND.get(address(operation).removesuffix("/detail"), ())
    return sorted(set(names) - ALL_BUT) + sorted(getattr(listing, "by_caller", ()))


FILTERED = [operation for operation in LISTS if filters_of(operation)]


@pytest.fixture(scope="module")
async def full(cloud):
    """A cloud with something in its lists."""
    room = await make_room(cloud)
    await room.server(networks=[{"uuid": room.network}])
    for path, body in ((f"{N}/routers", {"router": {}}), (f"{N}/security-groups", {"security_group": {"name": "g"}}),
                       (f"{N}/subnetpools", {"subnetpool": {"name": "p", "prefixes": ["10.0.0.0/8"]}}),
                       (f"{N}/address-scopes", {"address_scope": {"name": "s"}}),
                       (f"{C}/os-keypairs", {"keypair": {"name": "filters"}})):
        assert (await room.user.post(path, body)).status in (200, 201), path
    assert (await cloud.admin.post(S, {"name": "filters", "algorithm": "aes", "bit_length": 256, "mode": "xts"})).status == 201
    return cloud.admin


@pytest.mark.parametrize("operation", FILTERED, ids=address)
async def test_a_value_that_nothing_has_lists_nothing(full, operation):
    for name in filters_of(operation):
        kinds = set()
        for value in NOTHING:
            everybody = "&all_tenants=1" if operation.path.startswith("/servers") else ""
            where = f"{address(operation)}?{quote(name)}={value}{everybody}"
            answer = await full.get(where, headers=versioned(operation))
            assert answer.status in (200, 400, 403, 404), (where, answer.content)
            rows = rows_of(answer.body) if answer.status == 200 else []
            kinds.add(answer.status)
            assert not rows or name in LOOSE, (where, rows[:1])
        assert kinds != {404}, name


async def test_what_is_no_filter_of_networks_is_refused(full):
    for path, names in (("subnets", ("dns_nameservers", "host_routes", "allocation_pools", "service_types")), ("routers", ("routes",)),
                        ("ports", ("extra_dhcp_opts", "allowed_address_pairs")), ("subnetpools", ("prefixes",)), ("networks", ("colour",))):
        for name in names:
            answer = await full.get(f"{N}/{path}?{name}=x")
            assert answer.status == 400 and name in answer.body["NeutronError"]["message"], (path, name)
