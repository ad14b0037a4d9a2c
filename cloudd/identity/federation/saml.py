"""SAML 2.0 assertions about a token's user, for the service providers of other clouds (Keystone to Keystone).

The key and its certificate are this cloud's own, made when they are first needed; other clouds learn the certificate from the
metadata. What an assertion says, and under which names, is Keystone's.
"""

import datetime
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LIFETIME = datetime.timedelta(hours=1)
DAYS = 3650
SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
PROTOCOL = "urn:oasis:names:tc:SAML:2.0:protocol"
METADATA = "urn:oasis:names:tc:SAML:2.0:metadata"
SIGNATURE = "http://www.w3.org/2000/09/xmldsig#"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
ECP = "urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp"
PREFIXES = {"saml": SAML, "samlp": PROTOCOL}
SIGNED = {"ds": SIGNATURE}
"""The prefix that signxml signs with: with another one around it, lxml would rename it afterwards, and the signature be void."""
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"


@dataclass(frozen=True)
class Statement:
    """What an assertion says. `attributes`: names and values."""

    issuer: str
    recipient: str
    subject: str
    attributes: Mapping[str, Sequence[str]]
    now: datetime.datetime
    until: datetime.datetime
    ids: tuple[str, str, str] = field(default_factory=lambda: (_new_id(), _new_id(), _new_id()))


class Signer:
    """The key that assertions are signed with, in the state directory (0600); `parts.service(Signer)`."""

    def __init__(self, directory: Path):
        self._key_file, self._certificate_file = directory / "idp.key", directory / "idp.pem"
        self._pems: tuple[bytes, bytes] | None = None

    def pems(self) -> tuple[bytes, bytes]:
        """Key and certificate in PEM, made when they are not there. Takes its time: not on the event loop."""
        if self._pems is None:
            if not (self._key_file.exists() and self._certificate_file.exists()):
                self._make()
            self._pems = (self._key_file.read_bytes(), self._certificate_file.read_bytes())
        return self._pems

    def _make(self) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import rsa
        from cryptography.x509.oid import NameOID

        self._key_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
        name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cloudd SAML")]), datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        made = builder.not_valid_after(now + datetime.timedelta(days=DAYS)).sign(key, hashes.SHA256())
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        for path, data in ((self._key_file, private), (self._certificate_file, made.public_bytes(serialization.Encoding.PEM))):
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
                handle.write(data)

    def sign(self, assertion: Any) -> Any:
        """The assertion with its signature in the place that is kept for it."""
        from signxml import XMLSigner

        key, certificate = self.pems()
        signer = XMLSigner(signature_algorithm="rsa-sha256", digest_algorithm="sha256", c14n_algorithm=EXCLUSIVE)
        return signer.sign(assertion, key=key, cert=certificate.decode(), reference_uri=assertion.get("ID"), id_attribute="ID")

    def certificate(self) -> str:
        """The certificate's body in base64, as metadata carry it."""
        return "".join(line for line in self.pems()[1].decode().splitlines() if not line.startswith("-----"))


def _xml() -> Any:
    """lxml, which only SAML needs: it is imported with the first document."""
    from lxml import etree

    return etree


def _new_id() -> str:
    return f"_{secrets.token_hex(16)}"                        # an XML id begins with no digit


def _moment(value: datetime.datetime) -> str:
    return value.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _add(parent: Any, space: str, name: str, text: str | None = None, /, **attributes: str) -> Any:
    element = _xml().SubElement(parent, f"{{{space}}}{name}", attributes)
    element.text = text
    return element


def _issuer(parent: Any, issuer: str) -> None:
    _add(parent, SAML, "Issuer", issuer, Format="urn:oasis:names:tc:SAML:2.0:nameid-format:entity")


