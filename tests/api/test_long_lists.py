"""Long lists: each costs as many queries for six hundred rows as for one, and shows of each row what is shown of it alone."""

import uuid
from typing import Any

import pytest
from sqlalchemy import delete, insert, select

from cloudd.compute import models as compute
from cloudd.core.tables import QuotaRow
from cloudd.image import models as image
from cloudd.network import models as network

MANY = 600
"""More than what SQLAlchemy looks up at once of the relatives of entities (500), and than are made JSON at once."""
N, C = "/networking/v2.0", "/compute/v2.1"
OF_EACH = {"port": 4, "rule": 2}
"""Other things have ports, too; a group comes with two rules."""
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJyyBJMzBbLM0cYdTxyEdDPm1oyEJV8cCoMaBt0mLBZX a@b"
NEWEST = {"OpenStack-API-Version": "compute 2.96"}
LISTS = {
    "network": f"{N}/networks", "subnet": f"{N}/subnets", "port": f"{N}/ports", "router": f"{N}/routers", "fip": f"{N}/floatingips",
    "group": f"{N}/security-groups", "rule": f"{N}/security-group-rules", "scope": f"{N}/address-scopes", "pool": f"{N}/subnetpools",
    "rbac": f"{N}/rbac-policies", "use": f"{N}/network-ip-availabilities", "image": "/image/v2/images?limit=1000",
    "server": f"{C}/servers/detail", "brief": f"{C}/servers", "key": f"{C}/os-keypairs", "flavor": f"{C}/flavors/detail",
    "server group": f"{C}/os-server-groups", "aggregate": f"{C}/os-aggregates",
    "l3": f"{N}/agents/{{l3}}/l3-routers", "quotas": f"{N}/quotas"}


async def made(client: Any, path: str, kind: str, headers: Any = None, **values: Any) -> dict[str, Any]:
    answer = await client.post(path, {kind: values}, headers=headers)
    assert answer.status in (200, 201, 202), answer.content
    return answer.body.get(kind, answer.body)


@pytest.fixture
async def one(cloud) -> dict[str, Any]:
    """One row for each list, with relatives; ids by name."""
    admin = cloud.admin
    user = await cloud.project_user(f"long-{uuid.uuid4().hex[:8]}", role="admin")
    net = await made(user, f"{N}/networks", "network", tags=["a", "b"])
    subnet = await made(user, f"{N}/subnets", "subnet", network_id=net["id"], ip_version=4, cidr="10.64.0.0/15", enable_dhcp=False)
    outside = await made(user, f"{N}/networks", "network", **{"router:external": True})
    await made(user, f"{N}/subnets", "subnet", network_id=outside["id"], ip_version=4, cidr="172.16.0.0/15", enable_dhcp=False)
    port = await made(user, f"{N}/ports", "port", network_id=net["id"], tags=["c"])
    router = await made(user, f"{N}/routers", "router", external_gateway_info={"network_id": outside["id"]}, tags=["d"])
    fip = await made(user, f"{N}/floatingips", "floatingip", floating_network_id=outside["id"])
    group = await made(user, f"{N}/security-groups", "security_group", name="long")
    rbac = await made(user, f"{N}/rbac-policies", "rbac_policy", object_type="security_group", object_id=group["id"],
                      action="access_as_shared", target_tenant=admin.project_id)
    scope = await made(user, f"{N}/address-scopes", "address_scope", name="long", ip_version=4)
    pool = await made(user, f"{N}/subnetpools", "subnetpool", name="long", prefixes=["10.8.0.0/24"], address_scope_id=scope["id"])
    row = (await user.post("/image/v2/images", {"name": "long", "disk_format": "raw", "container_format": "bare", "os_distro": "x",
                                                "tags": ["e"]})).body
    data = await user.request("PUT", f"/image/v2/images/{row['id']}/file", data=bytes(1 << 20),
                              headers={"Content-Type": "application/octet-stream"})
    assert data.status == 204, data.content
    await made(user, f"{C}/os-keypairs", "keypair", name="long", public_key=KEY)
    flavor = await made(user, f"{C}/flavors", "flavor", name=f"long-{net['id']}", ram=64, vcpus=1, disk=1)
    await made(user, f"{C}/flavors/{flavor['id']}/os-extra_specs", "extra_specs", **{"hw:cpu_policy": "shared"})
    together = await made(user, f"{C}/os-server-groups", "server_group", NEWEST, name="long", policy="affinity")
    aggregate = await made(user, f"{C}/os-aggregates", "aggregate", name=f"long-{net['id']}")
    server = await made(user, f"{C}/servers", "server", name="long", imageRef=row["id"], flavorRef=flavor["id"], key_name="long",
                        networks=[{"uuid": net["id"]}], metadata={"f": "g"})
    await cloud.settled()
    agents = (await admin.get(f"{N}/agents?agent_type=L3 agent")).body["agents"]
    assert (await admin.put(f"{N}/quotas/{user.project_id}", {"quota": {"port": 1000}})).status == 200
    return {"network": net["id"], "subnet": subnet["id"], "port": port["id"], "router": router["id"], "fip": fip["id"],
            "group": group["id"], "rbac": rbac["id"], "scope": scope["id"], "pool": pool["id"], "image": row["id"],
            "flavor": flavor["id"], "server group": together["id"], "aggregate": aggregate["id"], "server": server["id"],
            "l3": agents[0]["id"], "user": user}


