"""What a source of certificates does."""

from abc import ABC, abstractmethod


class CertificateError(Exception):
    """The certificate is not there, or cannot be read; the message is for the user who named it."""


class Certificates(ABC):
    @abstractmethod
    async def get(self, certificate_id: str) -> bytes:
        """A certificate by its UUID, PEM or DER. Raises CertificateError."""
