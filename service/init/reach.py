"""Tests whether the webhook URL is reachable from this machine, and advises how to get one."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit

import requests

from integrations.settings import is_loopback, split_address

TUNNELS = (
    "A server has a public https:// address by a TLS proxy in front of LOOPLINE_WEB_BIND (Caddy, nginx).",
    "On a laptop a tunnel gives one: `cloudflared tunnel --url http://{bind}` or `ngrok http {port}`; enter its URL.",
)
TIMEOUT_SECONDS = 10.0


def advise(bind: str) -> list[str]:
    """Lines about public addresses."""
    return [line.format(bind=bind, port=split_address(bind)[1]) for line in TUNNELS]


def parse_public_url(answer: str) -> str:
    """Return scheme and host of the public address. Raises `ValueError` with the fix."""
    parts = urlsplit(answer.rstrip("/"))
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.path not in ("", "/"):
        raise ValueError("it is no address; write https:// and the host alone, such as https://loop.acme.example")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("it is an address without TLS; webhooks carry ticket text, so write https://")
    return answer.rstrip("/")


def find_reach_problem(public_url: str, bind: str) -> str:
    """Send a request to the public URL and look whether it arrives at `bind`; empty if it does.

    While Loopline runs, its own web process answers; otherwise a short-lived server does."""
    token = secrets.token_hex(8)
    with _answer(bind, token) as is_own:
        try:
            url = f"{public_url}/healthz"
            answer = requests.get(url, timeout=TIMEOUT_SECONDS, allow_redirects=False, headers={"X-Probe": token})
        except requests.RequestException as error:
            return f"{public_url} does not answer ({type(error).__name__})"
    if answer.status_code != 200 or (is_own and token not in answer.text):
        return f"{public_url} answers with HTTP {answer.status_code}, and not from {bind}"
    return ""


@contextmanager
def _answer(bind: str, token: str) -> Iterator[bool]:
    """A server at `bind` that returns the token; yields False if the address is in use."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(token.encode())

        def log_message(self, *_: object) -> None:
            """Nothing: the dialog is on this terminal."""

    host, port = split_address(bind)
    try:
        server = HTTPServer((re.sub("^0.0.0.0$", "", host), port), Handler)
    except OSError:
        yield False
        return
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield True
    finally:
        server.shutdown()
        server.server_close()
