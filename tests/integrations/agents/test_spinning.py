"""Spinning detection in transcripts: pure."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.agents.entries import INTERRUPTED
from integrations.agents.spinning import check_progress, check_repetition, find_patterns
from integrations.ports.agent_runner import AgentOutcome, Entry, SpinningLimits
from tests.integrations.agents.transcripts import bash, edit, guidance, joined, mark, silent, turn, view

LIMITS = SpinningLimits(unchanged_turns=5, no_progress_usd=1.0)
Turns = list[list[Entry]]


def kinds(turns: Turns) -> list[str]:
    return [circle.kind for circle in find_patterns(joined(turns), LIMITS)]


def played(turns: Turns) -> list[str]:
    """The results after each turn: 'note', the kind of an outcome, or ''."""
    entries, answers = joined([]), []
    for one in turns:
        entries += one
        wanted = check_repetition(entries, LIMITS)
        entries += [wanted] if isinstance(wanted, Entry) else []
        answers.append(wanted.kind if wanted else "")
        if isinstance(wanted, AgentOutcome):
            break
    return answers


def failing_tests(seconds: str = "0.12") -> list[Entry]:
    return turn(bash("pytest -q", f"1 failed, 3 passed in {seconds}s\n[exit 1]", failed=True))


SPINNING: dict[str, tuple[Turns, list[str]]] = {
    "the same step with the same result": ([turn(bash("ls")) for _ in range(4)], ["same_result"]),
    "the same step with the same error": ([failing_tests() for _ in range(3)], ["same_error"]),
    "an error that differs in how long it took": ([failing_tests(f"0.{n}") for n in range(3)], ["same_error"]),
    "a command that differs in a timestamp": (
        [turn(bash(f"curl 'localhost:80/?t=17640{n}7777' # 2026-11-25T10:0{n}:00Z")) for n in range(4)],
        ["same_result"],
    ),
    "parallel calls, in any order": (
        [turn(bash("ls"), bash("pwd")), turn(bash("pwd"), bash("ls"))] * 2,
        ["same_result"],
    ),
    "a command that differs in a comment": (
        [turn(bash(f"pytest -q  # try {'abcdef'[n]}", "1 failed\n[exit 1]", failed=True)) for n in range(6)],
        ["near_repeat"],
    ),
    "a command that differs in a number, which its output repeats": (
        [turn(bash(f"echo run {n}; SEED={n} ./check --times={n}", f"run {n}\nok")) for n in range(6)],
        ["near_repeat"],
    ),
    "a command that differs in the order of options and parts": (
        [turn(bash(("ls; pytest -q -x", "pytest -x -q ; ls", "ls ;pytest '-x' -q")[n % 3])) for n in range(5)]
        + [turn(bash("pytest -x -q;ls"))],
        ["near_repeat"],
    ),
    "an edit that fails with other white space": (
        [turn(("edit", {"path": "m.py", "old_str": f"x{' ' * n}= 1"}, "not found", True)) for n in range(1, 7)],
        ["near_repeat"],
    ),
    "three steps over and over": ([turn(bash("ls")), turn(view("m.py")), failing_tests()] * 3, ["cycle"]),
    "four steps over and over, with a counter": (
        [turn(bash(f"{name} # round {n}")) for n in range(3) for name in ("ls", "pwd", "git status", "pytest")],
        ["cycle"],
    ),
    "waiting for what never comes": ([turn(bash("sleep 30; ./build-status", "pending"))] * 20, ["polling"]),
    "waiting with a counter": (
        [turn(bash(f"sleep {n} && cat build.log # {n}", "building")) for n in range(10, 30)],
        ["polling"],
    ),
    "waiting and looking in turn, for long": ([turn(bash("sleep 60")), turn(bash("tail build.log"))] * 20, ["polling"]),
    "very many calls at once": ([turn(*(view(f"{n}.py") for n in range(61)))], ["flood"]),
    "very many calls before the first change": (
        [mark("a"), *(turn(*(view(f"{n}-{m}.py") for m in range(8))) for n in range(25))],
        ["reading"],
    ),
    "a pair in turn": ([turn(bash("ls")), failing_tests()] * 3, ["alternating"]),
    "replies without a tool": ([silent() for _ in range(3)], ["monologue"]),
    "no change after the first one": (
        [mark("a"), turn(edit("m.py", "1"), work="b"), *(turn(view("m.py", n)) for n in range(5))],
        ["unchanged"],
    ),
    "files that are touched and stay as they are": (
        [mark("a"), turn(edit("m.py", "1"), work="b"), *(turn(bash(f"touch m{n}.py"), work="b") for n in range(5))],
        ["unchanged"],
    ),
    "undone and redone": (
        [mark("a"), *(turn(bash(f"git stash {n}"), work="ba"[n % 2]) for n in range(3))],
        ["reverted"],
    ),
}


@pytest.mark.parametrize("what", SPINNING)
def test_spinning_is_detected(what: str) -> None:
    turns, expected = SPINNING[what]
    assert kinds(turns) == expected
    assert kinds(turns[:-1]) == [], "not one turn too early"


INNOCENT: dict[str, Turns] = {
    "polling": [turn(bash("sleep 30; ./build-status")) for _ in range(19)],
    "polling a build that goes on": [turn(bash("sleep 30; cat log", f"{n} of 50 files")) for n in range(40)],
    "polling after a change": [mark("a"), turn(edit("m.py", "1"), work="b"), *[turn(bash("sleep 9"))] * 19],
    "waiting and looking in turn": [turn(bash("sleep 60")), turn(bash("tail build.log"))] * 8,
    "output that grows": [turn(bash("tail build.log", f"{n} of 50 files\n[exit 0]")) for n in range(30)],
    "a failing count that falls": [turn(bash("pytest", f"{9 - n} failed in 1s", failed=True)) for n in range(9)],
    "the next lines of a file": [turn(bash(f"sed -n {n}0,{n}9p m.py", "# same comment")) for n in range(1, 30)],
    "the tests again after each edit": [
        one
        for n in range(9)
        for one in (turn(edit("m.py", str(n)), work=f"w{n}"), failing_tests())
    ],
    "a script that changes something each time": [mark("w"), *(turn(bash("./fix"), work=f"w{n}") for n in range(9))],
    "a long reading phase before the first edit": [mark("a"), *(turn(view(f"{n}.py"), work="a") for n in range(40))],
    "one undo": [mark("a"), turn(edit("m.py", "1"), work="b"), turn(bash("git stash"), work="a"), turn(bash("x"))],
    "a killed process": [turn(bash("make", INTERRUPTED, failed=True)) for _ in range(5)],
    "the same error in another place": [turn(bash(f"cat {n}", "No such file", failed=True)) for n in range(9)],
    "two errors in a row, then a look": [failing_tests(), failing_tests(), turn(view("m.py"))] * 2,
    "the tests of different files": [turn(bash(f"pytest -q tests/test_{n}.py", "1 passed")) for n in range(20)],
    "different tests of a file": [turn(bash(f"pytest -q -k {name}", "1 passed")) for name in "abcdefghij"],
    "different ranges of lines": [turn(view("m.py", n)) for n in range(1, 300, 10)],
    "a function with different inputs": [turn(bash(f"python -c 'print(f({n}))'", "True")) for n in range(15)],
    "different commits": [turn(bash(f"git show 1a2b3c{n}", "nothing")) for n in range(10, 25)],
    "many calls in a read-only run": [turn(*(view(f"{n}-{m}.py") for m in range(8))) for n in range(40)],
    "a debugging session": [
        one
        for n in range(8)
        for one in (
            turn(edit("m.py", f"print({n})"), work=f"with-print-{n}"),
            failing_tests(),
            turn(view("m.py")),
            turn(edit("m.py", ""), work="without"),
        )
    ],
    "one parallel call that repeats among new ones": [turn(bash("git diff"), view("m.py", n)) for n in range(20)],
}  # fmt: skip


@pytest.mark.parametrize("what", INNOCENT)
def test_spinning_is_not_detected_in_useful_repetition(what: str) -> None:
    assert set(played(INNOCENT[what])) == {""}


def test_spinning_count_restarts_after_guidance() -> None:
    assert played([failing_tests(), [*failing_tests(), guidance()], failing_tests(), failing_tests()]) == [""] * 4


def test_spinning_gets_a_note_first_and_ends_one_turn_later() -> None:
    assert played([failing_tests() for _ in range(9)]) == ["", "", "note", "spinning"]
    assert played([turn(bash("ls")), failing_tests()] * 9) == [""] * 5 + ["note", "spinning"]
    assert played([silent() for _ in range(9)]) == ["", "", "note", "spinning"]


def test_spinning_that_stops_after_the_note_does_not_end_the_run() -> None:
    turns = [*(failing_tests() for _ in range(3)), turn(view("m.py")), *(failing_tests() for _ in range(2))]
    assert played(turns)[2:] == ["note", "", "", ""]


def test_spinning_gets_one_note_per_pattern() -> None:
    again = [*(failing_tests() for _ in range(3)), turn(view("m.py")), *(failing_tests() for _ in range(3))]
    assert played(again)[-1] == "spinning"
    other = [*(failing_tests() for _ in range(3)), *(turn(bash("ls")) for _ in range(4))]
    assert played(other)[-1] == "note"


def test_spinning_with_nearly_the_same_step_ends_one_turn_after_the_note() -> None:
    turns = [turn(bash(f"pytest # {n}", "1 failed", failed=True)) for n in range(9)]
    assert played(turns) == [""] * 5 + ["note", "spinning"]


@pytest.mark.parametrize("turns", [SPINNING[what][0] for what in SPINNING if "reading" not in SPINNING[what][1]])
def test_spinning_has_a_sentence_for_people(turns: Turns) -> None:
    (found,) = find_patterns(joined(turns), LIMITS)
    assert found.summary.startswith("The ") and found.summary.endswith(".") and found.advice != found.summary


def test_spinning_note_about_calls_before_a_change_restarts_the_count() -> None:
    turns = [mark("a"), *(turn(*(view(f"{n}-{m}.py") for m in range(50))) for n in range(12))]
    assert played(turns) == [""] * 4 + ["note"] + [""] * 3 + ["spinning"]


def test_spinning_note_about_unchanged_files_restarts_the_count() -> None:
    turns = [mark("a"), turn(edit("m.py", "1"), work="b"), *(turn(view("m.py", n)) for n in range(12))]
    assert played(turns) == [""] * 6 + ["note"] + [""] * 4 + ["spinning"]


def test_spinning_between_two_states_ends_one_turn_after_the_note() -> None:
    turns = [mark("a"), *(turn(bash(f"git stash {n}"), work="ba"[n % 2]) for n in range(5))]
    assert played(turns) == ["", "", "", "note", "spinning"]


def test_spinning_summary_names_the_step_in_one_short_sentence() -> None:
    long = turn(bash("pytest -q " + "tests/some/folder " * 20 + "`x`", "boom", failed=True))
    entries = joined([long, long, long])
    note = check_repetition(entries, LIMITS)
    assert isinstance(note, Entry) and "failed 3 times with the same error" in note.data["text"]
    end = check_repetition([*entries, note, *long], LIMITS)
    assert isinstance(end, AgentOutcome) and end.summary.startswith("The agent ran `pytest -q tests/some")
    assert end.summary.endswith("4 times in a row and got the same error each time.") and len(end.summary) < 200


def test_spinning_note_is_not_repeated_by_a_resumed_slice() -> None:
    entries = joined([failing_tests() for _ in range(3)])
    note = check_repetition(entries, LIMITS)
    assert isinstance(note, Entry) and check_repetition([*entries, note], LIMITS) is None


def test_spinning_limits_come_from_the_policy() -> None:
    patient = dataclasses.replace(LIMITS, same_error=5)
    entries = joined([failing_tests() for _ in range(4)])
    assert find_patterns(entries, LIMITS) and not find_patterns(entries, patient)


def test_spinning_is_not_detected_before_the_first_turn() -> None:
    assert check_repetition(joined([]), LIMITS) is None and find_patterns(joined([mark("a")]), LIMITS) == []


@pytest.mark.parametrize(
    ("works", "ends"),
    [
        (["a", "a"], False),
        (["a", "a", "a"], True),
        (["a", "b", "b"], False),
        (["a", "b", "b", "b"], True),
        (["a", "b", "a", "b"], True),
        (["a", "b", "c", "d", "e", "f"], False),
    ],
)
def test_progress_budget_limits_the_cost_without_a_new_change(works: list[str], ends: bool) -> None:
    first, *others = works
    outcome = check_progress(joined([mark(first), *(turn(bash("x"), work=work, cost=0.5) for work in others)]), LIMITS)
    assert (outcome is not None) == ends
    assert outcome is None or (outcome.kind == "budget" and "without progress" in outcome.summary)


def test_progress_budget_includes_polling_and_guidance() -> None:
    entries = joined([mark("a"), turn(bash("sleep 9"), cost=0.6), [guidance()], turn(bash("sleep 9"), cost=0.4)])
    assert check_progress(entries, LIMITS) is not None


def test_progress_budget_ignores_read_only_agents_and_runs_without_a_limit() -> None:
    dear = turn(bash("x"), cost=9.0)
    assert check_progress(joined([dear]), LIMITS) is None
    assert check_progress(joined([mark("a"), dear]), SpinningLimits()) is None


def test_progress_budget_of_zero_allows_no_cost() -> None:
    assert check_progress(joined([mark("a")]), SpinningLimits(no_progress_usd=0.0)) is not None


_CALLS = st.tuples(
    st.sampled_from(["ls", "pytest -q", "sleep 3", "cat a"]),
    st.sampled_from(["ok", "1 failed, 2 passed", "2 failed, 1 passed", "No such file"]),
    st.booleans(),
)
_TURNS = st.lists(
    st.tuples(st.lists(_CALLS, min_size=1, max_size=2), st.sampled_from(["", "a", "b", "c"])), max_size=12
)


def written(turns: Any, stamp: str, address: str) -> list[Entry]:
    """The same transcript with other ids, times and addresses."""
    return joined(
        [
            turn(*(bash(f"{c} # {stamp}", f"{stamp} {r} at {address}", failed=f) for c, r, f in calls), work=work)
            for calls, work in turns
        ]
    )


@settings(deadline=None)
@given(_TURNS, st.datetimes(), st.datetimes(), st.integers(0x1000, 2**40), st.integers(0x1000, 2**40))
def test_spinning_detection_ignores_ids_times_and_addresses(turns: Any, t1: Any, t2: Any, a1: int, a2: int) -> None:
    one = written(turns, t1.isoformat(timespec="seconds"), hex(a1))
    other = written(turns, t2.isoformat(timespec="seconds"), hex(a2))
    found = [[(c.kind, c.fingerprint) for c in find_patterns(entries, LIMITS)] for entries in (one, other)]
    assert found[0] == found[1]
