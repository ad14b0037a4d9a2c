"""What a token says, packed small: who, where, how he proved it, until when. Everything else is looked up when it is shown."""

import base64
import secrets
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

METHODS = ("password", "token", "totp", "application_credential", "external", "mapped", "oauth1", "saml2", "trust", "ec2credential",
           "oauth2_credential", "openid")
SCOPES = (None, "project", "domain", "system", "trust")
FORMAT = 4
FEDERATED = 5
"""The form of a federated user's token: as FORMAT, with his origin before the audit ids."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HEAD = struct.Struct(">BHBqq")
_SERIAL = struct.Struct(">Q")
WITHOUT_SERIAL = {2: FORMAT, 3: FEDERATED}
"""The forms of before: such a token counts as older than every revocation."""



class BadPayload(ValueError):
    """Decrypted, but not something that this version wrote."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a federated user came from, and the groups that the mapping put him in."""

    idp_id: str
    protocol_id: str
    group_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Payload:
    """One token. `scope` is None, project, domain or system, `scope_id` the project's or domain's id.

    `audit_ids`: this token's own, then that of the first of its chain when it was got with another token. `serial`: that of the last
    revocation before it was issued.
    """

    user_id: str
    methods: tuple[str, ...]
    issued_at: datetime
    expires_at: datetime
    audit_ids: tuple[str, ...]
    scope: str | None = None
    scope_id: str | None = None
    trust_id: str | None = None
    application_credential_id: str | None = None
    oauth_token_id: str | None = None
    origin: Origin | None = None
    serial: int = 0

    @property
    def delegation(self) -> str | None:
        """The id of what it was got through: a trust, an application credential, an OAuth access token."""
        return self.trust_id or self.application_credential_id or self.oauth_token_id

    def pack(self) -> bytes:
        bits = sum(1 << METHODS.index(method) for method in set(self.methods))
        form = FEDERATED if self.origin else FORMAT
        head = _HEAD.pack(form, bits, SCOPES.index(self.scope), micros(self.issued_at), micros(self.expires_at))
        head += _SERIAL.pack(self.serial)
        texts = (self.user_id, self.scope_id, self.trust_id, self.application_credential_id, self.oauth_token_id)
        audits = b"".join(base64.urlsafe_b64decode(audit + "==") for audit in self.audit_ids)
        return head + b"".join(_pack_id(text) for text in texts) + _pack_origin(self.origin) + audits


def unpack(data: bytes) -> Payload:
    """Raises BadPayload."""
    try:
        form, bits, scope, issued, expires = _HEAD.unpack_from(data)
        serial, rest = 0, data[_HEAD.size:]
        if form in WITHOUT_SERIAL:
            form = WITHOUT_SERIAL[form]
        elif form in (FORMAT, FEDERATED):
            (serial,), rest = _SERIAL.unpack_from(rest), rest[_SERIAL.size:]
        else:
            raise BadPayload(f"token format {form}")
        texts = []
        for _ in range(5):
            text, rest = _unpack_id(rest)
            texts.append(text)
        origin, rest = _unpack_origin(rest) if form == FEDERATED else (None, rest)
        audits = tuple(base64.urlsafe_b64encode(rest[at:at + 16]).decode().rstrip("=") for at in range(0, len(rest), 16))
        return Payload(texts[0] or "", tuple(name for number, name in enumerate(METHODS) if bits >> number & 1), _moment(issued),
                       _moment(expires), audits, SCOPES[scope], *texts[1:], origin=origin, serial=serial)
    except (struct.error, IndexError, UnicodeDecodeError) as exc:
        raise BadPayload(str(exc)) from exc


def new_audit_id() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")


def micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _moment(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)


def _pack_id(text: str | None) -> bytes:
    """An id: 16 bytes behind a 255 when it is a hexadecimal UUID, else its length and its text."""
    if text is None:
        return b"\0"
    if len(text) == 32 and not text.strip("0123456789abcdef"):
        return b"\xff" + bytes.fromhex(text)
    return bytes([len(text.encode())]) + text.encode()


def _unpack_id(data: bytes) -> tuple[str | None, bytes]:
    size = data[0]
    if size == 0:
        return None, data[1:]
    if size == 255:
        return data[1:17].hex(), data[17:]
    return data[1:1 + size].decode(), data[1 + size:]


def _pack_origin(origin: Origin | None) -> bytes:
    if origin is None:
        return b""
    ids = (origin.idp_id, origin.protocol_id, *origin.group_ids)
    return struct.pack(">H", len(origin.group_ids)) + b"".join(_pack_id(text) for text in ids)


def _unpack_origin(data: bytes) -> tuple[Origin, bytes]:
    (count,), rest, texts = struct.unpack_from(">H", data), data[2:], []
    for _ in range(count + 2):
        text, rest = _unpack_id(rest)
        texts.append(text or "")
    return Origin(texts[0], texts[1], tuple(texts[2:])), rest
