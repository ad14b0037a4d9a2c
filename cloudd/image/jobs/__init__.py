"""The long operations of images; importing them registers them."""

from cloudd.image.jobs import delete_data, import_image

__all__ = ["delete_data", "import_image"]
