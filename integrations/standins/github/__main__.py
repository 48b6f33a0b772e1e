"""Runs the local GitHub: `python -m integrations.standins.github --port 8802 --home DIR --seed FILE.json`."""

from __future__ import annotations

import json

from integrations.standins.github.server import Webhook, create_app
from integrations.standins.wire import command_line, serve_until_stopped, webhook_secret


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    parser = command_line("github", __doc__)
    options = parser.parse_args()
    secret = webhook_secret(parser, options)
    seed = json.loads(options.seed.read_text(encoding="utf-8"))
    webhook = Webhook(options.webhook, secret) if options.webhook else None
    app = create_app(options.home, seed, webhook=webhook, beside=options.seed.resolve().parent)
    serve_until_stopped(app, options.port)


if __name__ == "__main__":
    main()
