from __future__ import annotations

import pytest

from jobs.contract.vague import uncheckable

VAGUE = [
    "works well", "make it nice", "is clean and fast", "as discussed", "TBD", "it works",
    "Everything works as expected.",
    "the app looks good", "code quality is improved", "the UI is intuitive and user-friendly", "better performance",
    "make the app better", "…", "???", "todo", "as we discussed with Ana", "as discussed on 12 May", "see Slack",
    "to be defined", "the solution is robust, scalable and maintainable", "users are happy", "It just feels right",
    "looks like what we agreed", "done", "no issues",
]  # fmt: skip
CLEAR = [
    "`pytest` passes", "as discussed, `make all` passes", "login works", "tests pass", "answers within 200 ms",
    "README.md shows it", "the button says \"Save\"", "CI is green", "users can log in with Google",
    "tests/auth exists",
    "the --json flag is fast", "no traceback is printed", "es funktioniert gut", "動く", "the sum is right to the cent",
    "deleting a team asks for confirmation",
]  # fmt: skip


@pytest.mark.parametrize("text", VAGUE)
def test_words_that_nobody_can_check(text: str) -> None:
    assert uncheckable(text)


@pytest.mark.parametrize("text", CLEAR)
def test_words_that_somebody_can_check(text: str) -> None:
    assert not uncheckable(text)
