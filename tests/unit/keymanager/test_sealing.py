"""Sealing: what is sealed opens with its key and at its place only; the file of the master key."""

import asyncio
import os
import stat
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import given
from hypothesis import strategies as some
from sqlalchemy import select

from cloudd import settings
from cloudd.core import database
from cloudd.core.database import Database
from cloudd.keymanager.master import Busy, Locked, MasterFile, fingerprint
from cloudd.keymanager.models import ProjectKey
from cloudd.keymanager.rewrap import rewrap
from cloudd.keymanager.sealing import Vault, of_project, of_secret, seal, unseal

KEY, PLACE = bytes(range(32)), of_secret("p", "s")


@given(some.binary(max_size=5000))
def test_what_was_sealed_opens(data):
    sealed = seal(KEY, PLACE, data)
    assert unseal(KEY, PLACE, sealed) == data
    assert len(sealed) == 1 + 12 + len(data) + 16 and (len(data) < 4 or data not in sealed)


@given(some.binary(min_size=1, max_size=200), some.data())
def test_a_changed_bit_is_noticed(data, choice):
    sealed = bytearray(seal(KEY, PLACE, data))
    sealed[choice.draw(some.integers(0, len(sealed) - 1))] ^= 1 << choice.draw(some.integers(0, 7))
    with pytest.raises(InvalidTag):
        unseal(KEY, PLACE, bytes(sealed))


@given(some.integers(0, 40))
def test_what_is_cut_short_is_noticed(length):
    with pytest.raises(InvalidTag):
        unseal(KEY, PLACE, seal(KEY, PLACE, b"0123456789012345")[:length])


@pytest.mark.parametrize("place", [of_secret("p", "t"), of_secret("q", "s"), of_project("p"), ""])
def test_nothing_opens_at_another_place(place):
    with pytest.raises(InvalidTag):
        unseal(KEY, place, seal(KEY, PLACE, b"x"))


def test_nothing_opens_with_another_key():
    with pytest.raises(InvalidTag):
        unseal(bytes(32), PLACE, seal(KEY, PLACE, b"x"))


def test_the_same_is_never_sealed_alike():
    assert len({seal(KEY, PLACE, b"x") for _ in range(100)}) == 100


def test_a_new_master_key_is_for_its_owner_only(tmp_path):
    old = os.umask(0)
    try:
        file = MasterFile(tmp_path / "deep" / "er" / "master.key")
        made = file.make()
    finally:
        os.umask(old)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600 and stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700
    assert list(file.keys()) == [made] and len(file.keys()[made]) == 32
    assert list(file.path.parent.iterdir()) == [file.path]


def test_a_file_that_was_changed_is_read_again(tmp_path):
    file = MasterFile(tmp_path / "master.key")
    first = file.make()
    other = os.urandom(32)
    MasterFile(file.path).write([other, file.keys()[first]])
    assert list(file.keys()) == [fingerprint(other), first]


@pytest.mark.parametrize(("content", "mode", "words"), [
    (None, 0, "is missing"), ("", 0o600, "holds no key"), ("# nothing\n", 0o600, "holds no key"), ("AAAA\n", 0o600, "holds no key"),
    ("not base64!\n", 0o600, "holds no key"), ("\udcff", 0o600, "holds no key"), ("good", 0o640, "open to others"),
    ("good", 0o604, "open to others")])
def test_a_file_that_is_none_says_what_is_wrong_and_what_mends_it(tmp_path, content, mode, words):
    file = MasterFile(tmp_path / "master.key")
    if content == "good":
        file.make()
    elif content is not None:
        file.path.write_text(content, errors="surrogateescape")
    if mode:
        file.path.chmod(mode)
    with pytest.raises(Locked, match=words) as caught:
        file.keys()
    assert caught.value.status == 503 and str(file.path) in caught.value.mend and str(tmp_path) not in caught.value.message


def test_only_one_changes_the_master_key_at_a_time(tmp_path):
    one, other = (MasterFile(tmp_path / "master.key") for _ in range(2))
    with one.alone():
        with pytest.raises(Busy, match="another process"), other.alone():
            pass
    with other.alone():
        pass


def test_the_file_lies_where_the_settings_say(tmp_path):
    (tmp_path / "x.conf").write_text(f"[key_manager]\nmaster_key_file = {tmp_path}/elsewhere\n")
    made = settings.load(tmp_path / "x.conf", state_dir=str(tmp_path), environ={})
    assert MasterFile.of(made).path == tmp_path / "elsewhere"
    assert MasterFile.of(settings.load(state_dir=str(tmp_path), simulated=True, environ={})).path == Path(
        tmp_path, "key-manager", "master.key")


class Late(MasterFile):
    """Looked at once when it still held what `before` says."""

    before: dict[str, bytes] | None = None

    def keys(self):
        shown, self.before = self.before, None
        return shown or super().keys()


class Behind(Vault):
    """Reads a row as it was before, where there is one: as a reader that no writer waits for."""

    row: ProjectKey | None = None

    def _unwrap(self, row, known):
        return super()._unwrap(self.row or row, known)


async def test_a_secret_that_is_opened_while_the_master_key_is_changed_opens(tmp_path):
    """The old key was taken out of the file when the row that it wraps had just been read."""
    rows, vault = Database(f"sqlite:///{tmp_path}/x.db"), Behind(Late(tmp_path / "master.key"))
    await asyncio.to_thread(database.upgrade, f"sqlite:///{tmp_path}/x.db")
    await vault.prepare(rows)
    async with rows.write() as tx:
        sealed = await vault.seal(tx, "p", "s", b"data")
    async with rows.read() as tx:
        vault.row = (await tx.execute(select(ProjectKey))).scalar_one()
    before = dict(vault.file.keys())
    await rewrap(rows, MasterFile(vault.file.path))
    vault.file.before = before
    async with rows.write() as tx:
        assert await vault.open(tx, "p", "s", sealed) == b"data"
        with pytest.raises(Locked):                           # long after it, that row would be one of another database
            await vault.open(tx, "p", "s", sealed)
    await rows.close()
