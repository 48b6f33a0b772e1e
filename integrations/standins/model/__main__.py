"""Runs the local model: `python -m integrations.standins.model --port 8803 --home DIR`."""

from __future__ import annotations

import argparse
from pathlib import Path

from integrations.standins.model.server import create_app
from integrations.standins.wire import serve_until_stopped


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m integrations.standins.model", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--home", type=Path, required=True, help="folder of requests.jsonl")
    parser.add_argument("--latency", type=float, default=0.2, help="seconds per reply, sent in chunks")
    options = parser.parse_args()
    serve_until_stopped(create_app(options.home, options.latency), options.port)


if __name__ == "__main__":
    main()