def assertion(said: Statement) -> Any:
    """The assertion, with a place for the signature. Texts are data: lxml quotes them, and refuses what XML cannot hold."""
    now, until = _moment(said.now), _moment(said.until)
    root = _xml().Element(f"{{{SAML}}}Assertion", {"ID": said.ids[0], "IssueInstant": now, "Version": "2.0"},
                         nsmap={"saml": SAML})
    _issuer(root, said.issuer)
    _xml().SubElement(root, f"{{{SIGNATURE}}}Signature", {"Id": "placeholder"}, nsmap=SIGNED)
    subject = _add(root, SAML, "Subject")
    _add(subject, SAML, "NameID", said.subject)
    confirmation = _add(subject, SAML, "SubjectConfirmation", Method="urn:oasis:names:tc:SAML:2.0:cm:bearer")
    _add(confirmation, SAML, "SubjectConfirmationData", NotOnOrAfter=until, Recipient=said.recipient)
    _add(root, SAML, "Conditions", NotBefore=_moment(said.now - datetime.timedelta(minutes=1)), NotOnOrAfter=until)
    login = _add(root, SAML, "AuthnStatement", AuthnInstant=now, SessionIndex=said.ids[2], SessionNotOnOrAfter=until)
    context = _add(login, SAML, "AuthnContext")
    _add(context, SAML, "AuthnContextClassRef", "urn:oasis:names:tc:SAML:2.0:ac:classes:Password")
    _add(context, SAML, "AuthenticatingAuthority", said.issuer)
    statement = _add(root, SAML, "AttributeStatement")
    for name, values in said.attributes.items():
        attribute = _add(statement, SAML, "Attribute", Name=name)
        for value in values:
            _add(attribute, SAML, "AttributeValue", value)
    return root


def response(said: Statement, signer: Signer) -> Any:
    """A SAML response that says it, its assertion signed."""
    root = _xml().Element(f"{{{PROTOCOL}}}Response", {
        "ID": said.ids[1], "IssueInstant": _moment(said.now), "Version": "2.0", "Destination": said.recipient}, nsmap=PREFIXES)
    _issuer(root, said.issuer)
    status = _add(root, PROTOCOL, "Status")
    _add(status, PROTOCOL, "StatusCode", Value="urn:oasis:names:tc:SAML:2.0:status:Success")
    root.append(signer.sign(assertion(said)))
    return root


def envelope(answer: Any, relay_state: str) -> Any:
    """A response as a client of the ECP profile hands it on, in SOAP."""
    root = _xml().Element(f"{{{SOAP}}}Envelope", nsmap={"soap": SOAP, "ecp": ECP})
    header = _add(root, SOAP, "Header")
    _add(header, ECP, "RelayState", relay_state, **{f"{{{SOAP}}}actor": "http://schemas.xmlsoap.org/soap/actor/next",
                                                    f"{{{SOAP}}}mustUnderstand": "1"})
    _add(root, SOAP, "Body").append(answer)
    return root


def metadata(issuer: str, sso: str, certificate: str) -> Any:
    """What other clouds must know of this one as an identity provider."""
    root = _xml().Element(f"{{{METADATA}}}EntityDescriptor", {"entityID": issuer}, nsmap={"md": METADATA, "ds": SIGNATURE})
    role = _add(root, METADATA, "IDPSSODescriptor", protocolSupportEnumeration=PROTOCOL)
    key = _add(_add(role, METADATA, "KeyDescriptor", use="signing"), SIGNATURE, "KeyInfo")
    _add(_add(key, SIGNATURE, "X509Data"), SIGNATURE, "X509Certificate", certificate)
    _add(role, METADATA, "NameIDFormat", "urn:oasis:names:tc:SAML:2.0:nameid-format:transient")
    _add(role, METADATA, "SingleSignOnService", Binding="urn:oasis:names:tc:SAML:2.0:bindings:URI", Location=sso)
    return root


def text(element: Any) -> bytes:
    return _xml().tostring(element, xml_declaration=True, encoding="UTF-8")
