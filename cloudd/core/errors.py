"""What can go wrong, by meaning. Logic raises these; each API dresses them in its own body (core/http/dialects).

`type` is the upstream name of the fault where clients match on it (Neutron's `NetworkInUse`), else the class's own.
`facts` are values for the log, never secrets.
"""

from typing import Any


class StartError(RuntimeError):
    """The daemon or a command cannot go on; the operator can mend it, and the message says how."""


class Away(Exception):
    """Parent of what a driver raises when the thing that it drives does not answer now: a job's step tries again for a while."""


class CloudError(Exception):
    """An expected failure that the caller may read. The first sentence is the whole story."""

    status = 500
    title = "Internal Server Error"

    def __init__(self, message: str, *, type: str | None = None, code: str | None = None, **facts: Any):
        super().__init__(message)
        self.message = message
        self.type = type or self.__class__.__name__
        self.code = code
        self.facts = facts
        self.headers: dict[str, str] = {}


class BadRequest(CloudError):
    status, title = 400, "Bad Request"


class Unauthorized(CloudError):
    status, title = 401, "Unauthorized"


class Forbidden(CloudError):
    status, title = 403, "Forbidden"


class NotFound(CloudError):
    status, title = 404, "Not Found"


class MethodNotAllowed(CloudError):
    status, title = 405, "Method Not Allowed"


class NotAcceptable(CloudError):
    status, title = 406, "Not Acceptable"


class RequestTimeout(CloudError):
    """The client was too slow."""

    status, title = 408, "Request Timeout"


class Conflict(CloudError):
    status, title = 409, "Conflict"


class Gone(CloudError):
    status, title = 410, "Gone"


class PreconditionFailed(CloudError):
    status, title = 412, "Precondition Failed"


class TooLarge(CloudError):
    status, title = 413, "Request Entity Too Large"


class UriTooLong(CloudError):
    status, title = 414, "Request-URI Too Long"


class UnsupportedMedia(CloudError):
    status, title = 415, "Unsupported Media Type"


class RangeNotSatisfiable(CloudError):
    status, title = 416, "Requested Range Not Satisfiable"


class TooManyRequests(CloudError):
    status, title = 429, "Too Many Requests"


class HeadersTooLarge(CloudError):
    status, title = 431, "Request Header Fields Too Large"


class Unsupported(CloudError):
    """The hardware or its driver cannot do it; told before anything was promised."""

    status, title = 501, "Not Implemented"


class Unavailable(CloudError):
    """A part of the cloud is down for the moment; trying again may help."""

    status, title = 503, "Service Unavailable"


class OverQuota(CloudError):
    """More was asked for than the project may have. Nova answers 403, Glance 413, Neutron 409: the dialect decides."""

    status, title = 403, "Forbidden"


class NoCapacity(CloudError):
    """Nothing is left of what was asked for: addresses, memory, disk. The message says asked, free and what would fit."""

    status, title = 409, "Conflict"
