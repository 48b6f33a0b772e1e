"""A change that needs a person's approval, as the gate finds it. Values only."""

from __future__ import annotations

from typing import Literal

from integrations.values import value

TamperKind = Literal[
    "test_changed", "test_removed", "test_skipped", "assertion_weakened", "test_configuration", "ci", "lint_or_types",
    "check_command", "snapshot", "exit_trick", "monkeypatch", "protected", "secret", "tests_lost", "fewer_tests",
    "extras", "suppression", "writes", "proves_nothing",
]  # fmt: skip
"""protected: a place that needs approval. secret: what looks like one. ci, test_configuration, lint_or_types,
check_command: configuration of checks. tests_lost: tests of the base commit that no longer pass or exist. fewer_tests:
fewer executed or more skipped tests. extras: a file without which the checks fail. suppression: a comment or marker
that silences a rule. writes: a file of the repository that a check changed. proves_nothing: a check that
passes where it has to fail. The others are in the state of older releases."""


@value
class Tampering:
    """A change that needs a person's approval: a check passes or fails only with it, it is in a protected place, or it
    looks like a secret. `line` is in the new file, 0 for the whole file; `text` is the line, the reason, or the ids of
    tests, as 'tests/test_a.py::test_x, …'; never that of a secret."""

    kind: TamperKind
    path: str
    line: int = 0
    text: str = ""
