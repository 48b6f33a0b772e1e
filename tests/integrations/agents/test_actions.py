"""Normalized actions: pure."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.agents.actions import normalize_action, remove_echoes


def bash(command: str) -> str:
    return normalize_action("bash", {"command": command})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("pytest -q", "pytest  -q   # again"),
        ("pytest -q -x", "pytest -x -q"),
        ("ls; pwd", "pwd ; ls"),
        ("SEED=1 ./check --seed=4", "SEED=22 ./check --seed=5"),
        ("echo 'run 1'; pytest", "echo 'run 2'; pytest"),
        ('grep "x" m.py', "grep 'x' m.py"),
        ("curl host/?t=1764017777", "curl host/?t=1764099999"),
        ("./run 2026-11-25T10:00:00Z", "./run 2026-11-25T10:07:00Z"),
        ("./run 1b4e28ba-2fa1-11d2-883f-0016d3cca427", "./run 6fa459ea-ee8a-3ca4-894e-db77e160355e"),
        ("python -c 'f()  # one\nprint(1)'", "python -c 'f()  # two\nprint(1)'"),
    ],
)
def test_action_is_the_same_but_for_details(one: str, other: str) -> None:
    assert bash(one) == bash(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("pytest tests/test_1.py", "pytest tests/test_2.py"),
        ("pytest -k first", "pytest -k second"),
        ("sed -n 10,19p m.py", "sed -n 20,29p m.py"),
        ("head -n 20 m.py", "head -n 40 m.py"),
        ("git show 1a2b3c4", "git show 1a2b3c5"),
        ("python -c 'print(f(1))'", "python -c 'print(f(2))'"),
        ("echo 1 > a", "echo 1 > b"),
        ("cp a b", "cp b a"),
        ("make && make install", "make install && make"),
        ("cat 'open", "cat 'other"),
    ],
)
def test_action_is_another_one(one: str, other: str) -> None:
    assert bash(one) != bash(other)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ({"path": "m.py", "old_str": "x = 1"}, {"path": "m.py", "old_str": "x =  1"}, True),
        ({"path": "m.py", "old_str": "x"}, {"path": "n.py", "old_str": "x"}, False),
        ({"path": "m.py", "view_range": [1, 10]}, {"path": "m.py", "view_range": [11, 20]}, False),
        ({"n": 1}, {"n": 2}, True),
    ],
)
def test_action_of_other_tools(one: dict[str, Any], other: dict[str, Any], equal: bool) -> None:
    assert (normalize_action("edit", one) == normalize_action("edit", other)) is equal


def test_result_is_compared_without_what_it_repeats_of_the_call() -> None:
    assert remove_echoes("run 7: 3 failed", {"command": "echo run 7; x"}) == " : 3 failed"
