"""One scene a kind of job: how the server is brought there, what is asked, and what finished and failed look like."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from cloudd.drivers.hypervisor.base import Hypervisor
from tests.fault.house import C, House

Ask = Callable[[House, str], Awaitable[str]]


@dataclass(frozen=True)
class Scene:
    """`given`: actions that come before. `ask`: what starts the job; it returns the server's id. `done`, `failed`: the status
    after success and after a step that failed (None: the server is gone).
    """

    job: str
    given: tuple[str, ...]
    ask: Ask
    done: str | None
    failed: str | None | tuple[str | None, ...]

    def fits(self, status: str | None) -> bool:
        return status in (self.failed if isinstance(self.failed, tuple) else (self.failed,))


BODIES: dict[str, Any] = {"reboot": {"type": "SOFT"}, "hard": {"type": "HARD"}}


def action(name: str, key: str | None = None) -> Ask:
    if name in GIVEN:
        return GIVEN[name]

    async def ask(house: House, server: str) -> str:
        value = BODIES.get(name)
        if name == "rebuild":
            value = {"imageRef": house.room.image}
        if name == "resize":
            value = {"flavorRef": "larger"}
        if name == "createImage":
            value = {"name": "snap"}
        answer = await house.room.act(server, key or name, value, wait=False)
        assert answer.status in (200, 202), answer.content
        return server
    return ask


async def create(house: House, server: str) -> str:
    answer = await house.room.create(name="another", config_drive=True)
    assert answer.status == 202, answer.content
    return answer.body["server"]["id"]


async def delete(house: House, server: str) -> str:
    assert (await house.room.user.delete(f"{C}/servers/{server}")).status == 204
    return server


async def power_off_inside(house: House, server: str) -> str:
    house.cloud.parts.driver(Hypervisor).guest_powers_off(server)
    return server


async def nothing(house: House, server: str) -> str:
    """The job was asked for at the start already: the host had come back without its guest."""
    return server


async def attach(house: House, server: str) -> str:
    answer = await house.room.user.post(f"{C}/servers/{server}/os-interface", {
        "interfaceAttachment": {"net_id": house.room.network}})
    assert answer.status == 200, answer.content
    return server


async def detach(house: House, server: str) -> str:
    port = (await house.ports(server, "id"))[0]
    assert (await house.room.user.delete(f"{C}/servers/{server}/os-interface/{port}")).status == 202
    return server


async def attach_volume(house: House, server: str) -> str:
    made = await house.room.user.at("3.71", "volume").post("/volume/v3/volumes", {"volume": {"size": 1}})
    assert made.status == 202, made.content
    answer = await house.room.user.post(f"{C}/servers/{server}/os-volume_attachments", {
        "volumeAttachment": {"volumeId": made.body["volume"]["id"]}})
    assert answer.status == 200, answer.content
    return server


async def detach_volume(house: House, server: str) -> str:
    volumes = (await house.room.user.get(f"{C}/servers/{server}/os-volume_attachments")).body["volumeAttachments"]
    path = f"{C}/servers/{server}/os-volume_attachments/{volumes[0]['volumeId']}"
    assert (await house.room.user.delete(path)).status == 202
    return server


GIVEN = {"volume": attach_volume}
"""What comes before and is no action."""
SCENES = {scene.job: scene for scene in (
    Scene("create", (), create, "ACTIVE", "ERROR"),
    Scene("delete", ("volume",), delete, None, "ERROR"),
    Scene("start", ("volume", "os-stop"), action("os-start"), "ACTIVE", "SHUTOFF"),
    Scene("restore", ("lose",), nothing, "ACTIVE", "ERROR"),
    Scene("stop", (), action("os-stop"), "SHUTOFF", "SHUTOFF"),
    Scene("reboot", (), action("reboot"), "ACTIVE", "ERROR"),
    Scene("pause", (), action("pause"), "PAUSED", "PAUSED"),
    Scene("unpause", ("pause",), action("unpause"), "ACTIVE", "ACTIVE"),
    Scene("suspend", (), action("suspend"), "SUSPENDED", "SUSPENDED"),
    Scene("resume", ("suspend",), action("resume"), "ACTIVE", "SUSPENDED"),
    Scene("rebuild", (), action("rebuild"), "ACTIVE", "ERROR"),
    Scene("rescue", (), action("rescue"), "RESCUE", "ERROR"),
    Scene("unrescue", ("rescue",), action("unrescue"), "ACTIVE", "ERROR"),
    Scene("resize", (), action("resize"), "VERIFY_RESIZE", "ERROR"),
    Scene("revert_resize", ("resize",), action("revertResize"), "ACTIVE", "ERROR"),
    Scene("snapshot", (), action("createImage"), "ACTIVE", "ACTIVE"),
    Scene("attach_interface", (), attach, "ACTIVE", "ACTIVE"),
    Scene("detach_interface", (), detach, "ACTIVE", "ACTIVE"),
    Scene("attach_volume", (), attach_volume, "ACTIVE", "ACTIVE"),
    Scene("detach_volume", ("volume",), detach_volume, "ACTIVE", "ACTIVE"),
    # what failed to be followed is found at the next start: the server should run, so it does
    Scene("observe", (), power_off_inside, "SHUTOFF", ("ACTIVE", "SHUTOFF")),
)}
