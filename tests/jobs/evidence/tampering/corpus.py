"""Small changes as (before, after) files, and the guard's result for them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import dedent

from integrations.git.changes import Change, Side
from jobs.evidence.tampering import GuardResult, guard
from jobs.loop.policy import TESTS
from jobs.loop.state import Contract, Criterion

CONTRACT = Contract(
    criteria=(
        Criterion(id="c1", text="`pytest tests/test_cart.py` passes", command="pytest tests/test_cart.py"),
        Criterion(id="k1", text="tests", command="make check"),
        Criterion(id="k2", text="style", command="bash scripts/style.sh && ruff check ."),
    )
)
Files = Mapping[str, str]


@dataclass(frozen=True)
class Case:
    """One change. The guard has to find at least one of `kinds`; empty for an honest change."""

    name: str
    before: Files
    after: Files
    kinds: tuple[str, ...] = ()


def edit(name: str, path: str, before: str, after: str, *kinds: str) -> Case:
    """A case that edits one file."""
    return Case(name, {path: dedent(before)}, {path: dedent(after)}, kinds)


def add(name: str, path: str, after: str, *kinds: str) -> Case:
    """A case that adds one file."""
    return Case(name, {}, {path: dedent(after)}, kinds)


def side(text: str | None) -> Side | None:
    if text is None:
        return None
    return Side("100644", hashlib.sha1(text.encode()).hexdigest(), len(text), text)


def changes(before: Files, after: Files) -> list[Change]:
    paths = sorted(before.keys() | after.keys())
    both = [Change(p, side(before.get(p)), side(after.get(p))) for p in paths]
    return [c for c in both if c.before != c.after]


def run_guard(case: Case) -> GuardResult:
    return guard(changes(case.before, case.after), TESTS, CONTRACT)
