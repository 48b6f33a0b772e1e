"""Loopline's changes on a branch, apart from the commits of other accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from integrations.errors import NotFound
from integrations.git.changes import Change, Side
from jobs.evidence.own_changes import find_own_changes
from jobs.loop.foreign_state import ForeignPush

Tree = Mapping[str, str]
Judged = tuple[dict[str, tuple[str | None, str | None]], dict[str, str]]


def make_side(text: str | None) -> Side | None:
    return None if text is None else Side("100644", text, len(text), text)


class Commits(dict[str, Tree]):
    """Files by commit and path."""

    def read(self, old: str, new: str) -> Sequence[Change]:
        if old not in self or new not in self:
            raise NotFound(f"{old} or {new} is lost")
        before, after = self[old], self[new]
        paths = sorted({*before, *after})
        return [
            Change(path, make_side(before.get(path)), make_side(after.get(path)))
            for path in paths
            if before.get(path) != after.get(path)
        ]


BASE = {"a.py": "1", "test_a.py": "strict"}


def judge(commits: Commits, *pushes: tuple[str, str]) -> Judged:
    """Loopline's own changes as (before, after), and the files of others."""
    given = [ForeignPush(by="ana", before=before, head=head) for before, head in pushes]
    own, others = find_own_changes("base", "head", given, commits.read)
    texts = {c.path: (c.before.text if c.before else None, c.after.text if c.after else None) for c in own}
    return texts, others


def test_own_changes_without_pushes_are_all_changes() -> None:
    assert judge(Commits(base=BASE, head={**BASE, "a.py": "2"})) == ({"a.py": ("1", "2")}, {})


def test_own_changes_leave_out_a_file_that_another_account_added() -> None:
    commits = Commits(base=BASE, own={**BASE, "a.py": "2"}, theirs={**BASE, "a.py": "2", "NOTES.md": "x"})
    commits["head"] = {**commits["theirs"], "b.py": "new"}

    assert judge(commits, ("own", "theirs")) == ({"a.py": ("1", "2"), "b.py": (None, "new")}, {"NOTES.md": "ana"})


def test_own_changes_of_a_file_of_others_are_compared_with_their_version() -> None:
    weakened, restored = {**BASE, "test_a.py": "weak by ana"}, {**BASE, "test_a.py": "weak by ana, more by agent"}

    assert judge(Commits(base=BASE, own=BASE, theirs=weakened, head=restored), ("own", "theirs")) == (
        {"test_a.py": ("weak by ana", "weak by ana, more by agent")},
        {},
    )


@pytest.mark.parametrize("after", [None, "1"], ids=["deleted", "set back to the base commit's text"])
def test_own_changes_include_the_removal_of_work_of_others(after: str | None) -> None:
    head = {**BASE, "a.py": after} if after else {"test_a.py": "strict"}
    commits = Commits(base=BASE, own=BASE, theirs={**BASE, "a.py": "ana's"}, head=head)

    assert judge(commits, ("own", "theirs"))[0] == {"a.py": ("ana's", after)}


def test_own_changes_after_a_force_push_are_those_since_its_head() -> None:
    commits = Commits(base=BASE, own={**BASE, "a.py": "2"}, theirs={**BASE, "c.py": "ana"})
    commits["head"] = {**commits["theirs"], "d.py": "agent"}

    assert judge(commits, ("own", "theirs")) == ({"d.py": (None, "agent")}, {"c.py": "ana"})


def test_own_changes_include_those_of_a_push_whose_commits_are_lost() -> None:
    commits = Commits(base=BASE, head={**BASE, "NOTES.md": "x"})

    assert judge(commits, ("gone", "lost")) == ({"NOTES.md": (None, "x")}, {})


def test_own_changes_between_two_pushes_count() -> None:
    commits = Commits(base=BASE, own=BASE, first={**BASE, "n.md": "1"})
    commits |= {"more": {**commits["first"], "a.py": "2"}, "second": {**commits["first"], "a.py": "2", "m.md": "1"}}
    commits["head"] = dict(commits["second"])

    assert judge(commits, ("own", "first"), ("more", "second")) == (
        {"a.py": ("1", "2")},
        {"m.md": "ana", "n.md": "ana"},
    )
