"""`python -m integrations.standins.model --port 8803 --home DIR`: runs the stand-in until it is told to stop."""

from __future__ import annotations

import argparse
import signal
import threading
from pathlib import Path

from integrations.standins.model.server import create_app
from integrations.standins.wire import serve


def main() -> None:
    """Parse argv and serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m integrations.standins.model", description=__doc__)
    parser.add_argument("--port", type=int, default=8803)
    parser.add_argument("--home", type=Path, required=True, help="folder for requests.jsonl")
    parser.add_argument("--latency", type=float, default=0.2, help="seconds that a reply takes, in chunks")
    arguments = parser.parse_args()
    told_to_stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told_to_stop.set())
    with serve(create_app(arguments.home, arguments.latency), arguments.port):
        told_to_stop.wait()


if __name__ == "__main__":
    main()
