"""Signed images: data that is not what its owner signed is not taken.

Four properties make an image a signed one (all four, as upstream has it): the signature in base64, the hash, the kind of the
key, and the certificate, by its UUID.
"""

from typing import TYPE_CHECKING

from cloudd.core.parts import Parts
from cloudd.image.models import Image

if TYPE_CHECKING:
    from cloudd.image.verifying import Verifier

PROPERTIES = ("img_signature", "img_signature_hash_method", "img_signature_key_type", "img_signature_certificate_uuid")


def is_signed(image: Image) -> bool:
    return image.properties.keys() >= set(PROPERTIES)


async def verifier(parts: Parts, image: Image) -> "Verifier | None":
    """For the data of a signed image; None for others. Raises BadRequest for properties that cannot be right."""
    if not is_signed(image):
        return None
    from cloudd.image import verifying  # certificates are loaded for those who sign

    return await verifying.verifier(parts, image.id, *(image.properties[name] or "" for name in PROPERTIES))
