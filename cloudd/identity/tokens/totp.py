"""Time-based one-time passcodes (RFC 6238): six digits, 30 seconds, HMAC-SHA1, as Keystone's `totp` method."""

import base64
import binascii
import hashlib
import hmac
import struct

STEP = 30
EARLIER = 1
"""Passcodes of so many steps before the present one are taken as well: clocks differ, and typing takes time."""


def passcode(secret: str, step: int) -> str:
    """The passcode of a time step. Raises ValueError for a secret that is not base32."""
    try:
        key = base64.b32decode(secret.upper() + "=" * (-len(secret) % 8))
    except binascii.Error as exc:
        raise ValueError("the secret is not base32") from exc
    digest = hmac.new(key, struct.pack(">Q", step), hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at:at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"


def step_of(secret: str, given: str, moment: float) -> int | None:
    """The time step whose passcode was given, or None when it is none of those that are taken."""
    now, fits = int(moment) // STEP, None
    for step in range(now, now - EARLIER - 1, -1):
        try:
            if hmac.compare_digest(passcode(secret, step).encode(), given.encode()):
                fits = step
        except ValueError:
            return None
    return fits
