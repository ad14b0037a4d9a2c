"""Every field that names another resource by id, with an id of somebody else's and with one that nobody has: both are refused, and
alike, so that nothing is reached and nothing is learned."""

from dataclasses import dataclass
from typing import Any

import pytest

from cloudd.core import clock
from cloudd.identity import signatures
from tests.api.compute.rooms import C, Room, make_image, make_room
from tests.api.conftest import Client

N, K, G = "/networking/v2.0", "/identity/v3", "/image/v2"
NOBODY = "0b0d1e00-0000-4000-8000-00000000dead"


@dataclass
class Side:
    """One project, and an id of everything that another might name."""

    room: Room
    ids: dict[str, str]

    @property
    def user(self) -> Client:
        return self.room.user


async def made(user: Client, path: str, kind: str, **values: Any) -> str:
    answer = await user.post(path, {kind: values})
    assert answer.status in (200, 201, 202), answer.content
    return answer.body[kind].get("id") or answer.body[kind]["name"]


async def make_side(cloud: Any) -> Side:
    room = await make_room(cloud)
    user, network = room.user, room.network
    pool = await made(user, f"{N}/subnetpools", "subnetpool", name="p", prefixes=["10.90.0.0/16"])
    router = await made(user, f"{N}/routers", "router", name="r")
    ids = {
        "network": network, "subnet": room.subnet, "subnetpool": pool, "router": router, "image": room.image,
        "port": await made(user, f"{N}/ports", "port", network_id=network),
        "security_group": await made(user, f"{N}/security-groups", "security_group", name="g"),
        "address_scope": await made(user, f"{N}/address-scopes", "address_scope", name="s"),
        "volume": await made(user, "/volume/v3/volumes", "volume", size=1),
        "server_group": await made(user, f"{C}/os-server-groups", "server_group", name="g", policies=["affinity"]),
        "keypair": await made(user, f"{C}/os-keypairs", "keypair", name=f"key-of-{room.name}"),
        "flavor": await made(cloud.admin, f"{C}/flavors", "flavor", name=f"private-{room.name}", ram=64, vcpus=1, disk=1,
                             **{"os-flavor-access:is_public": False}),
        "server": await room.server(networks=[{"uuid": network}]), "project": user.project_id, "user": user.user_id}
    return Side(room, ids)


@pytest.fixture(scope="module")
async def mine(cloud):
    return await make_side(cloud)


@pytest.fixture(scope="module")
async def theirs(cloud):
    return await make_side(cloud)


def network(path, kind, field, of, **more):
    """Naming `of` in a field of a new resource of networks."""
    return (f"{kind}.{field}", of, "POST", lambda ids: f"{N}{path}",
            lambda ids, value: {kind: {**{key: ids.get(str(text)[1:], text) for key, text in more.items()}, field: value}})


def changed(path, kind, field, of, wrap=lambda value: value):
    """Naming it in a change of one's own."""
    return (f"{kind}.{field} later", of, "PUT", lambda ids: f"{N}{path}/{ids[kind]}", lambda ids, value: {kind: {field: wrap(value)}})


def server(field, of, wrap=lambda value: value, **more):
    return (f"server.{field}", of, "POST", lambda ids: f"{C}/servers",
            lambda ids, value: {"server": {"name": "x", "imageRef": ids["image"], "flavorRef": "1", "networks": [{"uuid": ids["network"]}],
                                           **more, field: wrap(value)}})


def action(verb, of, wrap):
    return (f"action {verb}", of, "POST", lambda ids: f"{C}/servers/{ids['server']}/action", lambda ids, value: {verb: wrap(value)})


def sharing(kind):
    return (f"rbac_policy.object_id of {kind}", kind, "POST", lambda ids: f"{N}/rbac-policies", lambda ids, value: {
        "rbac_policy": {"object_type": kind, "object_id": value, "action": "access_as_shared", "target_tenant": "x"}})


