"""Fingerprints of actions and results: pure."""

from __future__ import annotations

import pytest

from integrations.agents.fingerprints import combine_fingerprints, fingerprint_action, fingerprint_result

SAME_RESULTS = [
    ("5 passed in 0.12s", "5 passed in 13.01s"),
    ("built at 2026-11-25T10:00:01Z", "built at 2026-11-26 23:59:59.123+01:00"),
    ("Wed Nov 25 17:06:17 UTC 2026", "Thu Nov 26 09:00:00 UTC 2026"),
    ("<Order object at 0x7fcf347f28d0>", "<Order object at 0x7f0034aaaaaa>"),
    ("wrote /tmp/tmpx1y2z3ab/out.txt", "wrote /tmp/tmpq9w8e7rt/out.txt"),
    ("/tmp/pytest-of-agent/pytest-3/test_a0", "/tmp/pytest-of-agent/pytest-12/test_a0"),
    ("worker pid 4711 died", "worker pid 12 died"),
    ("[1] 4711\ndone", "[1] 4712\ndone"),
    ("listening on 127.0.0.1:40123", "listening on 127.0.0.1:40999"),
    ('File "a.py", line 12, in f', 'File "a.py", line 13, in f'),
    ("a.py:12:5: F841 unused", "a.py:14:9: F841 unused"),
    ("real\t0m1.200s", "real\t0m3.456s"),
    ("tests .. [ 50%]", "tests .. [ 51%]"),
    ("  x\n\n  y  ", "x\ny"),
    ("started 1764057600", "started 1764057699.25"),
    ("run 123e4567-e89b-12d3-a456-426614174000", "run 00000000-e89b-12d3-a456-426614174fff"),
]


@pytest.mark.parametrize(("one", "other"), SAME_RESULTS)
def test_fingerprint_ignores_values_that_differ_in_every_run(one: str, other: str) -> None:
    assert fingerprint_result(one, is_error=False) == fingerprint_result(other, is_error=False)


OTHER_RESULTS = [
    ("1 failed, 3 passed in 1s", "2 failed, 2 passed in 1s"),
    ("Ran 4 tests in 0.1s", "Ran 5 tests in 0.1s"),
    ("12 of 50 files", "13 of 50 files"),
    ("NameError: name 'a'", "NameError: name 'b'"),
    ("AssertionError: 3 != 4", "AssertionError: 3 != 5"),
    ("a.py:12: unused", "b.py:12: unused"),
    ("", "x"),
]


@pytest.mark.parametrize(("one", "other"), OTHER_RESULTS)
def test_fingerprint_includes_values_that_show_progress(one: str, other: str) -> None:
    assert fingerprint_result(one, is_error=True) != fingerprint_result(other, is_error=True)


def test_fingerprint_of_an_error_differs_from_the_same_text() -> None:
    assert fingerprint_result("x", is_error=True) != fingerprint_result("x", is_error=False)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("run --at 2026-11-25T10:00:01", "run --at 2026-11-25T10:00:02", True),
        ("cat /tmp/tmpx1y2z3ab/a", "cat /tmp/tmpq9w8e7rt/a", True),
        ("  ls ", "ls", True),
        ("sed -n 1,10p a.py", "sed -n 11,20p a.py", False),
        ("cat /tmp/a.log", "cat /tmp/b.log", False),
        ("pytest a.py:3", "pytest a.py:4", False),
        ("head -50 x", "head -60 x", False),
    ],
)
def test_fingerprint_of_an_action_ignores_times_and_temporary_names(one: str, other: str, same: bool) -> None:
    assert (fingerprint_action("bash", {"command": one}) == fingerprint_action("bash", {"command": other})) == same


def test_fingerprint_of_an_action_ignores_argument_order_and_includes_the_tool() -> None:
    assert fingerprint_action("view", {"path": "a", "x": [1, "b"]}) == fingerprint_action(
        "view", {"x": [1, "b"], "path": "a"}
    )
    assert fingerprint_action("view", {"path": "a"}) != fingerprint_action("search", {"path": "a"})


def test_fingerprint_of_parallel_steps_ignores_their_order() -> None:
    assert combine_fingerprints(["a", "b"]) == combine_fingerprints(["b", "a"]) != combine_fingerprints(["a", "c"])
