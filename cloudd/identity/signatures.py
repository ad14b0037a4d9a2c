"""Signatures of requests: EC2's versions 2 and 4, S3's, OAuth 1.0a's; each with the shared secret, compared in constant time.

EC2's older versions 0 and 1 sign too little (parameters run together) and are refused.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlsplit

from cloudd.core import clock
from cloudd.core.errors import Unauthorized

ALGORITHM = "AWS4-HMAC-SHA256"


def same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def escape(text: str) -> str:
    return quote(text, safe="~")


def pairs(values: Iterable[tuple[str, str]]) -> str:
    """Parameters as both EC2 and OAuth sign them: escaped, sorted, joined."""
    return "&".join(f"{name}={value}" for name, value in sorted((escape(name), escape(value)) for name, value in values))


def ec2(secret: str, given: Mapping[str, Any]) -> str:
    """The signature that the `credentials` of a POST to /ec2tokens ought to have. Raises Unauthorized for an unknown version."""
    params = {name: str(value) for name, value in (given.get("params") or {}).items()}
    if params.get("SignatureVersion") == "2":
        return _version_2(secret, given, params)
    algorithm = params.get("X-Amz-Algorithm", "")
    if algorithm == ALGORITHM or _header(given, "authorization").startswith(ALGORITHM):
        return _version_4(secret, given, params)
    raise Unauthorized("Unknown signature version: sign with EC2's version 2 or 4.")


def _version_2(secret: str, given: Mapping[str, Any], params: dict[str, str]) -> str:
    params.pop("Signature", None)
    digest = {"HmacSHA256": hashlib.sha256, "HmacSHA1": hashlib.sha1}.get(params.get("SignatureMethod", "HmacSHA256"))
    if digest is None:
        raise Unauthorized(f"Unknown signature method {params['SignatureMethod']}: use HmacSHA256.")
    text = "\n".join((str(given.get("verb")), str(given.get("host")), str(given.get("path")), pairs(params.items())))
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), digest).digest()).decode()


def _header(given: Mapping[str, Any], name: str) -> str:
    headers = given.get("headers") or {}
    return str(next((value for key, value in headers.items() if key.lower() == name), ""))


def _version_4(secret: str, given: Mapping[str, Any], params: dict[str, str]) -> str:
    authorization = dict(part.strip().partition("=")[::2] for part in
                         _header(given, "authorization").partition(" ")[2].split(","))
    scope = (authorization.get("Credential") or params.get("X-Amz-Credential", "")).split("/")[1:]
    if len(scope) != 4:
        raise Unauthorized("The credential of a version 4 signature is KEY/DATE/REGION/SERVICE/aws4_request.")
    signed = (authorization.get("SignedHeaders") or params.get("X-Amz-SignedHeaders", "")).split(";")
    moment = _header(given, "x-amz-date") or params.get("X-Amz-Date", "")
    if not moment.startswith(scope[0]):
        raise Unauthorized("The date of the signature and that of its credential differ.")
    query = {} if str(given.get("verb")).upper() == "POST" else params
    query.pop("X-Amz-Signature", None)
    host = _header(given, "host") or str(given.get("host") or "")
    sent = {name.lower() for name in given.get("headers") or {}} | {"host"}
    headers = "\n".join(f"{name}:{host if name == 'host' else ' '.join(_header(given, name).split())}" for name in signed
                        if name in sent) + "\n"              # as keystoneclient: an empty line where none is signed
    body = str(given.get("body_hash") or hashlib.sha256(b"").hexdigest())
    canonical = "\n".join((str(given.get("verb")).upper(), str(given.get("path")), pairs(query.items()), headers, ";".join(signed),
                           body))
    text = "\n".join((ALGORITHM, moment, "/".join(scope), hashlib.sha256(canonical.encode()).hexdigest()))
    return hmac.new(_key(secret, scope), text.encode(), hashlib.sha256).hexdigest()


def _key(secret: str, scope: Iterable[str]) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in scope:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def ec2_time(given: Mapping[str, Any]) -> tuple[datetime | None, datetime | None]:
    """When a request to EC2 was signed, and when it ends by its own words."""
    params = given.get("params") or {}
    signed = str(params.get("Timestamp") or _header(given, "x-amz-date") or params.get("X-Amz-Date") or "")
    ends = "" if signed else str(params.get("Expires") or "")
    try:
        return clock.parse(signed) if signed else None, clock.parse(ends) if ends else None
    except ValueError as exc:
        raise Unauthorized(f"The time of the signature cannot be read: {signed or ends}.") from exc


def fresh(times: tuple[datetime | None, datetime | None], ttl: timedelta, now: datetime) -> None:
    """Raise Unauthorized unless the signature was made within `ttl` of now, or its own end lies ahead."""
    signed, ends = times
    if (signed is not None and abs(now - signed) <= ttl) or (ends is not None and ends > now):
        return
    raise Unauthorized(f"The signature is expired, not yet good, or has no time: it is good for {int(ttl.total_seconds())} "
                       "seconds.")


def s3(secret: str, token: bytes) -> str:
    """The signature of S3's string to sign: version 1, or 4 when it says so."""
    lines = token.decode(errors="replace").split("\n")
    if lines[0] != ALGORITHM:
        return base64.b64encode(hmac.new(secret.encode(), token, hashlib.sha1).digest()).decode()
    if len(lines) < 4 or lines[2].count("/") != 3:
        raise Unauthorized("The string to sign of version 4 has four lines: algorithm, time, scope, hash.")
    return hmac.new(_key(secret, lines[2].split("/")), token, hashlib.sha256).hexdigest()


def s3_time(token: bytes) -> tuple[datetime | None, datetime | None]:
    """When a request to S3 was signed, and when it ends: the second line in version 4, the Date or Expires line in version 1."""
    lines = token.decode(errors="replace").split("\n")
    try:
        if lines[0] == ALGORITHM:
            return clock.parse(lines[1]), None
        dates = [line.partition(":")[2] for line in lines if line.lower().startswith("x-amz-date:")]
        text = (dates or lines[3:4] or [""])[0].strip()
        if text.isdigit():
            return None, datetime.fromtimestamp(int(text), UTC)
        signed = parsedate_to_datetime(text) if text else None
        return signed.replace(tzinfo=UTC) if signed and signed.tzinfo is None else signed, None
    except (ValueError, IndexError, OverflowError, OSError) as exc:
        raise Unauthorized("The time of the signature cannot be read.") from exc


OAUTH1 = {"HMAC-SHA1": hashlib.sha1, "HMAC-SHA256": hashlib.sha256, "HMAC-SHA512": hashlib.sha512, "PLAINTEXT": None}
"""OAuth 1.0a's methods of signing, as oauthlib has them without RSA's, for which Keystone keeps no keys."""


def oauth1(method: str, url: str, params: Iterable[tuple[str, str]], consumer_secret: str, token_secret: str,
           how: str = "HMAC-SHA1") -> str:
    """OAuth 1.0a's signature over method, address and parameters; in PLAINTEXT the secrets themselves."""
    key, digest = f"{escape(consumer_secret)}&{escape(token_secret)}", OAUTH1[how]
    if digest is None:
        return key
    parts = urlsplit(url)
    address = f"{parts.scheme.lower()}://{parts.netloc.lower()}{parts.path}"
    base = "&".join((escape(method.upper()), escape(address), escape(pairs(params))))
    return base64.b64encode(hmac.new(key.encode(), base.encode(), digest).digest()).decode()
