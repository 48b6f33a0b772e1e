"""Runs the local Linear: `python -m integrations.standins.linear --port 8801 --home DIR --seed FILE.json`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from integrations.standins.linear.server import Subscription, create_app
from integrations.standins.wire import serve_until_stopped, webhook_secret


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m integrations.standins.linear", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--home", type=Path, required=True, help="folder of writes.jsonl, which is the state")
    parser.add_argument("--seed", type=Path, required=True, help="JSON with organization, users, teams and issues")
    parser.add_argument("--webhook", help="URL of the webhook")
    parser.add_argument("--webhook-secret-file", type=Path, help="file with the secret that signs the webhook")
    parser.add_argument("--requests-per-hour", type=int, default=5000, help="of one person, before RATELIMITED")
    options = parser.parse_args()
    secret = webhook_secret(parser, options)
    app = create_app(
        options.home,
        json.loads(options.seed.read_text(encoding="utf-8")),
        webhooks=[Subscription(options.webhook, secret)] if options.webhook else [],
        requests_per_hour=options.requests_per_hour,
    )
    serve_until_stopped(app, options.port)


if __name__ == "__main__":
    main()
