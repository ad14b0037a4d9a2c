"""Replies of volumes in Tempest's forms."""

import pytest

from tests.api.block.forms import B, at, fits
from tests.api.block.room import Room


@pytest.mark.parametrize("version", ["3.0", "3.13", "3.48", "3.61", "3.63", "3.65", "3.71"])
async def test_who_makes_or_changes_a_volume_is_not_told_what_only_show_tells(cloud, version):
    """Tempest lets no further member through, so that every test that makes a volume would fail."""
    room = await Room.make(cloud)
    for client in (at(room.user, version), at(room.admin, version)):
        made = fits(await client.post(f"{B}/volumes", {"volume": {"size": 1}}), "volumes", "create_volume", version)["volume"]
        await cloud.settled()
        path = f"{B}/volumes/{made['id']}"
        changed = await client.put(path, {"volume": {"name": "other"}})
        assert changed.status == 200 and not [name for name in changed.body["volume"] if name.startswith("os-vol-")]
        shown = fits(await client.get(path), "volumes", "show_volume", version)["volume"]
        assert shown["os-vol-tenant-attr:tenant_id"] == client.project_id
        fits(await client.get(f"{B}/volumes/detail"), "volumes", "list_volumes_with_detail", version)
        assert (await client.delete(path)).status == 202
    await room.clean()
