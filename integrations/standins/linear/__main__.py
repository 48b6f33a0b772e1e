"""Runs the local Linear: `python -m integrations.standins.linear --port 8801 --home DIR --seed FILE.json`."""

from __future__ import annotations

import json

from integrations.standins.linear.server import Subscription, create_app
from integrations.standins.wire import command_line, serve_until_stopped, webhook_secret


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    parser = command_line("linear", __doc__)
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
