"""`python -m integrations.standins.github`: a local GitHub until it is stopped. Reads its flags, nothing else."""

from __future__ import annotations

import argparse
import json
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

from integrations.standins.github.server import Webhook, create_app, serve
from integrations.standins.github.webhooks import Webhooks


def flags(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m integrations.standins.github", description="A local GitHub.")
    parser.add_argument("--port", type=int, default=8802, help="0 takes a free one")
    parser.add_argument("--bind", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--home", type=Path, required=True, help="the folder of all state")
    parser.add_argument("--seed", type=Path, required=True, help="people, Apps and repositories as JSON")
    parser.add_argument("--webhook", default="", help="the URL that gets the events")
    parser.add_argument("--webhook-secret-file", type=Path, help="the file with the secret that signs them")
    return parser.parse_args(arguments)


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    wanted = flags()
    secret = wanted.webhook_secret_file.read_text().strip() if wanted.webhook_secret_file else ""
    webhook = Webhook(wanted.webhook, secret) if wanted.webhook else None
    seed = json.loads(wanted.seed.read_text(encoding="utf-8"))
    app = create_app(wanted.home, seed, webhook=webhook, beside=wanted.seed.resolve().parent)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with serve(app, wanted.port, wanted.bind):
        Webhooks(app.hub).ping_command_line()
        stopped.wait()


if __name__ == "__main__":
    main()
