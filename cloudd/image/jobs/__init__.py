"""The long operations of images; importing them registers them."""

from cloudd.image.jobs import copy_image, delete_data, import_image, sum_location

__all__ = ["copy_image", "delete_data", "import_image", "sum_location"]
