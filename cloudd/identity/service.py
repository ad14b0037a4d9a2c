"""What the daemon starts and stops of identity."""

from cloudd.core.module import Module


class IdentityModule(Module):
    name = "identity"
