"""Runs the local Linear: `python -m integrations.standins.linear --port 8801 --home DIR --seed FILE.json`.

Started by the demo's supervisor and by hand. Webhook secrets come from files, never from argv.
"""

from __future__ import annotations

import argparse
import json
import signal
import threading
from pathlib import Path

import structlog

from integrations.standins.linear.server import Subscription, create_app, serve

log = structlog.get_logger(__name__)


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    parser = _parser()
    options = parser.parse_args()
    if len(options.webhook) != len(options.webhook_secret_file):
        parser.error("each --webhook needs its own --webhook-secret-file")
    secrets = [path.read_text(encoding="utf-8").strip() for path in options.webhook_secret_file]
    app = create_app(
        options.home,
        json.loads(options.seed.read_text(encoding="utf-8")),
        webhooks=[Subscription(url, secret) for url, secret in zip(options.webhook, secrets, strict=True)],
        retry_seconds=options.retry_seconds,
        requests_per_hour=options.requests_per_hour,
    )
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with serve(app, options.port, options.bind) as served:
        log.info("linear_standin_ready", url=served.url)
        stop.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m integrations.standins.linear", description=__doc__)
    add = parser.add_argument
    add("--port", type=int, required=True)
    add("--bind", default="127.0.0.1", help="address to listen on")
    add("--home", type=Path, required=True, help="folder of writes.jsonl, which is the state")
    add("--seed", type=Path, required=True, help="JSON with organization, users, teams and issues")
    add("--webhook", action="append", default=[], help="URL to send webhooks to; may be repeated")
    add("--webhook-secret-file", action="append", default=[], type=Path, help="one for each --webhook, in that order")
    add("--retry-seconds", nargs="*", type=float, default=[1.0, 3.0, 9.0], help="pauses before tries after the first")
    add("--requests-per-hour", type=int, default=5000, help="of one person, before RATELIMITED")
    return parser


if __name__ == "__main__":
    main()
