"""Back ends as the settings have them, and places by their names."""

import asyncio

import pytest

from cloudd import settings
from cloudd.block.backends import Backends, name_of, place
from cloudd.block.service import BlockModule
from cloudd.core.database import Database
from cloudd.core.module import DriverError
from cloudd.core.parts import Parts
from cloudd.core.policy import Policies


def load(tmp_path, text):
    config = tmp_path / "cloudd.conf"
    config.write_text(text)
    return settings.load(config, state_dir=str(tmp_path / "state"), listen="127.0.0.1:1", environ={})


def made(tmp_path, text=""):
    values = load(tmp_path, text)
    return {driver.config.name: driver for driver in BlockModule(Parts(values, Database(values.database.url), Policies()))._make()}


def test_the_usual_back_end_is_a_directory_in_the_state_directory(tmp_path):
    drivers = made(tmp_path)
    assert list(drivers) == ["file"] and drivers["file"].config.address == str(tmp_path / "state" / "volumes")


def test_further_back_ends_have_names_drivers_and_addresses_of_their_own(tmp_path):
    drivers = made(tmp_path, f"[volume]\nbackends = fast=file:{tmp_path}/fast, play=simulated:gib=5\nimage_cache_max_gb = 3\n")
    assert [(name, driver.kind) for name, driver in drivers.items()] == [("file", "file"), ("fast", "file"), ("play", "simulated")]
    assert drivers["fast"].config.image_cache_max_bytes == 3 << 30


@pytest.mark.parametrize(("text", "words"), [
    ("backends = fast=file:relative", "is no directory"), ("backends = a=nothing:x", "there is no such driver"),
    ("backends = play=simulated:strange", "does not know strange")])
def test_what_cannot_be_a_back_end_stops_the_start(tmp_path, text, words):
    with pytest.raises(DriverError, match=words):
        made(tmp_path, f"[volume]\n{text}\n")


def test_two_back_ends_of_one_name_stop_the_start(tmp_path):
    with pytest.raises(settings.SettingsError, match="two back ends have one name"):
        load(tmp_path, f"[volume]\nbackends = file=file:{tmp_path}\n")


def test_a_place_names_its_back_end_with_and_without_the_pool(tmp_path):
    there = Backends({"fast": object()}, tmp_path)
    assert name_of(place("fast")) == name_of(place("fast").partition("#")[0]) == "fast"
    assert there.at(place("fast")) == there.at(place("fast").partition("#")[0]) == place("fast")
    assert [there.at(text) for text in ("fast", "other@fast", place("slow"), place("fast") + "2", "")] == [None] * 5


async def test_a_purge_leaves_nothing_in_the_back_ends(tmp_path):
    from cloudd.drivers.volume.base import FromSnapshot, VolumeSpec
    values = load(tmp_path, "[block]\ndriver = simulated\naddress = hang\n")
    module = BlockModule(Parts(values, Database(values.database.url), Policies()))
    driver = next(module._make())
    await driver.open()
    await driver.create_volume(VolumeSpec("one", 512))
    await driver.create_snapshot("one", "then")
    await driver.create_volume(VolumeSpec("two", 512), FromSnapshot("then"))
    await module.purge()
    again = next(module._make())
    await again.open()
    assert (await again.list()).volumes == (await again.list()).snapshots == ()


async def test_who_waits_for_an_image_and_who_comes_later_share_one_turn(tmp_path):
    there, inside, most = Backends({}, tmp_path), 0, 0

    async def fetch():
        nonlocal inside, most
        async with there.fetching("one"):
            inside += 1
            most = max(most, inside)
            await asyncio.wait({asyncio.ensure_future(asyncio.to_thread(int))})
            inside -= 1
    await asyncio.gather(*(fetch() for _ in range(4)))
    assert most == 1 and not there._fetching
