"""The check of a signed image's data (image/signatures.py)."""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from cloudd.core.errors import BadRequest
from cloudd.core.parts import Parts
from cloudd.drivers.certificates.base import CertificateError, Certificates

HASHES: dict[str, hashes.HashAlgorithm] = {"SHA-224": hashes.SHA224(), "SHA-256": hashes.SHA256(), "SHA-384": hashes.SHA384(),
                                           "SHA-512": hashes.SHA512()}
CURVES = {"ECC_SECP521R1": ec.SECP521R1, "ECC_SECP384R1": ec.SECP384R1}     # upstream's others are none that cryptography has
KEYS: dict[str, type] = {"RSA-PSS": rsa.RSAPublicKey, "DSA": dsa.DSAPublicKey, **dict.fromkeys(CURVES, ec.EllipticCurvePublicKey)}


@dataclass(frozen=True)
class Verifier:
    """Fed with all data (`digest`), then asked once."""

    image_id: str
    algorithm: hashes.HashAlgorithm
    key: Any
    signature: bytes
    digest: Any

    def check(self) -> None:
        """Raise BadRequest when the data is not what was signed."""
        value, prehashed = self.digest.digest(), Prehashed(self.algorithm)
        try:
            if isinstance(self.key, rsa.RSAPublicKey):
                salted = padding.PSS(mgf=padding.MGF1(self.algorithm), salt_length=padding.PSS.MAX_LENGTH)
                self.key.verify(self.signature, value, salted, prehashed)
            elif isinstance(self.key, dsa.DSAPublicKey):
                self.key.verify(self.signature, value, prehashed)
            else:
                self.key.verify(self.signature, value, ec.ECDSA(prehashed))
        except InvalidSignature as exc:
            raise _failed(self.image_id, "the data is not what was signed") from exc


def _failed(image_id: str, why: str) -> BadRequest:
    return BadRequest(f"Signature verification failed for image {image_id}: {why}", type="SignatureVerificationError")


async def verifier(parts: Parts, image_id: str, told: str, method: str, kind: str, certificate_id: str) -> Verifier:
    """What the four properties of an image come to. Raises BadRequest when they cannot be right."""
    try:
        signature = base64.b64decode(told, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise _failed(image_id, "The signature data was not properly encoded using base64") from exc
    if method not in HASHES:
        raise _failed(image_id, f"Invalid signature hash method: {method}; there are {', '.join(HASHES)}")
    if kind not in KEYS:
        raise _failed(image_id, f"Invalid signature key type: {kind}; there are {', '.join(KEYS)}")
    key = await _public_key(parts, image_id, certificate_id, kind)
    return Verifier(image_id, HASHES[method], key, signature, hashlib.new(method.replace("-", "").lower()))


async def _public_key(parts: Parts, image_id: str, certificate_id: str, kind: str) -> Any:
    try:
        data = await parts.service(Certificates).get(certificate_id)
        certificate = x509.load_pem_x509_certificate(data) if b"-----BEGIN" in data else x509.load_der_x509_certificate(data)
        key = certificate.public_key()
    except CertificateError as exc:
        raise _failed(image_id, str(exc)) from exc
    except ValueError as exc:
        raise _failed(image_id, f"Invalid certificate format: {certificate_id} is no X.509 certificate") from exc
    right_curve = kind not in CURVES or (isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, CURVES[kind]))
    if not isinstance(key, KEYS[kind]) or not right_curve:
        raise _failed(image_id, f"Invalid public key type for signature key type: {kind}")
    return key
