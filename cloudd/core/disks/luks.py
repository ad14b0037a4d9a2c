"""Headers of LUKS version 1, made without any tool: those measure the processor for seconds to slow down who guesses passphrases.

Passphrases here are random keys, which nobody guesses, so a fixed number of rounds is enough. By the "LUKS On-Disk Format
Specification 1.2.3"; QEMU and cryptsetup open what is made here.
"""

import hashlib
import os
import struct
import uuid

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

MAGIC = b"LUKS\xba\xbe"
SECTOR = 512
STRIPES = 4000
SLOTS = 8
ALIGN = 8                                # sectors between which pieces begin
ROUNDS = 20_000
ACTIVE, EMPTY = 0x00AC71F3, 0x0000DEAD
HASH = "sha256"
CIPHERS = {"aes-xts-plain64": (256, 512), "aes-cbc-essiv:sha256": (128, 256)}
"""What is offered, with its sizes of keys in bits."""


def header(passphrase: bytes, cipher: str, key_size: int) -> bytes:
    """All that lies before the first byte of the disk, one key slot in use."""
    if key_size not in CIPHERS.get(cipher, ()):
        raise ValueError(f"{cipher} with a key of {key_size} bits is not offered")
    length = key_size // 8
    key, salt, digest_salt = os.urandom(length), os.urandom(32), os.urandom(32)
    slot_sectors = -(-length * STRIPES // SECTOR // ALIGN) * ALIGN
    slots = [ALIGN + number * slot_sectors for number in range(SLOTS)]
    payload = ALIGN + SLOTS * slot_sectors
    name, _, mode = cipher.partition("-")
    head = struct.pack(">6sH32s32s32sII20s32sI40s", MAGIC, 1, name.encode(), mode.encode(), HASH.encode(), payload, length,
                       _stretched(key, digest_salt, 20), digest_salt, ROUNDS, str(uuid.uuid4()).encode())
    for number, offset in enumerate(slots):
        used = number == 0
        head += struct.pack(">II32sII", ACTIVE if used else EMPTY, ROUNDS if used else 0, salt if used else b"", offset, STRIPES)
    material = _encrypted(_split(key), _stretched(passphrase, salt, length), mode)
    return (head.ljust(slots[0] * SECTOR, b"\0") + material).ljust(payload * SECTOR, b"\0")


def _stretched(secret: bytes, salt: bytes, length: int) -> bytes:
    return hashlib.pbkdf2_hmac(HASH, secret, salt, ROUNDS, length)


def _split(key: bytes) -> bytes:
    """Spread a key over stripes, all of which are needed: a piece that is lost on the disk loses it."""
    length = len(key)
    stripes, mixed = os.urandom(length * (STRIPES - 1)), bytes(length)
    for at in range(0, len(stripes), length):
        mixed = _diffused(_xor(mixed, stripes[at:at + length]))
    return stripes + _xor(mixed, key)


def _diffused(data: bytes) -> bytes:
    size = hashlib.new(HASH).digest_size
    return b"".join(hashlib.new(HASH, struct.pack(">I", number) + data[at:at + size]).digest()[:len(data) - at]
                    for number, at in enumerate(range(0, len(data), size)))


def _xor(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one) ^ int.from_bytes(other)).to_bytes(len(one))


def _encrypted(data: bytes, key: bytes, mode: str) -> bytes:
    """Sector by sector, as a disk's."""
    pieces = []
    for number, at in enumerate(range(0, len(data), SECTOR)):
        tweak = number.to_bytes(16, "little")
        how: modes.XTS | modes.CBC = modes.XTS(tweak)
        if mode != "xts-plain64":
            essiv = Cipher(algorithms.AES(hashlib.sha256(key).digest()), modes.ECB()).encryptor()
            how = modes.CBC(essiv.update(tweak))
        worker = Cipher(algorithms.AES(key), how).encryptor()
        pieces.append(worker.update(data[at:at + SECTOR].ljust(SECTOR, b"\0")))
    return b"".join(pieces)
