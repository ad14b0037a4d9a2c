"""A project of its own with what a server needs: an image, a flavor, a network; and words for what tests do with servers."""

from dataclasses import dataclass
from typing import Any

from tests.api.conftest import Answer, Client, Cloud

C = "/compute/v2.1"


@dataclass
class Room:
    """One project, its user, and ids of what is in it."""

    cloud: Cloud
    user: Client
    image: str
    flavor: str
    network: str
    subnet: str
    name: str = ""

    def order(self, **more: Any) -> dict[str, Any]:
        return {"server": {"name": "one", "imageRef": self.image, "flavorRef": self.flavor, **more}}

    async def create(self, client: Client | None = None, **more: Any) -> Answer:
        client = client or self.user
        return await client.post(f"{C}/servers", self.order(**more))

    async def server(self, **more: Any) -> str:
        """The id of a server that is built."""
        answer = await self.create(**more)
        assert answer.status == 202, answer.content
        await self.cloud.settled()
        return answer.body["server"]["id"]

    async def show(self, server: str, version: str = "2.1") -> dict[str, Any]:
        answer = await self.user.at(version).get(f"{C}/servers/{server}")
        assert answer.status == 200, answer.content
        return answer.body["server"]

    async def act(self, server: str, action: str, value: Any = None, *, client: Client | None = None,
                  wait: bool = True) -> Answer:
        answer = await (client or self.user).post(f"{C}/servers/{server}/action", {action: value})
        if wait:
            await self.cloud.settled()
        return answer

    async def status(self, server: str) -> str:
        return (await self.show(server))["status"]

    async def networks(self, **values: Any) -> dict[str, Any]:
        answer = await self.user.post("/networking/v2.0/networks", {"network": values})
        assert answer.status == 201, answer.content
        return answer.body["network"]


COUNT = 0


async def make_room(cloud: Cloud, *, networked: bool = True) -> Room:
    global COUNT
    COUNT += 1
    name = f"room-{COUNT}"
    user = await cloud.project_user(name)
    flavor = {"name": f"tiny-{COUNT}", "ram": 128, "vcpus": 1, "disk": 1}
    made = await cloud.admin.post(f"{C}/flavors", {"flavor": flavor})
    assert made.status == 200, made.content
    image = await make_image(user)
    room = Room(cloud, user, image, made.body["flavor"]["id"], "", "", name)
    if networked:
        room.network = (await room.networks(name="net"))["id"]
        subnet = {"subnet": {"network_id": room.network, "cidr": "10.1.0.0/24", "ip_version": 4}}
        room.subnet = (await user.post("/networking/v2.0/subnets", subnet)).body["subnet"]["id"]
    return room


async def make_image(user: Client, **more: Any) -> str:
    body = {"name": "tiny", "disk_format": "raw", "container_format": "bare", **more}
    answer = await user.post("/image/v2/images", body)
    assert answer.status == 201, answer.content
    image = answer.body["id"]
    data = await user.request("PUT", f"/image/v2/images/{image}/file", data=b"\0" * 65536,
                              headers={"Content-Type": "application/octet-stream"})
    assert data.status == 204, data.content
    return image
