"""Polls `/readyz` during a story: whether it reports the crash, and when the service has recovered."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import requests

from tests.crash.stack import FragileStack

EVERY_SECONDS = 0.25
SAID_WITHIN = 5.0
AWAY, FINE = "away", "fine"


class Watch:
    """Use as a context manager; looks from a thread of its own."""

    def __init__(self, stack: FragileStack) -> None:
        self._url = f"{stack.urls['web']}/readyz"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="watch", daemon=True)
        self.seen: list[tuple[float, str]] = []
        """Unix seconds of each question and the answer's `state`; `away` where there was no answer."""

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def settle(self, patience: float) -> None:
        """Go on looking until all is well, at most so many seconds: work may end before the last process is back."""
        deadline = time.monotonic() + patience
        while (not self.seen or self.seen[-1][1] != FINE) and time.monotonic() < deadline:
            time.sleep(EVERY_SECONDS)

    def complaints(self, crashed_at: float, recovery: float) -> Iterator[str]:
        """I11 and I12 of a crash in which a process died; one that came before all was up is part of the start."""
        if not any(state == FINE for at, state in self.seen if at < crashed_at):
            return
        after = [(at, state) for at, state in self.seen if at >= crashed_at]
        told = next((at for at, state in after if state != FINE), None)
        if told is None or told > crashed_at + SAID_WITHIN:
            yield "I11 after the crash the health page said that all was fine"
            return
        well = next((at for at, state in after if state == FINE and at > told), None)
        if well is None or well > crashed_at + recovery:
            took = "never" if well is None else f"{well - crashed_at:.1f} s after the crash"
            yield f"I12 all was well again {took}"

    def _look(self) -> None:
        while not self._over.wait(EVERY_SECONDS):
            at = time.time()
            try:
                state = str(requests.get(self._url, timeout=2).json()["state"])
            except (requests.RequestException, KeyError):
                state = AWAY
            self.seen.append((at, state))
