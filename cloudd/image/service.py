"""What the daemon starts and stops of image."""

from cloudd.core.module import Module


class ImageModule(Module):
    name = "image"
