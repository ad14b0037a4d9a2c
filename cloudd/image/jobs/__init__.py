"""The long operations of images; importing them registers them."""

from cloudd.image.jobs import cache_image, copy_image, delete_data, import_image, sum_location

__all__ = ["cache_image", "copy_image", "delete_data", "import_image", "sum_location"]