class Copies:
    """Copies of rows in the database, each with ids and addresses of its own; taken out again in the end."""

    def __init__(self, tx: Any):
        self.tx, self.kept = tx, []

    async def rows(self, model: Any, **by: Any) -> list[dict[str, Any]]:
        query = select(model.__table__).filter_by(**by)
        return [dict(row._mapping) for row in await self.tx.execute(query)]

    async def of(self, *whose: tuple[Any, dict[str, Any]], **own: Any) -> None:
        """`own`: what a copy has in a column, by its number."""
        patterns = [(model, await self.rows(model, **by)) for model, by in whose]
        ids = {row["id"] for _, rows in patterns for row in rows if "id" in row}
        copies: list[list[dict[str, Any]]] = [[] for _ in patterns]
        for number in range(MANY):
            new = {key: str(uuid.uuid4()) if isinstance(key, str) else key + 1 + number for key in ids}
            for (_, rows), found in zip(patterns, copies, strict=True):
                found += [{name: own[name](number) if name in own else new.get(value, value) if isinstance(value, str | int) and
                           not isinstance(value, bool) and name.endswith("id") else value for name, value in row.items()} for row in rows]
        for (model, _), rows in zip(patterns, copies, strict=True):
            await self.tx.execute(insert(model.__table__), rows)
            self.kept.append((model, rows))

    async def gone(self) -> None:
        for model, rows in reversed(self.kept):
            keys = [column.name for column in model.__table__.primary_key]
            await self.tx.execute(delete(model.__table__).where(model.__table__.c[keys[0]].in_([row[keys[0]] for row in rows]),
                                                                *(model.__table__.c[key].in_([row[key] for row in rows])
                                                                  for key in keys[1:])))


def mac(kind: int) -> Any:
    return lambda number: f"fa:16:{kind:02x}:00:{number >> 8:02x}:{number & 255:02x}"


def address(start: str, by: int = 0) -> Any:
    return lambda number: f"{start}.{(number >> 8) + 100 + by}.{number & 255}"


