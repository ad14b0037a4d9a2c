"""What the daemon starts and stops of network."""

from cloudd.core.module import Module


class NetworkModule(Module):
    name = "network"
