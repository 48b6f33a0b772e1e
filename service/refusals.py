"""Responses that need no application: the security headers of the webhook endpoint, and refusals as JSON bytes.

Called by the web process and by `service.gunicorn_worker`.
"""

from __future__ import annotations

import json
from http import HTTPStatus

RETRY_AFTER_SECONDS = 5
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def render_refusal(status: HTTPStatus, sentence: str) -> bytes:
    """Return a complete response that closes the connection; 503 has `Retry-After`."""
    body = json.dumps({"error": sentence}).encode() + b"\n"
    headers = {"Connection": "close", "Content-Type": "application/json", "Content-Length": str(len(body))} | HEADERS
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body
