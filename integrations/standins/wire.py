"""Shared parts of the stand-ins, of no provider: serve an application, log writes, inject faults, send webhooks."""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from flask import Flask, Response, jsonify, request
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

POLL_S = 0.05  # how long closing a server may take


# --- serving --------------------------------------------------------------------------------------------------------


class QuietHandler(WSGIRequestHandler):
    """Answers at once (no Nagle delay) and does not log requests."""

    disable_nagle_algorithm = True

    def log(self, type: str, message: str, *args: Any) -> None:
        """The terminal belongs to the demo, and writes have their own log."""


class Served:
    """A WSGI application on a real socket. `url` has no slash at the end."""

    def __init__(self, server: BaseWSGIServer, on_close: Callable[[], None]) -> None:
        host = server.host if ":" not in server.host else f"[{server.host}]"
        self.url = f"http://{host}:{server.port}"
        self._server = server
        self._on_close = on_close
        self._thread = threading.Thread(target=server.serve_forever, args=(POLL_S,), name=self.url, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening and let the application's background work end. May be called twice."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._on_close()

    def __enter__(self) -> Served:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def serve(app: WSGIApplication, port: int = 0, host: str = "127.0.0.1") -> Served:
    """Serve `app` from threads of this process; port 0 takes a free one.

    An attribute `close` of the application is called at the end. Raises `OSError` when the port is taken."""
    server = make_server(host, port, app, threaded=True, request_handler=QuietHandler)
    return Served(server, getattr(app, "close", lambda: None))


def serve_until_stopped(app: WSGIApplication, port: int) -> None:
    """Serve `app` as the whole process, until SIGINT or SIGTERM."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with serve(app, port):
        stopped.wait()


def command_line(name: str, description: str | None) -> argparse.ArgumentParser:
    """The options that Linear and GitHub share."""
    parser = argparse.ArgumentParser(prog=f"python -m integrations.standins.{name}", description=description)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--home", type=Path, required=True, help="folder of all state")
    parser.add_argument("--seed", type=Path, required=True, help="JSON document with the first state")
    parser.add_argument("--webhook", help="URL of the webhook")
    parser.add_argument("--webhook-secret-file", type=Path, help="file with the secret that signs the webhook")
    return parser


def webhook_secret(parser: argparse.ArgumentParser, options: argparse.Namespace) -> str:
    """The content of `--webhook-secret-file`, which a `--webhook` needs: secrets are never in argv."""
    if options.webhook and options.webhook_secret_file is None:
        parser.error("--webhook needs a --webhook-secret-file")
    return str(options.webhook_secret_file.read_text(encoding="utf-8")).strip() if options.webhook else ""


def drop_connection(environ: Mapping[str, Any]) -> None:
    """Close the client's connection: the answer of the application is lost."""
    environ["werkzeug.socket"].shutdown(2)


# --- the log of writes ----------------------------------------------------------------------------------------------


def timestamp() -> str:
    """The current time: ISO 8601 in UTC with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class WriteLog:
    """Every accepted write as one JSON object per line: at, actor, operation, input, result."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        cut_torn_line(path)

    def append(self, actor: str, operation: str, input: Any, result: Any) -> None:
        """Add one line."""
        entry = {"at": timestamp(), "actor": actor, "operation": operation, "input": input, "result": result}
        with self._lock, self._path.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def entries(self) -> list[dict[str, Any]]:
        """All writes, oldest first."""
        return list(read_json_lines(self._path))


def read_json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file of JSON lines; an incomplete last line is skipped."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):
                yield json.loads(line)


def cut_torn_line(path: Path) -> None:
    """Remove the incomplete last line of a killed process, so that the next write starts a new line."""
    content = path.read_bytes()
    if not content.endswith(b"\n"):
        path.write_bytes(content[: content.rfind(b"\n") + 1])


# --- faults ---------------------------------------------------------------------------------------------------------

WEBHOOK_FAULTS = (
    "webhook_drop",  # recorded as failed, not sent
    "webhook_duplicate",  # sent twice, byte for byte
    "webhook_delay",  # sent after `seconds`; later ones overtake it
)


@dataclass
class Fault:
    """A fault of the next `times` uses of `operation`; '*' matches each one. Each stand-in documents its kinds."""

    operation: str
    kind: str
    times: int = 1
    seconds: float = 0.0

    @classmethod
    def read(cls, wanted: Mapping[str, Any], kinds: Collection[str]) -> Fault:
        """A fault from JSON. Raises `ValueError` with a sentence for the caller."""
        if wanted.get("kind") not in kinds:
            raise ValueError(f"kind is {wanted.get('kind')!r}; it must be one of {', '.join(kinds)}")
        times, seconds = int(wanted.get("times", 1)), float(wanted.get("seconds", 0))
        return cls(str(wanted.get("operation") or "*"), wanted["kind"], times, seconds)


class Faults:
    """The requested faults that are not used up."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._waiting.append(fault)

    def take(self, operations: Collection[str], kinds: Collection[str], *, named_only: bool = False) -> Fault | None:
        """Use up the oldest fault of one of `kinds` that matches one of the names in `operations`; `named_only`: not
        one for all operations."""
        names = {*operations} if named_only else {"*", *operations}
        with self._lock:
            for fault in self._waiting:
                if fault.times > 0 and fault.kind in kinds and fault.operation in names:
                    fault.times -= 1
                    return fault
        return None

    def waiting(self) -> list[dict[str, Any]]:
        """The faults to come, as JSON."""
        with self._lock:
            return [asdict(fault) for fault in self._waiting if fault.times > 0]

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()


def add_controls(
    app: Flask, entries: Callable[[], list[dict[str, Any]]], faults: Faults, kinds: Collection[str]
) -> None:
    """`GET /_log`; `/_faults`: POST adds a fault of one of `kinds`, DELETE removes all, each returns those to come."""
    app.add_url_rule("/_log", "log", lambda: jsonify(entries()))

    @app.route("/_faults", methods=["GET", "POST", "DELETE"])
    def change_faults() -> Response | tuple[Response, int]:
        if request.method == "DELETE":
            faults.clear()
        if request.method == "POST":
            try:
                faults.add(Fault.read(request.get_json(), kinds))
            except ValueError as error:
                return jsonify({"error": str(error)}), 400
        return jsonify(faults.waiting())


# --- webhooks -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Webhook:
    """The URL for all events, and the secret that signs them."""

    url: str
    secret: str


def hmac_sha256(secret: str, body: bytes) -> str:
    """The hex digest that both Linear and GitHub sign with."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class Answer:
    """How a receiver answered a delivery; without an answer, `code` is 0 and `reason` is the cause."""

    code: int
    reason: str
    seconds: float

    @property
    def ok(self) -> bool:
        return 200 <= self.code < 300


def deliver(url: str, headers: Mapping[str, str], body: bytes, timeout: float = 10.0) -> Answer:
    """POST `body` unchanged; never raises because of the receiver."""
    started = time.monotonic()
    try:
        answer = requests.post(url, data=body, headers=dict(headers), timeout=timeout, allow_redirects=False)
    except requests.Timeout:
        return Answer(0, "timed out", time.monotonic() - started)
    except requests.RequestException:
        return Answer(0, "failed to connect to host", time.monotonic() - started)
    return Answer(answer.status_code, answer.reason or "", time.monotonic() - started)


class Sender:
    """Runs jobs on one background thread, in the order of their due times."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "webhooks")
        self._changed = threading.Condition()
        self._pending = 0
        self._closed = False

    def schedule(self, job: Callable[[], None], delay: float = 0.0) -> None:
        """Run `job` after `delay` seconds. It must not raise."""
        with self._changed:
            self._pending += 1
        if not delay:
            self._submit(job)
            return
        timer = threading.Timer(delay, self._submit, (job,))
        timer.daemon = True
        timer.start()

    def settle(self, timeout: float = 10.0) -> bool:
        """Wait until no job is pending or running; whether that happened within `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._pending, timeout)

    def close(self) -> None:
        """Finish the running job and drop the pending ones."""
        with self._changed:
            self._closed = True
        self._thread.shutdown(cancel_futures=True)

    def _submit(self, job: Callable[[], None]) -> None:
        with self._changed:
            if not self._closed:
                self._thread.submit(self._run, job)

    def _run(self, job: Callable[[], None]) -> None:
        job()
        with self._changed:
            self._pending -= 1
            self._changed.notify_all()
