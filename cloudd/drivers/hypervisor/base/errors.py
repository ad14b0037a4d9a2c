"""What goes wrong with a hypervisor, in the few kinds that callers tell apart."""

from cloudd.core.errors import Away


class HypervisorError(Exception):
    """It could not be done; the message says what and why, in words that a server's owner can act on."""


class DomainNotFound(HypervisorError):
    """No such domain of ours."""

    def __init__(self, server_id: str):
        super().__init__(f"the hypervisor has no guest {server_id}")
        self.server_id = server_id


class Unsupported(HypervisorError):
    """This driver, or this machine, or this guest cannot do it; where the machine is the reason, `caps` would have said so."""


class HypervisorDown(HypervisorError, Away):
    """The hypervisor cannot be reached now; trying again later may help."""


class NotLetGo(HypervisorError):
    """The guest was asked to let go of a device, again and again, and did not; it has it as before, and may still let go later."""


class TooLong(HypervisorError):
    """What was to be done while guests stand still took longer than they may; they go on."""


class BadImage(HypervisorError):
    """The image is not what it is said to be, or refers to files outside itself."""
