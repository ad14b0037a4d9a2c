"""The staging area: where data waits to be imported. A file store of its own, beside the images."""

from dataclasses import dataclass

from cloudd.drivers.store.base import Store


@dataclass
class Staging:
    """`parts.service(Staging).store`"""

    store: Store
