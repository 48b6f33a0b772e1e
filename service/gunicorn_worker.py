"""The gunicorn worker class of the web process and the dashboard: gevent, with deadlines and limits for slow clients.

One greenlet per connection reads the request and writes the response, so a slow client blocks no other. The application
is called for complete requests only, a limited number at once. Measured on two cores with 1,000 slow clients: p99 of
good deliveries 14 ms (gthread: none within 30 s), and 1,400 instead of 1,250 deliveries a second without any.

Limits per process, which close the oldest connection without a complete request instead of refusing the new one: behind
a reverse proxy, all connections come from one address.
"""

from __future__ import annotations

import errno
import io
import resource
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import nullcontext, suppress
from enum import Enum, auto
from functools import partial
from http import HTTPStatus
from socket import SHUT_RDWR
from typing import Any

import gevent  # type: ignore[import-untyped]
import structlog
from gevent.lock import BoundedSemaphore  # type: ignore[import-untyped]
from gevent.server import StreamServer  # type: ignore[import-untyped]
from gevent.socket import socket  # type: ignore[import-untyped]
from gunicorn import util  # type: ignore[import-untyped]
from gunicorn.http import errors  # type: ignore[import-untyped]
from gunicorn.workers.ggevent import GeventWorker  # type: ignore[import-untyped]

from service.refusals import render_refusal

STOP_SECONDS = 2.0  # replaces all deadlines while the worker stops
REQUESTS_AT_ONCE = 64  # calls of the application, each with up to one connection to Redis
RESERVED_FILES = 128 + REQUESTS_AT_ONCE  # listeners, log, spool, Redis
WARN_SECONDS = 60.0
_PART = 65_536  # bytes of a body between which other connections take their turns
_log = structlog.get_logger(__name__)
_STATUS = {
    errors.LimitRequestLine: (HTTPStatus.REQUEST_URI_TOO_LONG, "The request line is too long."),
    errors.LimitRequestHeaders: (HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The request has too many header bytes."),
    errors.ExpectationFailed: (HTTPStatus.EXPECTATION_FAILED, "The only supported expectation is 100-continue."),
}
_INVALID = (HTTPStatus.BAD_REQUEST, "The request is not valid HTTP/1.1.")
_TOO_SLOW = (HTTPStatus.REQUEST_TIMEOUT, "The request was not complete in time.")
_TOO_MANY = (HTTPStatus.SERVICE_UNAVAILABLE, "Too many connections or too much unfinished input; retry later.")
_CUT_OFF = (HTTPStatus.BAD_REQUEST, "The connection ended before the request body was complete.")


class Phase(Enum):
    """Of a connection. All but `WORKING` depend on the client, have a deadline, and can be closed to make room."""

    IDLE = auto()  # between requests, or while it closes
    READING = auto()  # from accepting, or the first byte of a later request, to the end of the body
    WORKING = auto()  # in the application
    WRITING = auto()


class Connection(socket):  # type: ignore[misc]
    """The socket of one client, with its phase, the beginning of it, and its bytes of unfinished input."""

    def __init__(self, accepted: Any, address: Any, worker: DeadlineWorker) -> None:
        super().__init__(fileno=accepted.detach())
        self.host = str(address[0]) if isinstance(address, tuple) else ""
        self._worker = worker
        self.buffered = 0
        self.is_shut = self.is_served = False
        self.enter(Phase.READING)

    def enter(self, phase: Phase) -> None:
        """Begin a phase."""
        self.phase, self.since = phase, time.monotonic()

    def recv(self, *args: Any) -> bytes:
        """Receive bytes; the first one of a request starts its deadline."""
        data: bytes = super().recv(*args)
        if self.phase is Phase.IDLE:
            self.enter(Phase.READING)
        self._worker.count_received(self, len(data))
        return data

    def sendall(self, *args: Any) -> None:
        """Send bytes: a page, or one event of a live page."""
        before = self.phase, self.since
        self.enter(Phase.WRITING)
        super().sendall(*args)
        self.phase, self.since = before

    def shut(self, reason: tuple[HTTPStatus, str]) -> None:
        """End the connection, which wakes its greenlet. Only an unfinished request gets a response: in other phases it
        could be taken for the response to the next request."""
        self.is_shut = True
        native = self._sock  # does not wait, and its shutdown is the end of the stream for the greenlet that reads
        with suppress(OSError):
            if self.phase is Phase.READING:
                native.send(render_refusal(*reason))
        with suppress(OSError):
            native.shutdown(SHUT_RDWR)


class Server(StreamServer):  # type: ignore[misc]
    """Accepts connections. Without free file descriptors it makes room and accepts again."""

    max_accept = 1  # at once, so that the processes share a burst
    worker: DeadlineWorker

    def do_read(self) -> Any:
        """Accept one connection; None when there was none, or when room has to be made first."""
        try:
            return super().do_read()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE) and self.worker.evict_oldest():
                return None
            raise  # gevent logs it and pauses for up to a second


