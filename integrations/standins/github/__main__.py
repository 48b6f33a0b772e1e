"""Runs the local GitHub: `python -m integrations.standins.github --port 8802 --home DIR --seed FILE.json`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from integrations.standins.github.server import Webhook, create_app
from integrations.standins.wire import serve_until_stopped, webhook_secret


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m integrations.standins.github", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--home", type=Path, required=True, help="folder of all state")
    parser.add_argument("--seed", type=Path, required=True, help="JSON with people, Apps and repositories")
    parser.add_argument("--webhook", help="URL of the webhook")
    parser.add_argument("--webhook-secret-file", type=Path, help="file with the secret that signs the webhook")
    options = parser.parse_args()
    secret = webhook_secret(parser, options)
    seed = json.loads(options.seed.read_text(encoding="utf-8"))
    webhook = Webhook(options.webhook, secret) if options.webhook else None
    app = create_app(options.home, seed, webhook=webhook, beside=options.seed.resolve().parent)
    serve_until_stopped(app, options.port)


if __name__ == "__main__":
    main()
