"""One connection: aiohttp's reading and writing of HTTP, with limits of time and size, and refusals that the caller can read.

What a parser or a clock refuses goes the way of a request: an answer in the form of the API whose path it has, one line in the log.
aiohttp would write a traceback, answer plain text and wait for ever.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler, RequestPayloadError, _ErrInfo
from multidict import CIMultiDict
from yarl import URL

from cloudd.core.errors import BadRequest, CloudError, HeadersTooLarge, RequestTimeout, UriTooLong

HEAD_KEPT = 4096
TARGET_KEPT = 2000
URL_MARKS = "/%:@!$&'()*+,;=~"
CALM_SECONDS = 2.0
"""A head that is half sent for so long may have to go when there is no room."""
Refuse = Callable[[web.Request, CloudError], web.StreamResponse]
Abort = Callable[[web.BaseRequest, BaseException, str], None]


@dataclass(frozen=True)
class Limits:
    """Seconds and bytes."""

    head_seconds: float = 20
    body_seconds: float = 60
    idle_seconds: float = 120
    head_bytes: int = 1 << 16


@dataclass
class Place:
    """What a connection takes of the places that its address has; given back once."""

    address: str
    leave: Callable[["Place"], None]
    taken: bool = True

    def free(self) -> None:
        if self.taken:
            self.taken = False
            self.leave(self)


class Connection(RequestHandler):
    """`begun`: since when a head is half here. `heard`: when the last byte came. `body`: of the newest request."""

    __slots__ = ("begun", "body", "first", "heard", "limits", "place", "size", "unsent", "unsent_since", "why")

    def __init__(self, manager: Any, *, limits: Limits, place: Place, **options: Any):
        # the parser tells a long line from a long field by nothing but the limit that it names
        super().__init__(manager, keepalive_timeout=limits.idle_seconds, max_line_size=limits.head_bytes,
                         max_field_size=limits.head_bytes - 1, **options)
        self.limits, self.place = limits, place
        self.begun: float | None = None
        self.body: StreamReader = EMPTY_PAYLOAD
        self.first, self.size, self.heard = b"", 0, self._loop.time()
        self.unsent, self.unsent_since, self.why = 0, 0.0, "the client went away"

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self.place.free()

    # -- what comes in ------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self._close or self._force_close:
            return None
        self.heard = self._loop.time()
        if self._upgraded or self._payload_parser is not None:
            return super().data_received(data)
        body, before = self.body, len(self._messages)
        in_body = not body.is_eof()
        if data and not in_body:
            self._keep(data)
        super().data_received(data)
        if len(self._messages) > before:
            self._came(body if in_body else None)
        elif self.begun is not None and self.size > 2 * self.limits.head_bytes:
            self._refuse(self._too_large())
        return None

    def _keep(self, data: bytes) -> None:
        if self.begun is None:
            self.begun, self.first, self.size = self.heard, data, len(data)
        else:
            self.size += len(data)
            if len(self.first) < HEAD_KEPT:
                self.first += data[:HEAD_KEPT]

    def _came(self, earlier: StreamReader | None) -> None:
        """Heads are complete, or something cannot be read: a head, or the body of an earlier request."""
        self.begun = None
        message, payload = self._messages[-1]
        if not isinstance(message, _ErrInfo):
            if self.size > self.limits.head_bytes and sum(map(len, itertools.chain(*message.raw_headers))) > self.limits.head_bytes:
                self._messages.pop()
                return self._refuse(self._too_large())
            self.first, self.body = b"", payload
        elif earlier is not None and not earlier.is_eof():
            self._messages.pop()
            self._break(earlier, RequestPayloadError(_first_line(message.message)))
        return None

    def _break(self, body: StreamReader, exc: BaseException) -> None:
        """Whoever reads the body is told; the connection ends with the answer."""
        body.set_exception(exc)
        body.feed_eof()                                       # else aiohttp would wait for the rest
        self.close()

    def _refuse(self, error: CloudError) -> None:
        """Answer in place of the request that is half here."""
        self.begun, self._close = None, True                  # nothing more is read
        self._messages.append((_ErrInfo(status=error.status, exc=error, message=error.message), EMPTY_PAYLOAD))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _too_large(self) -> HeadersTooLarge:
        return HeadersTooLarge(f"The headers are larger than the {self.limits.head_bytes} bytes that this cloud reads.")

    # -- clocks -------------------------------------------------------------------------------------------------------

    def check(self, now: float) -> None:
        """Called about once a second: end what takes too long."""
        if self._payload_parser is not None or self.transport is None:
            return
        self._check_writing(now)
        if self.begun is not None:
            if now - self.begun > self.limits.head_seconds and self.waits:
                self._refuse(RequestTimeout(f"The request's head did not come within {self.limits.head_seconds:g} seconds."))
        elif not self.body.is_eof():
            if self._reading_paused or self._buffer_paused:   # it is we who are slow
                self.heard = now
            elif now - self.heard > self.limits.body_seconds and not self._close:
                self._break(self.body, RequestTimeout(
                    f"Nothing of the request's body came for {self.limits.body_seconds:g} seconds."))

    def _check_writing(self, now: float) -> None:
        size = self.transport.get_write_buffer_size() if self._paused and self.transport is not None else 0
        if not size or size != self.unsent:
            self.unsent, self.unsent_since = size, now
        elif now - self.unsent_since > self.limits.body_seconds and self.transport is not None:
            self.why = f"the client took nothing of the answer for {self.limits.body_seconds:g} seconds"
            self.transport.abort()

    def _process_keepalive(self) -> None:
        if self.begun is None:
            super()._process_keepalive()
        else:
            self._keepalive_handle = None                     # a head is on its way, and has a clock of its own

    @property
    def waits(self) -> bool:
        """Whether nothing is being answered."""
        return self._waiter is not None and not self._waiter.done()

    def can_go(self, now: float) -> bool:
        """Whether it may be closed to make room: it is idle, or its head comes too slowly."""
        return self.waits and (self.begun is None or now - self.begun > CALM_SECONDS)

    # -- answers ------------------------------------------------------------------------------------------------------

    def handle_error(self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None,
                     message: str | None = None) -> web.StreamResponse:
        """What aiohttp calls for whatever goes wrong outside the dispatcher."""
        server = self._manager
        if server is None or isinstance(exc, ConnectionError) or request.writer.output_size > 0:
            self._abort(request, exc)
            raise ConnectionError(self.why)
        error = self._meaning(exc, status)
        response: web.StreamResponse = server.refuse(self._as_asked(request) if self.first else request, error)  # type: ignore[attr-defined]
        self.first = b""
        response.force_close()
        return response

    def _abort(self, request: web.BaseRequest, exc: BaseException | None) -> None:
        if self._manager is not None:
            self._manager.abort(request, exc, self.why)  # type: ignore[attr-defined]

    def _meaning(self, exc: BaseException | None, status: int) -> BaseException:
        """What is wrong, as the caller is told; anything that is not his fault as it is."""
        if isinstance(exc, LineTooLong):
            most = self.limits.head_bytes
            return UriTooLong(f"The address is longer than the {most} bytes that this cloud reads.") if exc.args[1] == most else \
                HeadersTooLarge(f"A header is larger than the {most} bytes that this cloud reads.")
        if isinstance(exc, HttpProcessingError):
            words = _first_line(exc.message)
            return HeadersTooLarge(f"{words}.") if words.startswith("Too many headers") else BadRequest(f"Malformed request: {words}.")
        return exc or TimeoutError(f"status {status}")

    def _as_asked(self, request: Any) -> Any:
        """A request that could not be read, as far as it could: for the form of the answer, and for the log."""
        head = self.first[:HEAD_KEPT].decode("latin-1")
        line, _, rest = head.partition("\r\n")
        method, _, target = line.partition(" ")
        path = target.partition(" ")[0].partition("?")[0][:TARGET_KEPT]
        accept = next((value.strip() for name, _, value in (one.partition(":") for one in rest.split("\r\n"))
                       if name.lower() == "accept"), None)
        return request.clone(method=method if method.isalpha() and len(method) < 20 else "UNKNOWN",
                             rel_url=URL.build(path=quote(path, safe=URL_MARKS) if path.startswith("/") else "/", encoded=True),
                             headers=CIMultiDict({"Accept": accept} if accept else {}))


def _first_line(message: str) -> str:
    """What the parser says, without the bytes that it was given: those may hold a secret."""
    return message.partition("\n")[0].partition(": ")[0].strip(" :.") or "it is not HTTP"
