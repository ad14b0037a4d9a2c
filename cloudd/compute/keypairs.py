"""Key pairs: made here or brought along, kept by user. Only public halves are kept."""

import binascii
import contextlib
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute.models import Keypair
from cloudd.compute.quotas.values import QUOTAS
from cloudd.core.context import Context
from cloudd.core.errors import BadRequest, Conflict, NotFound, OverQuota

SSH, X509 = "ssh", "x509"
SAFE = re.compile(r"[\w \-]+", re.ASCII)
BITS = 2048
CERTIFICATE_DAYS = 3650
UPN = "1.3.6.1.4.1.311.20.2.3"                                # the name under which Windows looks for a user


@dataclass(frozen=True, slots=True)
class Made:
    """A key pair's halves; `private_key` only when it was made here, to be told once."""

    public_key: str
    fingerprint: str
    private_key: str | None = None


def check_name(name: str) -> None:
    """The names that were allowed before 2.92. Raises BadRequest."""
    if not SAFE.fullmatch(name):
        raise BadRequest(f"Keypair data is invalid: Keypair name contains unsafe characters: {name}")


def imported(public_key: str, kind: str) -> Made:
    """A key that its owner brought. Raises BadRequest when it is none."""
    try:
        if kind == X509:
            from cryptography import x509  # few have Windows guests

            certificate = x509.load_pem_x509_certificate(public_key.encode())
            return Made(public_key, _colons(certificate.fingerprint(hashes.SHA1())))
        return Made(public_key, _colons(hashlib.md5(_blob(public_key), usedforsecurity=False).digest()))
    except ValueError as exc:
        raise BadRequest("Keypair data is invalid: failed to generate fingerprint: the public key is "
                         f"{'no PEM certificate' if kind == X509 else 'not in OpenSSH form (ssh-ed25519 AAAA... comment)'}.",
                         type="InvalidKeypair") from exc
    except Unsupported as exc:
        raise BadRequest(f"Keypair data is invalid: {exc}", type="InvalidKeypair") from exc


Unsupported = serialization.ssh.UnsupportedAlgorithm
KEY = re.compile(r"[ \t]*(?P<kind>[^\s#]\S*)[ \t]+(?P<data>\S+)")
OPTIONS = re.compile(r"""[ \t]*(?:[^\s"#]|"(?:\\.|[^"\\])*")(?:[^\s"]|"(?:\\.|[^"\\])*")*[ \t]+""")


def _blob(public_key: str) -> bytes:
    """The key itself, of the first line that has one, as ssh-keygen reads them. Raises ValueError, Unsupported.

    Blank lines and comments may stand before it, options of an authorized_keys line before the key's kind, anything after it.
    """
    line = next((line for line in public_key.splitlines() if line.strip() and not line.lstrip().startswith("#")), "")
    try:
        return _read(line)
    except (ValueError, Unsupported):
        if (options := OPTIONS.match(line)) is not None:
            with contextlib.suppress(ValueError, Unsupported):
                return _read(line[options.end():])
        raise


def _read(line: str) -> bytes:
    found = KEY.match(line)
    if found is None:
        raise ValueError("a key has a kind and its data")
    serialization.load_ssh_public_key(f"{found['kind']} {found['data']}".encode())
    return binascii.a2b_base64(found["data"])


def _colons(digest: bytes) -> str:
    return ":".join(f"{byte:02x}" for byte in digest)


def generate(kind: str, user_id: str, now: datetime) -> Made:
    """Make a pair (blocking): RSA in the PEM form that every client reads, or a self-signed certificate for Windows guests."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    if kind == X509:
        return _certificate(key, user_id, now)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
                                serialization.NoEncryption()).decode()
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    made = imported(f"{public} Generated-by-cloudd", SSH)
    return Made(made.public_key, made.fingerprint, private)


def _certificate(key: rsa.RSAPrivateKey, user_id: str, now: datetime) -> Made:
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, user_id[:64])])
    upn = b"\x0c" + bytes([len(user_id) + 10]) + f"{user_id}@localhost".encode()
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=CERTIFICATE_DAYS))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.OtherName(ObjectIdentifier(UPN), upn)]), critical=False)
        .sign(key, hashes.SHA256()))
    public = certificate.public_bytes(serialization.Encoding.PEM).decode()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                serialization.NoEncryption()).decode()
    return Made(public, _colons(certificate.fingerprint(hashes.SHA1())), private)


async def require_room(tx: AsyncSession, context: Context, user_id: str, name: str) -> None:
    """Raise OverQuota when the user has as many as he may, Conflict when he has one of this name."""
    limit = (await QUOTAS.limits(tx, context.project_id or "", user_id))["key_pairs"]
    count = (await tx.execute(select(func.count()).select_from(Keypair).where(Keypair.user_id == user_id))).scalar() or 0
    if 0 <= limit <= count:
        raise OverQuota(f"Quota exceeded, too many key pairs: {count} of {limit} are used.", type="KeypairLimitExceeded")
    if (await tx.execute(of_user(user_id).where(Keypair.name == name))).scalar() is not None:
        raise Conflict(f"Key pair '{name}' already exists.", type="KeyPairExists")


async def add(tx: AsyncSession, context: Context, user_id: str, name: str, kind: str, made: Made) -> Keypair:
    await require_room(tx, context, user_id, name)
    row = Keypair(user_id=user_id, name=name, type=kind, public_key=made.public_key, fingerprint=made.fingerprint,
                  created_at=context.now())
    tx.add(row)
    await tx.flush()
    return row


def of_user(user_id: str) -> Select[Any]:
    return select(Keypair).where(Keypair.user_id == user_id)


async def find(tx: AsyncSession, user_id: str, name: str) -> Keypair:
    """Raises NotFound."""
    row = (await tx.execute(of_user(user_id).where(Keypair.name == name))).scalar()
    if row is None:
        raise NotFound(f"Keypair {name} not found for user {user_id}", type="KeypairNotFound")
    return row