FIELDS = [
    network("/subnets", "subnet", "network_id", "network", cidr="10.91.0.0/24", ip_version=4),
    network("/subnets", "subnet", "subnetpool_id", "subnetpool", network_id="@network", ip_version=4),
    network("/ports", "port", "network_id", "network"),
    ("port.fixed_ips.subnet_id", "subnet", "POST", lambda ids: f"{N}/ports",
     lambda ids, value: {"port": {"network_id": ids["network"], "fixed_ips": [{"subnet_id": value}]}}),
    ("port.security_groups", "security_group", "POST", lambda ids: f"{N}/ports",
     lambda ids, value: {"port": {"network_id": ids["network"], "security_groups": [value]}}),
    changed("/ports", "port", "security_groups", "security_group", lambda value: [value]),
    changed("/ports", "port", "fixed_ips", "subnet", lambda value: [{"subnet_id": value}]),
    ("router.external_gateway_info", "network", "POST", lambda ids: f"{N}/routers",
     lambda ids, value: {"router": {"external_gateway_info": {"network_id": value}}}),
    changed("/routers", "router", "external_gateway_info", "network", lambda value: {"network_id": value}),
    *((f"router {verb}_router_interface {field}", field, "PUT",
       lambda ids, verb=verb: f"{N}/routers/{ids['router']}/{verb}_router_interface",
       lambda ids, value, field=field: {f"{field}_id": value}) for verb in ("add", "remove") for field in ("subnet", "port")),
    network("/floatingips", "floatingip", "floating_network_id", "network"),
    network("/security-group-rules", "security_group_rule", "security_group_id", "security_group", direction="ingress"),
    network("/security-group-rules", "security_group_rule", "remote_group_id", "security_group", direction="ingress",
            security_group_id="@security_group"),
    network("/subnetpools", "subnetpool", "address_scope_id", "address_scope", name="x", prefixes=["10.92.0.0/16"]),
    changed("/subnetpools", "subnetpool", "address_scope_id", "address_scope"),
    *(sharing(kind) for kind in ("network", "security_group", "subnetpool", "address_scope")),
    server("imageRef", "image"), server("flavorRef", "flavor"), server("key_name", "keypair"),
    server("networks", "network", lambda value: [{"uuid": value}]), server("networks", "port", lambda value: [{"port": value}]),
    server("security_groups", "security_group", lambda value: [{"name": value}]),
    server("block_device_mapping_v2", "image", lambda value: [{"uuid": value, "source_type": "image", "destination_type": "local",
                                                               "boot_index": 0, "delete_on_termination": True}]),
    ("server hint of a group", "server_group", "POST", lambda ids: f"{C}/servers", lambda ids, value: {
        "server": {"name": "x", "imageRef": ids["image"], "flavorRef": "1", "networks": "none"}, "os:scheduler_hints": {"group": value}}),
    action("rebuild", "image", lambda value: {"imageRef": value}), action("resize", "flavor", lambda value: {"flavorRef": value}),
    action("addSecurityGroup", "security_group", lambda value: {"name": value}),
    action("removeSecurityGroup", "security_group", lambda value: {"name": value}),
    action("addFixedIp", "network", lambda value: {"networkId": value}),
    ("interface net_id", "network", "POST", lambda ids: f"{C}/servers/{ids['server']}/os-interface",
     lambda ids, value: {"interfaceAttachment": {"net_id": value}}),
    ("interface port_id", "port", "POST", lambda ids: f"{C}/servers/{ids['server']}/os-interface",
     lambda ids, value: {"interfaceAttachment": {"port_id": value}}),
    ("attachment volumeId", "volume", "POST", lambda ids: f"{C}/servers/{ids['server']}/os-volume_attachments",
     lambda ids, value: {"volumeAttachment": {"volumeId": value}}),
    ("old rule's group", "security_group", "POST", lambda ids: f"{C}/os-security-group-rules", lambda ids, value: {
        "security_group_rule": {"parent_group_id": value, "ip_protocol": "tcp", "from_port": 1, "to_port": 2, "cidr": "0.0.0.0/0"}}),
    ("old rule's remote group", "security_group", "POST", lambda ids: f"{C}/os-security-group-rules", lambda ids, value: {
        "security_group_rule": {"parent_group_id": ids["security_group"], "ip_protocol": "tcp", "from_port": 1, "to_port": 2,
                                "group_id": value}}),
    ("trust's project", "project", "POST", lambda ids: f"{K}/OS-TRUST/trusts", lambda ids, value: {
        "trust": {"trustor_user_id": ids["user"], "trustee_user_id": ids["user"], "project_id": value, "impersonation": False,
                  "roles": [{"name": "member"}]}}),
    ("trust's trustor", "user", "POST", lambda ids: f"{K}/OS-TRUST/trusts", lambda ids, value: {
        "trust": {"trustor_user_id": value, "trustee_user_id": ids["user"], "project_id": ids["project"], "impersonation": False,
                  "roles": [{"name": "member"}]}}),
    ("credential's user", "user", "POST", lambda ids: f"{K}/credentials",
     lambda ids, value: {"credential": {"type": "cert", "blob": "{}", "user_id": value}}),
    ("network for a project", "project", "POST", lambda ids: f"{N}/networks", lambda ids, value: {"network": {"project_id": value}}),
    ("image for a project", "project", "POST", lambda ids: f"{G}/images", lambda ids, value: {"name": "x", "owner": value}),
]


