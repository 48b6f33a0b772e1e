"""Jobs for the tests of the slots, run by dotted name inside a real worker."""

from __future__ import annotations

import threading

started = threading.Semaphore(0)
finish = threading.Event()
ran: list[str] = []


def note(word: str) -> None:
    ran.append(word)


def fail(word: str) -> None:
    raise ArithmeticError(f"cannot do {word}")


def wait() -> None:
    started.release()
    finish.wait(30)
    ran.append("waited")
