"""HTTP sessions with bounds, and strict JSON, for the clients of tracker and code host.

The timeout of requests is per read, so a server that sends one byte at a time could hold a worker for days. Here each
response also has a deadline and a largest size, counted after decompression.
"""

from __future__ import annotations

import io
import re
import time
from http.client import HTTPResponse
from socket import socket
from typing import Any

import requests
from pydantic_core import from_json
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.exceptions import ReadTimeoutError

LARGEST_BODY = 32 * 1024 * 1024  # bytes; a full page of GitHub's longest comments has 26 MB
READ_TIMEOUTS = 3  # deadline of a response, in read timeouts
_CHUNK = 64 * 1024
# Escapes of a JSON text; the group is a lone surrogate or NUL.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2}|u0000)|.)",
    re.DOTALL,
)
_IS_SUSPECT = re.compile(rb"\\u(?:[dD][89a-fA-F]|0000)")


class OversizedResponse(requests.RequestException):
    """The body has more than `LARGEST_BODY` bytes."""


class _TimedStream(io.RawIOBase):
    """A socket's stream that fails with `TimeoutError` after the deadline, however often bytes arrive."""

    def __init__(self, stream: io.RawIOBase, sock: socket) -> None:
        self._stream, self._socket, self._timeout = stream, sock, sock.gettimeout()
        self._deadline = time.monotonic() + READ_TIMEOUTS * (self._timeout or 0.0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._timeout is None:
            return self._stream.readinto(buffer)
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the response took too long")
        self._socket.settimeout(min(self._timeout, left))
        try:
            return self._stream.readinto(buffer)
        finally:
            self._socket.settimeout(self._timeout)

    def close(self) -> None:
        self._stream.close()
        super().close()


class _TimedResponse(HTTPResponse):
    def __init__(self, sock: socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp: Any = io.BufferedReader(_TimedStream(self.fp.detach(), sock))


class _TimedPool(HTTPConnectionPool):
    def _new_conn(self) -> Any:
        connection: Any = super()._new_conn()
        connection.response_class = _TimedResponse
        return connection


class _TimedTlsPool(_TimedPool, HTTPSConnectionPool):
    """The same over TLS."""


class BoundedAdapter(HTTPAdapter):
    """Reads each body at once, within the bounds. Raises `OversizedResponse` and `requests.ReadTimeout`."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _use_timed_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        _use_timed_pools(manager)
        return manager

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        response = super().send(*args, **kwargs)
        body = bytearray()
        try:
            for chunk in response.iter_content(_CHUNK):
                body += chunk
                if len(body) > LARGEST_BODY:
                    raise OversizedResponse(f"the response has more than {LARGEST_BODY >> 20} MB")
        except requests.ConnectionError as error:
            if error.args and isinstance(error.args[0], ReadTimeoutError):
                raise requests.ReadTimeout(*error.args) from None
            raise
        finally:
            response.close()
        response._content = bytes(body)  # where requests keeps a body that was read
        return response


def _use_timed_pools(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _TimedPool, "https": _TimedTlsPool}


def mount_bounds(session: requests.Session) -> requests.Session:
    """Apply the bounds to all requests of the session."""
    for scheme in ("http://", "https://"):
        session.mount(scheme, BoundedAdapter())
    return session


def find_setup_problem(error: BaseException, setting: str) -> str:
    """Why no request can be sent with this host's settings, in one sentence; empty for another error. `setting` is that
    of the URL."""
    match error:
        case (
            requests.exceptions.InvalidURL() | requests.exceptions.InvalidSchema() | requests.exceptions.MissingSchema()
        ):
            return f"{setting} or the proxy in HTTP_PROXY, HTTPS_PROXY or ALL_PROXY is not a usable URL: correct it"
        case requests.RequestException() if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return (
                f"The certificate of {setting} is not trusted: check the URL, or add its authority to LOOPLINE_CA_FILE"
            )
        case requests.RequestException():
            return ""
        case OSError(errno=None):  # of requests: a file that does not exist
            return "REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE is not the path of a file with certificates: correct it"
    return ""


def parse_json(body: bytes) -> Any:
    """The JSON value in UTF-8 `body`; a byte order mark is ignored, of equal keys the last one counts. Lone surrogates
    and NUL become U+FFFD, so that one broken text does not hide the rest of a list.

    Raises `ValueError`, also for NaN, infinity and deep nesting."""
    if _IS_SUSPECT.search(body):
        body = _ESCAPE.sub(lambda found: b"\\ufffd" if found[1] else found[0], body)
    return from_json(body.removeprefix(b"\xef\xbb\xbf"), allow_inf_nan=False)
