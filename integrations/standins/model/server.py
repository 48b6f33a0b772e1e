"""The stand-in's routes: POST /v1/messages, count_tokens, models, and its own /_log and /_faults.

Started by `__main__` and by tests through `wire.serve`. Keeps no conversation: only the prompt cache, the faults that
were asked for, and the log. Never logs keys or content.
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

from integrations.standins.model import validation
from integrations.standins.model.cache import PrefixCache, count_tokens
from integrations.standins.model.clearing import cleared
from integrations.standins.model.diagnosis import Diagnoses
from integrations.standins.model.faults import CUTS, ENDINGS, REFUSALS, ModelFault, ModelFaults
from integrations.standins.model.playbook import Playbook
from integrations.standins.model.playbooks import playbook_for
from integrations.standins.model.reply import message
from integrations.standins.model.request import Request, read_request
from integrations.standins.model.stream import encoded, events
from integrations.standins.wire import WriteLog, drop_connection

MODELS = ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5")
ERROR_TYPES = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error"}


class ModelServer:
    """What the routes share."""

    def __init__(self, home: Path, latency: float, choose: Callable[[Request], Playbook]) -> None:
        self.latency = latency
        self.choose = choose
        self.cache = PrefixCache()
        self.diagnoses = Diagnoses()
        self.faults = ModelFaults()
        self.log = WriteLog(home / "requests.jsonl")

    def answer(self, body: Mapping[str, Any], owner: str, environ: Mapping[str, Any]) -> Response:
        """The reply to a valid request, as a whole or as a stream."""
        fault = self.faults.take()
        seen, applied = cleared(body)
        asked = read_request(seen)
        playbook = self.choose(asked)
        facts = {"model": body["model"], "step": asked.step, "playbook": playbook.name, "fault": fault.kind}
        if fault.kind in REFUSALS:
            self.log.append(owner, "messages", facts, {"status": REFUSALS[fault.kind][0]})
            return _refused(fault)
        ending = fault.kind if fault.kind in ENDINGS else ""
        reply = message(body, playbook.answer(asked), self.cache.usage(owner, seen), ending)
        reply["diagnostics"] = self.diagnoses.of(owner, body, reply["id"])
        told = {key: reply[key] for key in ("stop_reason", "usage", "diagnostics")}
        if "context_management" in body:
            reply["context_management"] = told["context_management"] = {"applied_edits": applied}
        self.log.append(owner, "messages", facts, told)
        if not body.get("stream"):
            return self._whole(reply, fault, environ)
        return Response(self._stream(reply, fault, environ), mimetype="text/event-stream")

    def _whole(self, reply: Mapping[str, Any], fault: ModelFault, environ: Mapping[str, Any]) -> Response:
        time.sleep(fault.seconds if fault.kind in ("slow", "silent") else self.latency)
        if fault.kind == "drop":
            drop_connection(environ)
        return jsonify(reply)

    def _stream(self, reply: Mapping[str, Any], fault: ModelFault, environ: Mapping[str, Any]) -> Iterator[bytes]:
        told = list(events(reply))
        pause = (fault.seconds if fault.kind == "slow" else self.latency) / len(told)
        time.sleep(fault.seconds if fault.kind == "silent" else 0)
        for place, event in enumerate(told):
            if fault.kind in CUTS and place == len(told) // 2:
                yield from _broken_off(fault, environ)
                return
            yield encoded(event)
            time.sleep(pause)


def _broken_off(fault: ModelFault, environ: Mapping[str, Any]) -> Iterator[bytes]:
    if fault.kind == "drop":
        drop_connection(environ)
    elif fault.kind == "stream_error":
        yield encoded({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})


def _error(status: int, words: str, kind: str = "") -> Response:
    error = {"type": kind or ERROR_TYPES[status], "message": words}
    response = jsonify({"type": "error", "error": error, "request_id": "req_standin"})
    response.status_code = status
    return response


def _refused(fault: ModelFault) -> Response:
    status, kind = REFUSALS[fault.kind]
    reset = datetime.now(UTC) + timedelta(seconds=fault.seconds)
    words = {
        "too_long": "prompt is too long: 1000001 tokens > 1000000 maximum",
        "credit": "Your credit balance is too low to access the Anthropic API.",
        "usage_limit": "You have reached your specified API usage limits. You will regain access on "
        f"{reset:%Y-%m-%d} at {reset:%H:%M} UTC.",
    }
    response = _error(status, words.get(fault.kind, f"The stand-in was asked to answer {status}."), kind)
    if fault.kind == "429":
        response.headers["retry-after"] = f"{fault.seconds:g}"
    if fault.kind == "quota":
        response.headers["anthropic-ratelimit-tokens-remaining"] = "0"
        response.headers["anthropic-ratelimit-tokens-reset"] = reset.isoformat(timespec="seconds")
        response.headers["anthropic-ratelimit-requests-remaining"] = "7"
        response.headers["anthropic-ratelimit-requests-reset"] = (reset + timedelta(hours=1)).isoformat()
    return response


def create_app(home: Path, latency: float = 0.0, choose: Callable[[Request], Playbook] = playbook_for) -> Flask:
    """The stand-in as a WSGI application. `home` gets requests.jsonl; `latency` is seconds per reply; `choose` finds
    the playbook for a request."""
    server = ModelServer(home, latency, choose)
    app = Flask(__name__)
    app.before_request(_check_headers)
    app.after_request(_name_request)
    _add_api(app, server)
    _add_own(app, server)
    return app


def _check_headers() -> Response | None:
    if not request.path.startswith("/v1/"):
        return None
    if not _key():
        return _error(401, "x-api-key header is required")
    if not request.headers.get("anthropic-version"):
        return _error(400, "anthropic-version: header is required")
    return None


def _name_request(response: Response) -> Response:
    response.headers["request-id"] = f"req_{time.monotonic_ns():x}"
    return response


def _add_api(app: Flask, server: ModelServer) -> None:
    @app.post("/v1/messages")
    def messages() -> Response:
        body = _valid_body()
        if isinstance(body, Response):
            return body
        return server.answer(body, _owner(), request.environ)

    @app.post("/v1/messages/count_tokens")
    def tokens() -> Response:
        body = _valid_body(counting=True)
        if isinstance(body, Response):
            return body
        counted: dict[str, Any] = {"input_tokens": count_tokens(cleared(body)[0])}
        if "context_management" in body:
            counted["context_management"] = {"original_input_tokens": count_tokens(body)}
        return jsonify(counted)

    @app.get("/v1/models")
    def models() -> Response:
        data = [_model(name) for name in MODELS]
        return jsonify({"data": data, "has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]})


def _valid_body(counting: bool = False) -> dict[str, Any] | Response:
    try:
        body = json.loads(request.get_data())
        betas = request.headers.get("anthropic-beta", "").replace(" ", "").split(",")
        validation.check(body, counting, betas)
    except json.JSONDecodeError:
        return _error(400, "The request body is not valid JSON")
    except validation.Refused as refused:
        return _error(400, str(refused))
    return dict(body)


def _key() -> str:
    """The API key. Since its second version Anthropic's SDK sends it as a bearer token."""
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    return request.headers.get("x-api-key", "") or bearer


def _owner() -> str:
    """A fingerprint: the cache and the log tell keys apart without holding one."""
    return hashlib.sha256(_key().encode()).hexdigest()[:12]


def _model(name: str) -> dict[str, Any]:
    return {
        "id": name,
        "type": "model",
        "display_name": name.replace("-", " ").title(),
        "created_at": "2026-10-01T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": 1_000_000,
        "max_tokens": 128_000,
    }


def _add_own(app: Flask, server: ModelServer) -> None:
    @app.get("/_log")
    def log() -> Response:
        return jsonify(server.log.entries())

    @app.route("/_faults", methods=["GET", "POST", "DELETE"])
    def faults() -> tuple[Response, int] | Response:
        if request.method == "POST":
            try:
                server.faults.add(ModelFault.read(request.get_json()))
            except ValueError as error:
                return jsonify({"error": str(error)}), 400
        if request.method == "DELETE":
            server.faults.clear()
        return jsonify(server.faults.waiting())