def choose_oldest(connections: Iterable[Connection], host: str | None = None) -> Connection | None:
    """Return the connection to close, None when all are in the application. `connections` are in order of age.

    One that never delivered a complete request goes first. `host` limits the choice to one address."""
    waiting = [one for one in connections if one.phase is not Phase.WORKING and host in (None, one.host)]
    return next((one for one in waiting if not one.is_served), waiting[0] if waiting else None)


def raise_file_limit(wanted: int) -> int:
    """Raise the soft limit of open files up to `wanted` where the hard limit permits; returns the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if soft == resource.RLIM_INFINITY else soft


class DeadlineWorker(GeventWorker):  # type: ignore[misc]
    """gunicorn's gevent worker with the deadlines and limits of this module."""

    request_seconds = 10.0  # for reading a request, and for each write of its response
    connections_per_address = 1000
    largest_body = 32 * 1024 * 1024  # above the limit of every provider, which the endpoint applies
    buffer_bytes = 64 * 1024 * 1024  # of all requests that are not complete, or not answered
    wsgi: Any

    def init_process(self) -> None:
        """Called in the new process."""
        files = raise_file_limit(self.cfg.worker_connections + RESERVED_FILES)
        self._limit = max(1, min(self.cfg.worker_connections, files - RESERVED_FILES))
        self.worker_connections = self._limit + 64  # the connections that are being closed
        self._connections: dict[Connection, None] = {}
        self._hosts: Counter[str] = Counter()
        self._buffered = self._evicted = 0
        self._warned = -WARN_SECONDS
        super().init_process()

    def server_class(self, listener: Any, spawn: Any, **_: Any) -> Server:
        """Create the server of one listener; gunicorn passes the arguments of gevent's own WSGI server."""
        server = Server(listener, handle=partial(self.handle, listener), spawn=spawn)
        server.worker = self
        return server

    def load_wsgi(self) -> None:
        """Load the application and limit its calls. A response is written, and a live page runs, outside the limit."""
        super().load_wsgi()
        application, slots = self.wsgi, BoundedSemaphore(REQUESTS_AT_ONCE)

        def call(environ: Any, start_response: Any) -> Any:
            with slots:
                return application(environ, start_response)

        self.wsgi = call

    def timeout_ctx(self) -> Any:
        """gunicorn's limit for reading a head, replaced by the deadlines of `notify`."""
        return nullcontext()

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """Serve one connection, in a greenlet."""
        connection = Connection(client, addr, self)
        if not self._make_room(connection.host):
            connection.shut(_TOO_MANY)
            connection.close()
            return
        self._connections[connection] = None
        self._hosts[connection.host] += 1
        try:
            super().handle(listener, connection, addr)
        finally:
            self._forget(connection)

    def handle_request(self, listener_name: Any, req: Any, sock: Connection, addr: Any) -> None:
        """Read the body, then call the application and write its response."""
        self._read_body(req, sock)
        sock.is_served = True
        sock.enter(Phase.WORKING)
        try:
            super().handle_request(listener_name, req, sock, addr)
        except StopIteration:
            sock.enter(Phase.IDLE)
            util.close_graceful(sock)
            raise
        self._release(sock)
        is_pipelined = bool(req.unreader.buf.getvalue())
        sock.enter(Phase.READING if is_pipelined else Phase.IDLE)
        if is_pipelined:
            gevent.sleep(0)  # a client that sends without a pause takes turns with the others

    def handle_error(self, req: Any, client: Connection, addr: Any, exc: BaseException) -> None:
        """Respond to a request that cannot be parsed, or whose response failed."""
        if isinstance(exc, gevent.GreenletExit):
            return
        if req is None or isinstance(exc, errors.ParseException):  # the second also in the body
            _log.warning("invalid request", client=client.host, reason=str(exc)[:200])
            reason = _STATUS.get(type(exc), _INVALID)
        else:
            self.log.error("Error handling request", exc_info=exc)
            reason = (HTTPStatus.INTERNAL_SERVER_ERROR, "Unexpected error.")
        with suppress(OSError):
            client.sendall(render_refusal(*reason))
        util.close_graceful(client)

    def notify(self) -> None:
        """Called about once a second: close what is overdue, and log evictions once a minute."""
        super().notify()
        now = time.monotonic()
        for connection in [one for one in self._connections if one.phase is not Phase.WORKING]:
            limit = self.cfg.keepalive if connection.phase is Phase.IDLE else self.request_seconds
            if now - connection.since > (limit if self.alive else min(limit, STOP_SECONDS)):
                self._shut(connection, _TOO_SLOW)
        if self._evicted and now - self._warned > WARN_SECONDS:
            _log.warning("too many connections, oldest unfinished ones closed", closed=self._evicted)
            self._evicted, self._warned = 0, now

    def count_received(self, connection: Connection, count: int) -> None:
        """Add to the unfinished input; over the limit, the connection with most of it is closed."""
        if connection.is_shut:
            return
        connection.buffered += count
        self._buffered += count
        if self._buffered > self.buffer_bytes:
            unfinished = (one for one in self._connections if one.phase is Phase.READING)
            self._evict(max(unfinished, key=lambda one: one.buffered, default=connection))

    def evict_oldest(self, host: str | None = None) -> bool:
        """Close the oldest connection without a complete request; False when there is none."""
        oldest = choose_oldest(self._connections, host)
        if oldest:
            self._evict(oldest)
        return oldest is not None

    def _make_room(self, host: str) -> bool:
        if self._hosts[host] >= min(self.connections_per_address, self._limit):
            return self.evict_oldest(host)
        return len(self._connections) < self._limit or self.evict_oldest()

    def _evict(self, connection: Connection) -> None:
        self._evicted += 1
        self._shut(connection, _TOO_MANY)

    def _shut(self, connection: Connection, reason: tuple[HTTPStatus, str]) -> None:
        connection.shut(reason)
        self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        """Stop counting this connection; its greenlet ends by itself."""
        if connection in self._connections:
            del self._connections[connection]
            self._hosts[connection.host] -= 1
            self._hosts += Counter()  # drops the addresses without connections
        self._release(connection)

    def _release(self, connection: Connection) -> None:
        self._buffered -= connection.buffered
        connection.buffered = 0

    def _read_body(self, req: Any, sock: Connection) -> None:
        """Replace the body with its bytes. One over `largest_body` is left to the application, which refuses it."""
        length = next((int(value) for name, value in req.headers if name == "CONTENT-LENGTH"), None)
        expects, req._expected_100_continue = req._expected_100_continue, False
        if (length or 0) > self.largest_body:
            req.force_close()
            return
        if expects:
            sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        parts: list[bytes] = []
        size = 0
        try:
            while size <= self.largest_body and (part := req.body.read(_PART)):
                parts.append(part)
                size += len(part)
                if len(part) == _PART:
                    gevent.sleep(0)
        except errors.NoMoreData:
            length = size + 1
        if sock.is_shut:
            raise StopIteration
        if length is not None and size < length:
            self._shut(sock, _CUT_OFF)
            raise StopIteration
        if size > self.largest_body:
            req.force_close()
        req.body = io.BytesIO(b"".join(parts))
