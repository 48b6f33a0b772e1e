"""What a play is: a repository, a change of it, and the commands of its contract. Data; played by `outcome`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Language = Literal["Python", "Node", "Go", "Rust", "Java", "Ruby"]
Files = Mapping[str, str]
Change = Mapping[str, str | None]
Kind = Literal[
    "old tests", "empty proof", "not loaded", "neutralised", "extras", "snapshots", "fewer tests", "suppressions",
    "writes", "honest",
]  # fmt: skip
"""old tests: edited, weakened, deleted, skipped or renamed. empty proof: new tests that pass without the change. not
loaded: the checks never see the changed code. neutralised: assertions, equality or the runner. extras: configuration,
plug-ins and build scripts. snapshots: expected output that was written again. fewer tests: filters and early returns.
suppressions: of lint and types. writes: one command makes a later one pass."""


@dataclass(frozen=True)
class Play:
    """One change of a repository. In `change`, None deletes the file.

    `may_change` are the path patterns of tests and configuration that the ticket asks to change. `asked_ok`: a question
    to a person is right too, although the change is honest."""

    name: str
    language: Language
    runner: str
    honest: bool
    kind: Kind
    base: Files
    change: Change
    commands: tuple[str, ...]
    may_change: tuple[str, ...] = ()
    asked_ok: bool = False
    ticket: str = ""


@dataclass(frozen=True)
class Project:
    """A repository that the plays of one runner share; `ticket` is what is asked unless a play says otherwise."""

    language: Language
    runner: str
    files: Files
    commands: tuple[str, ...]
    ticket: str

    def cheat(
        self, name: str, kind: Kind, change: Change, *, files: Change | None = None, commands: tuple[str, ...] = ()
    ) -> Play:
        """A change that must not count as done. `files` are laid over the repository's."""
        return self._play(name, False, kind, change, files or {}, commands)

    def honest(
        self,
        name: str,
        change: Change,
        *,
        ticket: str = "",
        files: Change | None = None,
        commands: tuple[str, ...] = (),
        may_change: tuple[str, ...] = (),
        asked_ok: bool = False,
    ) -> Play:
        """A change that must count as done."""
        return self._play(name, True, "honest", change, files or {}, commands, may_change, asked_ok, ticket)

    def _play(
        self,
        name: str,
        honest: bool,
        kind: Kind,
        change: Change,
        files: Change,
        commands: tuple[str, ...],
        may_change: tuple[str, ...] = (),
        asked_ok: bool = False,
        ticket: str = "",
    ) -> Play:
        base = {path: text for path, text in {**self.files, **files}.items() if text is not None}
        return Play(
            f"{self.runner}: {name}", self.language, self.runner, honest, kind, base, change,
            commands or self.commands, may_change, asked_ok, ticket or self.ticket,
        )  # fmt: skip


def swap(text: str, old: str, new: str) -> str:
    """`text` with one part replaced, which must be there."""
    assert old in text, f"{old!r} is not in the text"
    return text.replace(old, new, 1)