def reply(answer, value):
    return answer.status, answer.content.replace(value.encode(), b"ID")


@pytest.mark.parametrize("field, of, method, path, body", FIELDS, ids=[f"{row[0]}: {row[1]}" for row in FIELDS])
async def test_a_foreign_id_and_a_missing_one_are_refused(cloud, mine, theirs, field, of, method, path, body):
    foreign = theirs.ids[of]
    missing = NOBODY if len(foreign) == 36 else NOBODY.replace("-", "")
    answers = []
    for value in (foreign, missing):
        answer = await mine.user.request(method, path(mine.ids), json=body(mine.ids, value))
        await cloud.settled()
        assert 400 <= answer.status < 500, (value == foreign, answer.status, answer.content)
        answers.append(answer)
    if of not in ("project", "user"):                         # whose ids are no secret: another's is 403 or 409, none is 404
        assert reply(answers[0], foreign) == reply(answers[1], missing)


@pytest.mark.parametrize("name", ["kernel_id", "ramdisk_id"])
async def test_an_image_that_names_a_foreign_kernel_boots_nothing(mine, theirs, name):
    for value in (theirs.ids["image"], NOBODY):
        image = await make_image(mine.user, **{name: value})
        answer = await mine.room.create(imageRef=image)
        assert answer.status == 400, (value, answer.status, answer.content)


async def test_an_ec2_credential_for_a_foreign_project_opens_nothing(cloud, mine, theirs):
    """Keystone lets it be made, and asks for roles when it is used."""
    where = f"{K}/users/{mine.user.user_id}/credentials/OS-EC2"
    assert (await mine.user.post(where, {"tenant_id": NOBODY.replace("-", "")})).status == 404
    for project, status in ((mine.user.project_id, 200), (theirs.user.project_id, 401)):
        key = (await mine.user.post(where, {"tenant_id": project})).body["credential"]
        params = {"SignatureVersion": "2", "SignatureMethod": "HmacSHA256", "AWSAccessKeyId": key["access"], "Action": "x",
                  "Timestamp": clock.iso(clock.now())}
        asked = {"access": key["access"], "host": "host", "verb": "GET", "path": "/", "params": params}
        asked["signature"] = signatures.ec2(key["secret"], asked)
        answer = await cloud.admin.post(f"{K}/ec2tokens", {"credentials": asked})
        assert answer.status == status, answer.content


async def test_a_port_may_say_any_device_and_is_tied_to_none(cloud, mine, theirs):
    before = (await theirs.room.show(theirs.ids["server"]))["addresses"]
    for device in (theirs.ids["server"], theirs.ids["router"], NOBODY):
        port = await made(mine.user, f"{N}/ports", "port", network_id=mine.ids["network"], device_id=device, device_owner="compute:nova")
        assert (await mine.user.delete(f"{N}/ports/{port}")).status == 204
        await cloud.settled()
    assert (await theirs.room.show(theirs.ids["server"]))["addresses"] == before
