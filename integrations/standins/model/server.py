"""The routes of the stand-in: POST /v1/messages as a stream, POST /v1/messages/count_tokens, /_log and /_faults.

It keeps no conversation: only the prompt cache, the requested faults, and the log, without keys and content.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flask import Flask, Response, jsonify, request

from integrations.standins.model import poison, validation
from integrations.standins.model.cache import Diagnoses, PrefixCache, count_tokens
from integrations.standins.model.clearing import cleared
from integrations.standins.model.playbook import Playbook
from integrations.standins.model.playbooks import playbook_for
from integrations.standins.model.reply import encoded, events, message
from integrations.standins.model.request import Request, read_request
from integrations.standins.wire import Fault, Faults, WriteLog, add_controls, drop_connection

ERROR_TYPES = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error"}
NO_FAULT = Fault("*", "")

# --- the kinds of faults, which hit the next requests ----------------------------------------------------------------

# Refused before any processing: status and Anthropic's error type.
REFUSALS = {
    "401": (401, "authentication_error"),
    "402": (402, "billing_error"),
    "403": (403, "permission_error"),
    "429": (429, "rate_limit_error"),
    "500": (500, "api_error"),
    "529": (529, "overloaded_error"),
    "too_long": (400, "invalid_request_error"),
    "quota": (429, "rate_limit_error"),  # with a reset in the headers
    "credit": (400, "invalid_request_error"),  # no credit left
    "usage_limit": (400, "invalid_request_error"),  # a monthly limit
    "400": (400, "invalid_request_error"),  # about the content of a message
}
# A complete reply with another stop reason; `empty` is an end_turn without content.
ENDINGS = ("refusal", "max_tokens", "pause_turn", "model_context_window_exceeded", "empty")
# The stream ends in the middle: with a closed connection, in good order, or with an error event.
CUTS = ("drop", "short", "stream_error")
# `slow` stretches the reply over `seconds`, `silent` sends nothing for `seconds`.
KINDS = (*REFUSALS, *ENDINGS, *CUTS, *poison.KINDS, "slow", "silent")
COUNTING = "count_tokens"
"""The operation of a fault that hits the counting of tokens; other operations are roles, playbooks and titles."""


class ModelServer:
    """State and behaviour behind the route."""

    def __init__(self, home: Path, latency: float, choose: Callable[[Request], Playbook]) -> None:
        self.latency = latency
        self.choose = choose
        self.cache = PrefixCache()
        self.diagnoses = Diagnoses()
        self.faults = Faults()
        self.log = WriteLog(home / "requests.jsonl")

    def answer(self, body: Mapping[str, Any], owner: str, environ: Mapping[str, Any]) -> Response:
        """The reply to a valid request."""
        seen, applied = cleared(body)
        asked = read_request(seen)
        playbook = self.choose(asked)
        fault = self.faults.take((asked.role, playbook.name, asked.title), KINDS) or NO_FAULT
        facts = {"model": body["model"], "step": asked.step, "playbook": playbook.name, "fault": fault.kind}
        if fault.kind in REFUSALS:
            self.log.append(owner, "messages", facts, {"status": REFUSALS[fault.kind][0]})
            return _refused(fault)
        ending = fault.kind if fault.kind in ENDINGS else ""
        reply = message(body, playbook.answer(asked), self.cache.usage(owner, seen), ending)
        reply["diagnostics"] = self.diagnoses.of(owner, body, reply["id"])
        if "context_management" in body:
            reply["context_management"] = {"applied_edits": applied}
        logged = ("stop_reason", "usage", "diagnostics", "context_management")
        self.log.append(owner, "messages", facts, {key: reply[key] for key in logged if key in reply})
        if fault.kind in poison.KINDS:
            return _poisoned(fault, reply)
        return Response(self._stream(reply, fault, environ), mimetype="text/event-stream")

    def count(self, body: Mapping[str, Any]) -> Response:
        """The tokens of a valid request. Not logged: it is free and changes nothing."""
        fault = self.faults.take((COUNTING,), KINDS, named_only=True)
        if fault and fault.kind in poison.KINDS:
            return _poisoned(fault, {})
        return _refused(fault) if fault else jsonify({"input_tokens": count_tokens(body)})

    def _stream(self, reply: Mapping[str, Any], fault: Fault, environ: Mapping[str, Any]) -> Iterator[bytes]:
        parts = list(events(reply))
        pause = (fault.seconds if fault.kind == "slow" else self.latency) / len(parts)
        time.sleep(fault.seconds if fault.kind == "silent" else 0)
        for place, event in enumerate(parts):
            if fault.kind in CUTS and place == len(parts) // 2:
                yield from _cut(fault, environ)
                return
            yield encoded(event)
            time.sleep(pause)


def _cut(fault: Fault, environ: Mapping[str, Any]) -> Iterator[bytes]:
    if fault.kind == "drop":
        drop_connection(environ)
    elif fault.kind == "stream_error":
        yield encoded({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})


def _poisoned(fault: Fault, reply: Mapping[str, Any]) -> Response:
    types = {"html": "text/html", "redirect": "text/html", "json": "application/json"}
    body = poison.poisoned(fault.kind, reply, fault.seconds)
    response = Response(body, mimetype=types.get(fault.kind, "text/event-stream"))
    if fault.kind == "compressed":
        response.headers["content-encoding"] = "gzip"
    if fault.kind == "redirect":
        response.status_code, response.headers["location"] = 301, "https://elsewhere.invalid/"
    return response


def _error(status: int, text: str, kind: str = "") -> Response:
    error = {"type": kind or ERROR_TYPES[status], "message": text}
    response = jsonify({"type": "error", "error": error, "request_id": "req_standin"})
    response.status_code = status
    return response


def _refused(fault: Fault) -> Response:
    status, kind = REFUSALS[fault.kind]
    reset = datetime.now(UTC) + timedelta(seconds=fault.seconds)
    texts = {
        "too_long": "prompt is too long: 1000001 tokens > 1000000 maximum",
        "400": "messages.3.content.0: Input should be valid",
        "credit": "Your credit balance is too low to access the Anthropic API.",
        "usage_limit": "You have reached your specified API usage limits. You will regain access on "
        f"{reset:%Y-%m-%d} at {reset:%H:%M} UTC.",
    }
    response = _error(status, texts.get(fault.kind, f"The stand-in was asked to answer {status}."), kind)
    if fault.kind == "429":
        response.headers["retry-after"] = f"{fault.seconds:g}"
    if fault.kind == "quota":
        for name, left, at in (("tokens", "0", reset), ("requests", "7", reset + timedelta(hours=1))):
            response.headers[f"anthropic-ratelimit-{name}-remaining"] = left
            response.headers[f"anthropic-ratelimit-{name}-reset"] = at.isoformat(timespec="seconds")
    return response


def create_app(home: Path, latency: float = 0.0, choose: Callable[[Request], Playbook] = playbook_for) -> Flask:
    """The stand-in as a WSGI application. `home` gets requests.jsonl; `latency` is seconds per reply; `choose` finds
    the playbook for a request."""
    server = ModelServer(home, latency, choose)
    app = Flask(__name__)
    app.after_request(_name_request)
    add_controls(app, server.log.entries, server.faults, KINDS)

    @app.post("/v1/messages")
    def messages() -> Response:
        body = _read_body(counting=False)
        return body if isinstance(body, Response) else server.answer(body, _owner(), request.environ)

    @app.post("/v1/messages/count_tokens")
    def count() -> Response:
        body = _read_body(counting=True)
        return body if isinstance(body, Response) else server.count(body)

    return app


def _read_body(*, counting: bool) -> dict[str, Any] | Response:
    """The valid body of the request, or the refusal. Counting needs neither a stream nor a limit."""
    if not _key():
        return _error(401, "x-api-key header is required")
    if not request.headers.get("anthropic-version"):
        return _error(400, "anthropic-version: header is required")
    try:
        body: dict[str, Any] = json.loads(request.get_data())
        whole = {"stream": True, "max_tokens": 1} | body if counting and isinstance(body, dict) else body
        validation.check(whole, request.headers.get("anthropic-beta", "").replace(" ", "").split(","))
    except json.JSONDecodeError:
        return _error(400, "The request body is not valid JSON")
    except validation.UnknownModel as refused:
        return _error(404, str(refused))
    except validation.Refused as refused:
        return _error(400, str(refused))
    return body


def _name_request(response: Response) -> Response:
    response.headers["request-id"] = f"req_{time.monotonic_ns():x}"
    return response


def _key() -> str:
    """The API key. Since its second version Anthropic's SDK sends it as a bearer token."""
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    return request.headers.get("x-api-key", "") or bearer


def _owner() -> str:
    """A fingerprint of the key, for the cache and the log."""
    return hashlib.sha256(_key().encode()).hexdigest()[:12]
