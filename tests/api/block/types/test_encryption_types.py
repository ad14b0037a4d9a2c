"""Encryption of volume types: its spellings, what a host cannot do, and types that have volumes."""

import itertools

import pytest

from cloudd.block.models import TypeEncryption
from cloudd.block.types import encryption
from cloudd.core import clock
from cloudd.core.errors import BadRequest
from tests.api.block.forms import B, fits, words
from tests.api.block.room import Room

NUMBERS = itertools.count()
LUKS = {"provider": "LuksEncryptor", "key_size": 256, "cipher": "aes-xts-plain64", "control_location": "front-end"}


async def make(cloud):
    answer = await cloud.admin.post(f"{B}/types", {"volume_type": {"name": f"encrypted-{next(NUMBERS)}"}})
    return f"{B}/types/{answer.body['volume_type']['id']}/encryption"


async def test_every_reply_has_tempests_form(cloud):
    path = await make(cloud)
    assert fits(await cloud.admin.get(path), "encryption_types", "show_encryption_type") == {}
    made = fits(await cloud.admin.post(path, {"encryption": LUKS}), "encryption_types", "create_encryption_type")["encryption"]
    assert {name: made[name] for name in LUKS} == LUKS
    shown = fits(await cloud.admin.get(path), "encryption_types", "show_encryption_type")
    assert {name: shown[name] for name in made} == made
    fits(await cloud.admin.get(f"{path}/cipher"), "encryption_types", "show_encryption_specs_item")
    assert (await cloud.admin.get(f"{path}/cipher")).body == {"cipher": "aes-xts-plain64"}
    back = {"provider": "SomeProvider", "key_size": 128, "cipher": "aes-xts-plain64", "control_location": "back-end"}
    one = f"{path}/{made['encryption_id']}"
    assert fits(await cloud.admin.put(one, {"encryption": back}), "encryption_types", "update_encryption_type") == {"encryption": back}
    shown = (await cloud.admin.get(path)).body
    assert {name: shown[name] for name in back} == back
    fits(await cloud.admin.delete(one), "encryption_types", "delete_encryption_type")
    assert (await cloud.admin.get(path)).body == {} and (await cloud.admin.get(f"{path}/cipher")).status == 404
    assert (await cloud.admin.delete(one)).status == 404 and (await cloud.admin.put(one, {"encryption": {"key_size": 256}})).status == 404


@pytest.mark.parametrize("provider", ["luks", "LUKS", "LuksEncryptor", "nova.volume.encryptors.luks.LuksEncryptor",
                                      "os_brick.encryptors.luks.LuksEncryptor"])
async def test_luks_in_all_of_its_spellings(cloud, provider):
    path = await make(cloud)
    answer = await cloud.admin.post(path, {"encryption": {"provider": provider, "control_location": "front-end"}})
    assert answer.status == 200 and answer.body["encryption"]["provider"] == provider


@pytest.mark.parametrize("provider", ["luks2", "plain", "os_brick.encryptors.luks.Luks2Encryptor", "CryptsetupEncryptor",
                                      "nova.volume.encryptors.cryptsetup.CryptsetupEncryptor"])
async def test_what_needs_dm_crypt_is_refused_where_there_is_none_and_says_so(cloud, provider):
    path = await make(cloud)
    answer = await cloud.admin.post(path, {"encryption": {"provider": provider, "control_location": "front-end"}})
    assert answer.status == 400 and "dm-crypt" in words(answer) and "luks" in words(answer)


@pytest.mark.parametrize("wrong", [
    {"provider": "rot13"}, {"provider": None}, {"control_location": "middle"}, {"cipher": "aes"}, {"cipher": "aes-xts-plain65"},
    {"cipher": "des-xts-plain64"}, {"cipher": "aes-cbc-essiv"}, {"cipher": "aes-cbc-essiv:crc32"}, {"key_size": 128},
    {"key_size": 257}, {"key_size": -1}, {"key_size": "much"}, {"cipher": "aes-cbc-plain64", "key_size": 512}, {"key_size": 1 << 40}])
