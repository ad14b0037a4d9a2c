"""Certificates: a private CA and a server certificate made at the first start, or the two files that the settings name."""

import datetime
import ipaddress
import os
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudd.core import clock
from cloudd.core.errors import StartError

CA_DAYS, SERVER_DAYS, RENEW_DAYS = 3650, 397, 60


class TlsError(StartError):
    """The certificate files cannot be used; the message says which and why."""


@dataclass(frozen=True)
class Paths:
    """Files of one certificate; `ca` is None when the certificate is not ours."""

    certificate: Path
    key: Path
    ca: Path | None


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def wanted(settings: Any) -> Paths | None:
    """The certificate to serve with, made if need be; None for plain HTTP. Raises TlsError."""
    server = settings.server
    if server.tls == "off" or (not server.tls_cert and all(is_loopback(host) for host, _ in server.addresses())):
        return None
    if server.tls_cert:
        if not server.tls_key:
            raise TlsError("[server] tls_cert is set, but tls_key is not: name the file of its private key")
        return Paths(Path(server.tls_cert), Path(server.tls_key), None)
    return ensure(Path(server.state_dir) / "tls", names([host for host, _ in server.addresses()], server.public_url))


def names(hosts: list[str], public_url: str = "") -> list[str]:
    """Everything that a client may call us."""
    found = {*hosts, "localhost", "127.0.0.1", "::1", socket.gethostname(), socket.getfqdn()} - {"0.0.0.0", "::", ""}
    if any(host in ("0.0.0.0", "::") for host in hosts):
        found |= {info[4][0].split("%")[0] for info in _own_addresses()}
    if public_url:
        found.add(public_url.split("://")[-1].split("/")[0].rsplit(":", 1)[0].strip("[]"))
    return sorted(found)


def _own_addresses() -> list[Any]:
    try:
        return socket.getaddrinfo(socket.gethostname(), None)
    except OSError:
        return []


def ensure(directory: Path, hosts: list[str]) -> Paths:
    """The files of our own certificate, made or renewed when missing, near their end, or short of a name."""
    from cryptography import x509

    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    paths = Paths(directory / "server.pem", directory / "server.key", directory / "ca.pem")
    if not (paths.ca and paths.ca.exists() and (directory / "ca.key").exists()):
        _make_ca(directory)
    if paths.certificate.exists() and paths.key.exists():
        certificate = x509.load_pem_x509_certificate(paths.certificate.read_bytes())
        left = certificate.not_valid_after_utc - clock.now()
        if left > datetime.timedelta(days=RENEW_DAYS) and set(hosts) <= set(_names_in(certificate)):
            return paths
    _make_server(directory, hosts)
    return paths


def _names_in(certificate: Any) -> list[str]:
    from cryptography import x509

    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(value) for kind in (x509.DNSName, x509.IPAddress) for value in names.get_values_for_type(kind)]


def ssl_context(paths: Paths) -> ssl.SSLContext:
    """A server context. Raises TlsError when the files do not fit."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(paths.certificate, paths.key)
    except (OSError, ssl.SSLError) as exc:
        raise TlsError(f"the certificate {paths.certificate} with the key {paths.key} cannot be used: {exc}") from exc
    return context


def _key() -> Any:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _builder(subject: str, issuer: Any, public: Any, days: int) -> Any:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    moment = clock.now()
    return (x509.CertificateBuilder().subject_name(name).issuer_name(issuer or name).public_key(public)
            .serial_number(x509.random_serial_number()).not_valid_before(moment - datetime.timedelta(hours=1))
            .not_valid_after(moment + datetime.timedelta(days=days)))


def _write(path: Path, data: bytes, mode: int) -> None:
    part = path.with_suffix(".part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        os.write(handle, data)
        os.fsync(handle)
    finally:
        os.close(handle)
    part.replace(path)


def _pem(key: Any) -> bytes:
    from cryptography.hazmat.primitives import serialization as form

    return key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())


def _make_ca(directory: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    key = _key()
    usage = x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
                          key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
                          decipher_only=False)
    certificate = (_builder(f"cloudd CA of {socket.gethostname()}", None, key.public_key(), CA_DAYS)
                   .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
                   .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
                   .add_extension(usage, critical=True).sign(key, hashes.SHA256()))
    _write(directory / "ca.key", _pem(key), 0o600)
    _write(directory / "ca.pem", certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def _make_server(directory: Path, hosts: list[str]) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import ExtendedKeyUsageOID

    ca = x509.load_pem_x509_certificate((directory / "ca.pem").read_bytes())
    ca_key = serialization.load_pem_private_key((directory / "ca.key").read_bytes(), None)
    key = _key()
    certificate = (_builder("cloudd", ca.subject, key.public_key(), SERVER_DAYS)
                   .add_extension(x509.SubjectAlternativeName([_general(host) for host in hosts]), critical=False)
                   .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
                   .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
                   .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.public_key()), critical=False)
                   .sign(ca_key, hashes.SHA256()))
    _write(directory / "server.key", _pem(key), 0o600)
    _write(directory / "server.pem", certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def _general(host: str) -> Any:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
