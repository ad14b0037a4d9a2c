"""What the daemon starts and stops of compute: the hypervisor, and the watch over its guests."""

from typing import ClassVar

from cloudd.compute.api import API, versions
from cloudd.core.http.api import Api
from cloudd.core.module import Module


class ComputeModule(Module):
    name = "compute"
    apis: ClassVar[tuple[Api, ...]] = (API, versions.VERSIONS)

    def catalog(self) -> tuple[tuple[str, str, str], ...]:
        return (("compute", "nova", "/compute/v2.1"),)