async def test_what_cannot_be_is_refused_with_the_value_that_is_wrong(cloud, wrong):
    path = await make(cloud)
    answer = await cloud.admin.post(path, {"encryption": {**LUKS, **wrong}})
    assert answer.status == 400, answer.content
    assert any(str(value) in words(answer) for value in wrong.values()), words(answer)
    assert (await cloud.admin.get(path)).body == {}


@pytest.mark.parametrize("good", [{"cipher": None, "key_size": None}, {"key_size": "512"}, {"cipher": "aes-cbc-essiv:sha256"},
                                  {"cipher": "serpent-xts-plain64"}, {"cipher": "twofish-ctr-plain64", "key_size": 192}])
async def test_what_can_be_is_taken(cloud, good):
    path = await make(cloud)
    assert (await cloud.admin.post(path, {"encryption": {**LUKS, **good}})).status == 200


async def test_a_type_is_encrypted_once_and_by_administrators(cloud):
    path = await make(cloud)
    assert (await cloud.demo.post(path, {"encryption": LUKS})).status == 403
    assert (await cloud.admin.post(path, {"encryption": LUKS})).status == 200
    again = await cloud.admin.post(path, {"encryption": LUKS})
    assert again.status == 400 and "already exists" in words(again)
    for answer in (await cloud.demo.get(path), await cloud.demo.get(f"{path}/cipher"), await cloud.demo.delete(f"{path}/any"),
                   await cloud.demo.put(f"{path}/any", {"encryption": LUKS})):
        assert answer.status == 403
    nobody = f"{B}/types/00000000-0000-4000-8000-000000000000/encryption"
    assert (await cloud.admin.post(nobody, {"encryption": LUKS})).status == 404


async def test_cipher_and_key_size_change_one_after_the_other_and_count_when_a_volume_is_made(cloud):
    path = await make(cloud)
    made = (await cloud.admin.post(path, {"encryption": LUKS})).body["encryption"]
    one = f"{path}/{made['encryption_id']}"
    refused = await cloud.admin.put(one, {"encryption": {"provider": "luks2"}})
    assert refused.status == 400 and "dm-crypt" in words(refused)
    for change, possible in (({"key_size": 128}, False), ({"cipher": "aes-cbc-plain64"}, True), ({"control_location": "back-end"}, False)):
        assert (await cloud.admin.put(one, {"encryption": change})).status == 200
        async with cloud.parts.database.read() as tx:
            row = await encryption.of(tx, made["volume_type_id"])
        if possible:
            assert encryption.wanted(row, {"luks"}) == encryption.Wanted("luks", "aes-cbc-plain64", 128)
        else:
            with pytest.raises(BadRequest, match="key_size 128|back-end"):
                encryption.wanted(row, {"luks"})


async def test_what_a_volume_tells_of_its_encryption(cloud):
    room = await Room.make(cloud)
    volume, other = await room.volume(), await Room.make(cloud)
    path = f"{B}/volumes/{volume}/encryption"
    assert (await room.user.get(path)).body == {"encryption_key_id": None}
    assert (await room.user.get(f"{path}/encryption_key_id")).status == 200 and (await room.user.get(f"{path}/cipher")).status == 404
    assert (await other.user.get(path)).status == 404
    type_id = (await room.show(volume))["volume_type_id"]
    async with cloud.parts.database.write() as tx:            # as a volume has it that was made of such a type
        tx.add(TypeEncryption(volume_type_id=type_id, encryption_id=type_id, created_at=clock.now(), **LUKS))
    assert (await room.user.get(path)).body == {"encryption_key_id": None, **LUKS}
    assert (await room.user.get(f"{path}/cipher")).body == "aes-xts-plain64"
    async with cloud.parts.database.write() as tx:
        await tx.delete(await tx.get(TypeEncryption, type_id))
    await room.clean()
