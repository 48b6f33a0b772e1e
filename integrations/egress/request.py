"""Parses and formats the requests of the egress proxy. Pure.

A client asks for a tunnel (CONNECT, port 443) or for one plain resource (GET or HEAD, port 80). The request that is
sent on is written anew from the parsed parts, and nothing that the client sends after it is: so the proxy and the
server cannot disagree about where a request ends or to which host it goes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from integrations.egress.hosts import parse_host, show_host

LARGEST_HEAD = 2**14  # bytes
TLS_PORT, PLAIN_PORT = 443, 80
_REQUEST_LINE = re.compile(r"([A-Z]{1,20}) ([!-~]{1,8000}) HTTP/1\.[01]")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}):[ \t]*([ -~\t\x80-\xff]*)")
_PLAIN_TARGET = re.compile(r"http://([^/?#]*)(/[^#]*)?", re.IGNORECASE)
# Headers for one connection (RFC 9110, section 7.6.1), for the proxy, and about a body, which is refused.
_DROPPED = {
    "connection", "content-length", "expect", "host", "http2-settings", "keep-alive", "proxy-authenticate",
    "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
}  # fmt: skip


@dataclass(frozen=True)
class Refusal:
    """A request that is not carried out. `host` is its host for messages; `status` is that of the response."""

    reason: str
    host: str = ""
    status: int = 403


@dataclass(frozen=True)
class Request:
    """A tunnel to `host`, or a GET or HEAD request for `path` with the `headers` to send on."""

    method: str
    host: str
    port: int
    path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_tunnel(self) -> bool:
        """Whether it asks for a tunnel."""
        return self.method == "CONNECT"


def parse_request(head: bytes) -> Request | Refusal:
    """The request with this head, which ends in an empty line."""
    if not head.endswith(b"\r\n\r\n"):
        return Refusal("the request has no end", status=400)
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    found = _REQUEST_LINE.fullmatch(first)
    headers = [_HEADER.fullmatch(line) for line in lines]
    if not found or not all(headers):
        return Refusal("the request is not HTTP/1.1", status=400)
    pairs = [(one[1].lower(), one[2].strip()) for one in headers if one]
    method, target = found.groups()
    if problem := _find_framing_problem(pairs):
        return Refusal(problem, status=400)
    if method == "CONNECT":
        return _parse_tunnel(target)
    if method in ("GET", "HEAD"):
        return _parse_plain(method, target, pairs)
    return Refusal(f"plain HTTP with {method} is not permitted, use https", _find_host(target), 405)


def _find_framing_problem(pairs: list[tuple[str, str]]) -> str:
    """Bodies are refused, so that no part of one can be read as a second request."""
    values = [value for name, value in pairs if name == "content-length"]
    if any(name == "transfer-encoding" for name, _ in pairs) or values not in ([], ["0"]):
        return "the request has a body"
    return "the request names two hosts" if sum(name == "host" for name, _ in pairs) > 1 else ""


def _find_host(target: str) -> str:
    """The host of a refused target, for messages."""
    found = _PLAIN_TARGET.fullmatch(target)
    return show_host((found[1] if found else target).rpartition("@")[2])


def _parse_tunnel(target: str) -> Request | Refusal:
    return _check_authority(target, TLS_PORT) or Request("CONNECT", _host_of(target), TLS_PORT)


def _parse_plain(method: str, target: str, pairs: list[tuple[str, str]]) -> Request | Refusal:
    found = _PLAIN_TARGET.fullmatch(target)
    if not found:
        return Refusal("the request is not one for a proxy", status=400)
    authority = found[1] if ":" in found[1] else f"{found[1]}:{PLAIN_PORT}"
    if refusal := _check_authority(authority, PLAIN_PORT):
        return refusal
    host = _host_of(authority)
    if any(name == "host" and value.lower() not in (host, f"{host}:{PLAIN_PORT}") for name, value in pairs):
        return Refusal("the header Host is another host", host)
    named = {option.strip().lower() for name, value in pairs if name == "connection" for option in value.split(",")}
    kept: dict[str, str] = {}
    for name, value in pairs:
        if name not in _DROPPED | named:
            kept[name] = f"{kept[name]}, {value}" if name in kept else value
    return Request(method, host, PLAIN_PORT, found[2] or "/", kept)


def _check_authority(authority: str, port: int) -> Refusal | None:
    name, _, given = authority.rpartition(":")
    shown = show_host(name or authority)
    if "@" in authority:
        return Refusal("the request has user information in its host", show_host(authority.rpartition("@")[2]))
    if not parse_host(name):
        return Refusal("the host is not a host name", shown)
    if given != str(port):
        return Refusal(f"port {show_host(given)} is not permitted, only {port} is", shown)
    return None


def _host_of(authority: str) -> str:
    return parse_host(authority.rpartition(":")[0]) or ""


def format_plain(request: Request, proxy_headers: Mapping[str, str] | None) -> bytes:
    """The head to send to the server, or with `proxy_headers` to a further proxy."""
    target = request.path if proxy_headers is None else f"http://{request.host}{request.path}"
    headers = {"Host": request.host, **request.headers, **(proxy_headers or {}), "Connection": "close"}
    lines = [f"{request.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def format_tunnel(request: Request, proxy_headers: Mapping[str, str]) -> bytes:
    """The head that asks a further proxy for the tunnel."""
    target = f"{request.host}:{request.port}"
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}", *(f"{k}: {v}" for k, v in proxy_headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def format_refusal(refusal: Refusal) -> bytes:
    """The response to a request that is refused."""
    phrase = {400: "Bad Request", 403: "Forbidden", 405: "Method Not Allowed", 408: "Request Timeout",
              431: "Request Header Fields Too Large", 502: "Bad Gateway", 503: "Service Unavailable"}  # fmt: skip
    about = f" of {refusal.host}" if refusal.host else ""
    body = f"Loopline's egress proxy refused the request{about}: {refusal.reason}.\n".encode("ascii", "replace")
    head = f"HTTP/1.1 {refusal.status} {phrase[refusal.status]}\r\nContent-Type: text/plain\r\n"
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body
