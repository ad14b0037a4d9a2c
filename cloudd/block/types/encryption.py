"""How volumes of a type are encrypted: the record, and what of it a back end of this host can do."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.block import events
from cloudd.block.models import TypeEncryption, VolumeType
from cloudd.block.types import rules
from cloudd.core import ids
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, NotFound

FRONT, BACK = "front-end", "back-end"
LUKS, LUKS2, PLAIN = "luks", "luks2", "plain"
_CLASSES = {"luksencryptor": LUKS, "luks2encryptor": LUKS2, "cryptsetupencryptor": PLAIN}
CIPHER, KEY_SIZE = "aes-xts-plain64", 256
MODES = ("xts", "cbc", "ctr", "ecb")
KEYS = {"aes": (128, 192, 256), "serpent": (128, 192, 256), "twofish": (128, 192, 256), "cast5": (128,)}
NEEDS = {LUKS: "QEMU with LUKS", LUKS2: "dm-crypt (the kernel's module dm_crypt, and cryptsetup)",
         PLAIN: "dm-crypt (the kernel's module dm_crypt, and cryptsetup)"}


@dataclass(frozen=True)
class Wanted:
    """What a type asks of a driver, in plain words."""

    provider: str
    cipher: str
    key_size: int


def provider(name: str) -> str | None:
    """`luks`, `luks2` or `plain`, in all of the spellings that Cinder has had (`nova.volume.encryptors.luks.LuksEncryptor`)."""
    last = name.rpartition(".")[2].lower()
    return last if last in NEEDS else _CLASSES.get(last)


def wanted(row: TypeEncryption, offered: Iterable[str]) -> Wanted:
    """What a new volume of the type gets, from a host whose back ends offer these providers. Raises BadRequest."""
    return read({"provider": row.provider, "cipher": row.cipher, "key_size": row.key_size,
                 "control_location": row.control_location}, offered)


def read(spec: Mapping[str, Any], offered: Iterable[str]) -> Wanted:
    """Raises BadRequest, with what is not possible and what would be."""
    if spec["control_location"] == BACK:
        raise BadRequest("control_location back-end asks the back end to encrypt by itself, and none here does: use front-end.")
    kind = _kind(spec, offered)
    cipher, size = spec.get("cipher") or CIPHER, spec.get("key_size") or KEY_SIZE
    _require_cipher(cipher, size)
    return Wanted(kind, cipher, size)


def _kind(spec: Mapping[str, Any], offered: Iterable[str]) -> str:
    kind, there = provider(spec["provider"]), sorted(set(offered))
    if kind is None:
        raise BadRequest(f"Invalid encryption provider '{spec['provider']}': use {' or '.join(there) or LUKS}.")
    if kind not in there:
        raise BadRequest(f"Encryption provider '{spec['provider']}' is not possible on this host: it lacks {NEEDS[kind]}. "
                         f"{'Possible: ' + ', '.join(there) + '.' if there else 'No other is possible.'}")
    return kind


def _require_cipher(cipher: str, size: int) -> None:
    """As Linux names them: `aes-xts-plain64`, `serpent-cbc-essiv:sha256`."""
    name, _, rest = cipher.partition("-")
    mode, _, vector = rest.partition("-")
    vector, _, digest = vector.partition(":")
    if name not in KEYS or mode not in MODES or vector not in ("plain", "plain64", "essiv") or (vector == "essiv") != bool(digest):
        raise BadRequest(f"Invalid cipher '{cipher}': use CIPHER-MODE-IV, as {CIPHER}; ciphers: {', '.join(KEYS)}; modes: "
                         f"{', '.join(MODES)}; IVs: plain, plain64, essiv:sha256.")
    if digest not in ("", "sha1", "sha256", "sha512"):
        raise BadRequest(f"Invalid cipher '{cipher}': the digest {digest} is none of sha1, sha256, sha512.")
    sizes = [each * 2 for each in KEYS[name]] if mode == "xts" else list(KEYS[name])
    if size not in sizes:
        raise BadRequest(f"Invalid key_size {size} for {cipher}: use {' or '.join(map(str, sizes))}"
                         f"{' (XTS has two keys)' if mode == 'xts' else ''}.")


async def require_none(tx: AsyncSession, row: VolumeType) -> None:
    """Raise BadRequest for a type whose volumes must not be in the clear, by who would make one so."""
    if await of(tx, row.id) is not None:
        raise BadRequest(f"Volumes of the type {row.name} are encrypted, and there is no key manager to keep their keys: choose a type "
                         "without encryption.")


async def of(tx: AsyncSession, type_id: str) -> TypeEncryption | None:
    return await tx.get(TypeEncryption, type_id)


async def create(context: Context, tx: AsyncSession, row: VolumeType, spec: Mapping[str, Any],
                 offered: Iterable[str]) -> TypeEncryption:
    """Raises BadRequest."""
    await rules.require_unused(tx, row, "Cannot create encryption specs.")
    if await of(tx, row.id) is not None:
        raise BadRequest(f"Volume type encryption for type {row.id} already exists.", type="VolumeTypeEncryptionExists")
    if spec["control_location"] == FRONT:             # what back ends do is theirs: kept as it is, and no volume is made of such a type
        read(spec, offered)
    made = TypeEncryption(volume_type_id=row.id, encryption_id=ids.new_uuid(), provider=spec["provider"], cipher=spec.get("cipher"),
                          key_size=spec.get("key_size"), control_location=spec["control_location"], created_at=context.now())
    tx.add(made)
    await tx.flush()
    await events.record(tx, context, "volume_type_encryption.create", row.id, provider=made.provider)
    return made


async def update(context: Context, tx: AsyncSession, row: VolumeType, spec: Mapping[str, Any], offered: Iterable[str]) -> None:
    """Raises BadRequest, NotFound. Cipher and key size may be changed one after the other: together they count for who makes a volume."""
    await rules.require_unused(tx, row, "Cannot update encryption specs.")
    have = await _require(tx, row)
    if spec.get("control_location", have.control_location) == FRONT:
        _kind({"provider": spec.get("provider", have.provider)}, offered)
    for key, value in spec.items():
        setattr(have, key, value)
    have.updated_at = context.now()
    await tx.flush()
    await events.record(tx, context, "volume_type_encryption.update", row.id, provider=have.provider)


async def delete(context: Context, tx: AsyncSession, row: VolumeType) -> None:
    """Raises BadRequest, NotFound."""
    await rules.require_unused(tx, row, "Cannot delete encryption specs.")
    await tx.delete(await _require(tx, row))
    await tx.flush()
    await events.record(tx, context, "volume_type_encryption.delete", row.id)


async def _require(tx: AsyncSession, row: VolumeType) -> TypeEncryption:
    have = await of(tx, row.id)
    if have is None:
        raise missing(row)
    return have


def missing(row: VolumeType) -> NotFound:
    return NotFound(f"Volume type encryption for type {row.id} does not exist.", type="VolumeTypeEncryptionNotFound")
