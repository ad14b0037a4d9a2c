"""The long operations of images; importing them registers them."""

from cloudd.image.jobs import delete_data

__all__ = ["delete_data"]
