"""What the daemon starts and stops of compute."""

from cloudd.core.module import Module


class ComputeModule(Module):
    name = "compute"
