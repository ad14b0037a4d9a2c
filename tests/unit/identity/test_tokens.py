"""Keys, payloads, passwords and revocations of tokens."""

import os
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from cloudd.core.errors import BadRequest
from cloudd.identity.keys import KeyRing, Unreadable
from cloudd.identity.passwords import Hasher
from cloudd.identity.payload import BadPayload, Payload, unpack
from cloudd.identity.revocations import Revocations

NOON = datetime(2026, 1, 31, 12, 0, 0, 123456, UTC)
TOKEN = Payload("a" * 32, ("password", "token"), NOON, NOON + timedelta(hours=1), ("Aq4xV9mDTkS0m3cWZ1pYHg", "b7_LrN2eRkuVd-51oQm8fw"),
                "project", "0" * 31 + "1")


def ring(tmp_path, keep=3):
    keys = KeyRing(tmp_path / "keys", keep)
    keys.ensure()
    return keys


@pytest.mark.parametrize("token", [
    TOKEN, replace(TOKEN, scope=None, scope_id=None), replace(TOKEN, scope="system", scope_id=None),
    replace(TOKEN, scope="domain", scope_id="default", methods=("application_credential",), application_credential_id="c" * 32),
    replace(TOKEN, serial=2**63 - 1),
    replace(TOKEN, user_id="Zoë", trust_id="b" * 32, audit_ids=TOKEN.audit_ids[:1]), replace(TOKEN, user_id="A" * 32)],
    ids=["project", "unscoped", "system", "domain by application credential", "serial", "trust of a directory's user", "upper case"])
def test_a_payload_survives_packing(token):
    assert unpack(token.pack()) == token


def test_a_token_of_before_the_upgrade_is_older_than_every_revocation():
    packed = TOKEN.pack()
    old = b"\2" + packed[1:20] + packed[28:]
    assert unpack(old) == replace(TOKEN, serial=0)


def test_a_token_is_short(tmp_path):
    assert len(ring(tmp_path).encrypt(TOKEN.pack())) <= 255


@pytest.mark.parametrize("data", [b"", b"\0", TOKEN.pack()[:20], b"\7" + TOKEN.pack()[1:], TOKEN.pack()[:21] + b"\x09abc"],
                         ids=["nothing", "zero", "cut short", "unknown version", "wrong length"])
def test_garbage_is_refused(data):
    with pytest.raises(BadPayload):
        unpack(data)


def test_keys_are_private(tmp_path):
    keys = ring(tmp_path)
    assert stat.S_IMODE(os.stat(keys.directory).st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys.directory.iterdir()} == {0o600}


def test_old_tokens_outlive_rotations_as_long_as_their_key_is_kept(tmp_path):
    keys = ring(tmp_path, keep=3)
    token = keys.encrypt(b"x")
    keys.rotate()
    assert keys.decrypt(token) == b"x"
    keys.rotate()
    with pytest.raises(Unreadable):
        keys.decrypt(token)
    assert sorted(int(path.name) for path in keys.directory.iterdir()) == [0, 2, 3]


def test_a_ring_sees_a_rotation_by_another_process(tmp_path):
    keys, other = ring(tmp_path), KeyRing(tmp_path / "keys")
    keys.encrypt(b"warm")
    other.rotate()
    assert keys.decrypt(other.encrypt(b"y")) == b"y"


def test_a_changed_token_is_refused(tmp_path):
    keys = ring(tmp_path)
    token = bytearray(keys.encrypt(b"x"))
    token[30] ^= 1
    with pytest.raises(Unreadable):
        keys.decrypt(bytes(token))


def test_keys_are_kept_as_long_as_a_token_may_be_shown(tmp_path):
    identity = SimpleNamespace(token_lifetime=86400, allow_expired_window=172800, key_rotation=3600, max_active_keys=3)
    assert KeyRing.of(SimpleNamespace(identity=identity, server=SimpleNamespace(state_dir=tmp_path))).keep == 74


def hasher(kind="bcrypt", longest=100):
    return Hasher(SimpleNamespace(password_hash=kind, bcrypt_rounds=4, max_password_length=longest))


@pytest.mark.parametrize("kind", ["bcrypt", "scrypt"])
async def test_a_password_fits_its_own_hash_only(kind):
    stored = await hasher(kind).make("secret")
    assert "secret" not in stored
    assert await hasher().fits("secret", stored)
    assert not await hasher().fits("Secret", stored)


async def test_bytes_past_bcrypts_limit_count():
    stored = await hasher().make("x" * 72 + "a")
    assert not await hasher().fits("x" * 72 + "b", stored)
    assert not await hasher().fits("x" * 72 + "a\0", stored)


async def test_nobody_has_no_password():
    assert not await hasher().fits("", None)
    assert not await hasher().fits("nobody", None)


async def test_a_password_that_is_too_long_is_refused():
    with pytest.raises(BadRequest):
        await hasher(longest=10).make("é" * 6)


@pytest.mark.parametrize("kind, value", [
    ("user", TOKEN.user_id), ("project", TOKEN.scope_id), ("audit", TOKEN.audit_ids[0]), ("chain", TOKEN.audit_ids[1])],
    ids=["user", "project", "audit", "chain"])
def test_a_revocation_voids_what_was_issued_before(kind, value):
    revoked = Revocations(timedelta(hours=1))
    revoked._serials[kind, value] = 7
    assert revoked.void(replace(TOKEN, serial=6)) and revoked.void(TOKEN)
    assert not revoked.void(replace(TOKEN, serial=7))


def test_other_tokens_stay():
    revoked = Revocations(timedelta(hours=1))
    revoked._serials.update({("user", "b" * 32): 1, ("domain", TOKEN.scope_id): 1, ("chain", TOKEN.audit_ids[0]): 1})
    assert not revoked.void(TOKEN)
