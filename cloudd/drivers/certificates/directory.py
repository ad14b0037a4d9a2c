"""Certificates as files of one directory, `UUID.pem` or `UUID.der`, put there by the operator."""

import asyncio
from pathlib import Path

from cloudd.core import ids
from cloudd.drivers.certificates.base import CertificateError, Certificates

ENDINGS = (".pem", ".crt", ".der")
MOST = 1 << 16


class DirectoryCertificates(Certificates):
    def __init__(self, directory: str):
        self._directory = Path(directory) if directory else None

    async def get(self, certificate_id: str) -> bytes:
        if self._directory is None:
            raise CertificateError("this cloud keeps no certificates (certificates_dir)")
        if not ids.is_uuid(certificate_id):
            raise CertificateError(f"Certificate not found with ID: {certificate_id[:64]}")
        return await asyncio.to_thread(self._read, self._directory, certificate_id.lower())

    @staticmethod
    def _read(directory: Path, certificate_id: str) -> bytes:
        for ending in ENDINGS:
            try:
                with (directory / f"{certificate_id}{ending}").open("rb") as file:
                    return file.read(MOST)
            except FileNotFoundError:
                continue
            except OSError as exc:
                raise CertificateError(f"Unable to retrieve certificate with ID: {certificate_id}") from exc
        raise CertificateError(f"Certificate not found with ID: {certificate_id}")