async def multiply(copies: Copies, one: dict[str, Any]) -> None:
    router = (await copies.rows(network.Router, id=one["router"]))[0]["gw_port_id"]
    holder = (await copies.rows(network.FloatingIp, id=one["fip"]))[0]["floating_port_id"]
    nic = (await copies.rows(compute.ServerPort, server_id=one["server"]))[0]["port_id"]
    number = (await copies.rows(compute.Server, id=one["server"]))[0]["number"]
    key = (await copies.rows(compute.Keypair, name="long", user_id=one["user"].user_id))[0]["id"]

    def port(port_id: str) -> list[tuple[Any, dict[str, Any]]]:
        return [(network.Port, {"id": port_id}), (network.Allocation, {"port_id": port_id}), (network.PortGroup, {"port_id": port_id})]

    await copies.of(*port(one["port"]), (network.Tag, {"resource_id": one["port"]}), mac_address=mac(1), ip_address=address("10.64"))
    await copies.of((network.Network, {"id": one["network"]}), (network.Subnet, {"id": one["subnet"]}),
                    (network.Tag, {"resource_id": one["network"]}))
    await copies.of(*port(router)[:2], (network.Router, {"id": one["router"]}), (network.Tag, {"resource_id": one["router"]}),
                    mac_address=mac(2), ip_address=address("172.16"))
    await copies.of(*port(holder)[:2], (network.FloatingIp, {"id": one["fip"]}), mac_address=mac(3), ip_address=address("172.17"),
                    floating_ip_address=address("172.17"))
    await copies.of((network.SecurityGroup, {"id": one["group"]}), (network.GroupRule, {"security_group_id": one["group"]}),
                    (network.Rbac, {"id": one["rbac"]}))
    await copies.of((network.AddressScope, {"id": one["scope"]}), (network.SubnetPool, {"id": one["pool"]}))
    await copies.of((image.Image, {"id": one["image"]}), (image.ImageProperty, {"image_id": one["image"]}),
                    (image.ImageLocation, {"image_id": one["image"]}))
    await copies.of((compute.Keypair, {"id": key}), id=lambda at: 900_000 + at, name=lambda at: f"long-{at}")
    await copies.of((compute.Flavor, {"id": one["flavor"]}), (compute.FlavorExtraSpec, {"flavor_id": one["flavor"]}),
                    name=lambda at: f"long-{one['flavor']}-{at}")
    await copies.of((QuotaRow, {"project_id": one["user"].project_id}), project_id=lambda at: str(uuid.uuid4()))
    await copies.of((compute.ServerGroup, {"id": one["server group"]}))
    await copies.of((compute.Aggregate, {"id": one["aggregate"]}), name=lambda at: f"long-{one['aggregate']}-{at}",
                    uuid=lambda at: str(uuid.uuid4()))
    await copies.of(*port(nic), (compute.Server, {"id": one["server"]}), (compute.ServerMetadata, {"server_id": one["server"]}),
                    (compute.BlockDevice, {"server_id": one["server"]}), (compute.ServerPort, {"server_id": one["server"]}),
                    mac_address=mac(4), ip_address=address("10.64", 5), number=lambda at: number + 1 + at)


async def listed(cloud: Any, one: dict[str, Any], path: str) -> tuple[int, list[Any]]:
    """A list's queries and rows; the fewest of some, since what came before may still be told about."""
    async def once() -> tuple[int, list[Any]]:
        before = cloud.parts.database.queries
        answer = await one["user"].get(path.format_map(one), headers=NEWEST if path.startswith(C) else None)
        assert answer.status == 200, answer.content
        rows = next(value for name, value in answer.body.items() if isinstance(value, list) and not name.endswith("_links"))
        return cloud.parts.database.queries - before, rows

    return min([await once() for _ in range(3)], key=lambda found: found[0])


async def test_a_list_costs_as_many_queries_for_six_hundred_rows_as_for_one(cloud, one):
    few = {name: await listed(cloud, one, path) for name, path in LISTS.items()}
    async with cloud.parts.database.write() as tx:
        await multiply(copies := Copies(tx), one)
    try:
        many = {name: await listed(cloud, one, path) for name, path in LISTS.items()}
    finally:
        async with cloud.parts.database.write() as tx:
            copies.tx = tx
            await copies.gone()
    assert {name: queries for name, (queries, _) in many.items()} == {name: queries for name, (queries, _) in few.items()}
    for name, (_, rows) in many.items():
        assert len(rows) == len(few[name][1]) + MANY * OF_EACH.get(name, 1), name
        assert name == "use" or all(row in rows for row in few[name][1]), name


SHOWN = ("network", "subnet", "port", "router", "fip", "group", "scope", "pool", "rbac", "image", "server", "flavor", "server group",
         "aggregate")


async def test_a_list_shows_what_a_resource_shows_of_itself(cloud, one):
    for name in SHOWN:
        path = LISTS[name].partition("?")[0].removesuffix("/detail")
        answer = await one["user"].get(f"{path}/{one[name]}", headers=NEWEST if path.startswith(C) else None)
        alone = answer.body if name == "image" else next(iter(answer.body.values()))
        _, rows = await listed(cloud, one, LISTS[name])
        shown = next(row for row in rows if row["id"] == alone["id"])
        differ = {key: (shown.get(key), alone.get(key)) for key in {*shown, *alone} if shown.get(key) != alone.get(key)}
        assert set(differ) <= ({"server_groups"} if name == "server" else set()), (name, differ)
