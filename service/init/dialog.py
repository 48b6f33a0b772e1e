"""Questions on a terminal, or their defaults with `--yes`."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Sequence
from typing import TextIO, TypeVar

T = TypeVar("T")
TRIES = 3


class Aborted(Exception):
    """The set-up cannot go on; the message names what is missing and the fix."""


class Dialog:
    """Asks on `source` and writes to `out`. `asked` counts the answers. Without `source` nothing is asked."""

    def __init__(self, source: TextIO | None, out: TextIO) -> None:
        self._source, self._out = source, out
        self.asked = 0

    @property
    def is_interactive(self) -> bool:
        """Whether questions are asked."""
        return self._source is not None

    def show(self, *lines: str) -> None:
        """Print lines."""
        self._out.writelines(f"{line}\n" for line in lines)
        self._out.flush()

    def ask(self, question: str, parse: Callable[[str], T], *, default: str = "", secret: bool = False,
            missing: str = "") -> T:  # fmt: skip
        """Return what `parse` makes of the answer; asks again when it raises `ValueError`. Raises `Aborted` without an
        answer: `missing` then names the setting or option that replaces it."""
        if self._source is None:
            if not default:
                raise Aborted(missing)
            return parse(default)
        for _ in range(TRIES):
            answer = self._read(f"{question}{f' [{default}]' if default else ''}: ", secret=secret) or default
            self.asked += 1
            try:
                return parse(answer)
            except ValueError as error:
                self.show(f"  {error}.")
        raise Aborted(f"no usable answer after {TRIES} tries")

    def choose(self, question: str, options: Sequence[str], *, missing: str) -> str:
        """Return one of the options, by its text or number. A single one is taken without a question."""
        if len(options) == 1:
            return options[0]
        if self._source is None:
            raise Aborted(missing)
        self.show(*(f"  {number}. {option}" for number, option in enumerate(options, 1)))

        def parse(answer: str) -> str:
            if answer.isdecimal() and 1 <= int(answer) <= len(options):
                return options[int(answer) - 1]
            found = [option for option in options if option.lower().split(" ")[0] == answer.lower()]
            if not found:
                raise ValueError(f"it is none of them; write a number from 1 to {len(options)}")
            return found[0]

        return self.ask(question, parse)

    def confirm(self, question: str) -> bool:
        """Whether the answer is yes, which is the default."""
        if self._source is None:
            return True
        answers = {"": True, "y": True, "yes": True, "n": False, "no": False}

        def parse(answer: str) -> bool:
            if answer.lower() not in answers:
                raise ValueError("it is no answer; write y or n")
            return answers[answer.lower()]

        return self.ask(f"{question} [Y/n]", parse)

    def _read(self, prompt: str, *, secret: bool) -> str:
        assert self._source is not None
        if secret and self._source.isatty():
            return getpass.getpass(prompt).strip()
        self._out.write(prompt)
        self._out.flush()
        line = self._source.readline()
        if not line:
            raise Aborted("the input ended before the set-up did")
        if not self._source.isatty():
            self._out.write("\n")
        return line.strip()
