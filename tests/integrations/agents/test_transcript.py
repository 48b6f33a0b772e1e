"""State of a run: pure."""

from __future__ import annotations

import pytest

from integrations.agents.entries import result_entry, turn_entry
from integrations.agents.transcript import (
    build_wrap_up_note,
    check_turn,
    check_turn_limit,
    count_turns,
    find_statement,
    list_unanswered_calls,
    needs_mark,
)
from integrations.ports.agent_runner import AgentOutcome, Entry, ToolResult
from tests.integrations.agents.doubles import block_call, block_text, task

BRIEF = Entry("brief", {"text": "do it"})


def reply(stop_reason: str, *blocks: Entry, explanation: str = "") -> list[Entry]:
    return [*blocks, turn_entry(stop_reason, {}, len(blocks), explanation)]


def kind_after(entries: list[Entry]) -> str | None:
    wanted = check_turn(entries)
    return wanted.kind if wanted else None


def test_turn_check_returns_none_before_the_first_turn() -> None:
    assert check_turn([BRIEF]) is None


def test_turn_check_uses_the_last_text_as_summary() -> None:
    entries = [BRIEF, *reply("end", block_text("all"), block_text("done"))]
    assert check_turn(entries) == AgentOutcome("done", "all\n\ndone")


def test_turn_check_continues_after_tool_results() -> None:
    entries = [BRIEF, *reply("tool_calls", block_call("a")), result_entry("a", ToolResult("ok"))]
    assert check_turn(entries) is None and list_unanswered_calls(entries) == []


def test_turn_check_ends_the_run_with_a_final_result() -> None:
    final = result_entry("a", ToolResult("taken", final={"results": []}))
    wanted = check_turn([BRIEF, *reply("tool_calls", block_text("my verdict"), block_call("a")), final])
    assert wanted == AgentOutcome("done", "my verdict", {"results": []})


def test_turn_check_continues_after_guidance() -> None:
    said = Entry("steering", {"text": "one more thing", "comment_ids": []})
    assert check_turn([BRIEF, *reply("end", block_text("done")), said]) is None


def test_turn_check_ignores_an_outcome() -> None:
    entries = [BRIEF, *reply("end", block_text("done")), Entry("outcome", {"kind": "stopped"})]
    assert check_turn(entries) == AgentOutcome("done", "done")


@pytest.mark.parametrize(
    ("stop_reason", "blocks", "first", "second"),
    [
        ("length", [block_text("I was about to")], "note", "failed"),
        ("end", [], "note", "failed"),
        ("tool_calls", [], "note", "failed"),
        ("refused", [], "refused", "refused"),
        ("context_full", [block_text("x")], "turns", "turns"),
        ("paused", [block_text("x")], None, None),
        ("compaction", [block_text("x")], "done", "done"),
    ],
)
def test_turn_check_by_stop_reason(
    stop_reason: str, blocks: list[Entry], first: str | None, second: str | None
) -> None:
    entries = [BRIEF, *reply(stop_reason, *blocks)]
    assert kind_after(entries) == first
    wanted = check_turn(entries)
    advice = [wanted] if isinstance(wanted, Entry) else []
    assert kind_after([*entries, *advice, *reply(stop_reason, *blocks)]) == second


def test_turn_check_ignores_a_note_before_the_previous_turn() -> None:
    note = check_turn([BRIEF, *reply("end")])
    assert isinstance(note, Entry)
    between = [*reply("tool_calls", block_call("a")), result_entry("a", ToolResult("ok"))]
    assert kind_after([BRIEF, *reply("end"), note, *between, *reply("end")]) == "note"


def test_turn_check_returns_the_reason_of_a_refusal() -> None:
    wanted = check_turn([BRIEF, *reply("refused", explanation="not this")])
    assert wanted == AgentOutcome("refused", "not this")


@pytest.mark.parametrize(("made", "kind"), [(4, None), (5, "turns"), (6, "turns")])
def test_turn_limit_is_enforced(made: int, kind: str | None) -> None:
    outcome = check_turn_limit(reply("end") * made, task(max_turns=5))
    assert (outcome.kind if outcome else None) == kind


def test_turn_limit_of_zero_allows_no_call() -> None:
    assert check_turn_limit([BRIEF], task(max_turns=0)) == AgentOutcome("turns", "the run's 0 turns are used up")


def test_turn_check_ends_the_run_by_the_limit_that_cut_the_reply() -> None:
    turn = turn_entry("length", {}, 1, lowered="the run's budget is used up")
    assert check_turn([BRIEF, block_text("I was about to"), turn]) == AgentOutcome("budget", turn.data["lowered"])


@pytest.mark.parametrize(("share", "made", "near"), [(0.79, 0, False), (0.8, 0, True), (0.0, 7, False), (0.0, 8, True)])
def test_wrap_up_note_comes_once_near_a_limit(share: float, made: int, near: bool) -> None:
    entries, limits = reply("end") * made, task(max_turns=10)
    note = build_wrap_up_note(entries, limits, share)
    assert (note is not None) == near and count_turns(entries) == made
    assert note is None or build_wrap_up_note([*entries, note], limits, share) is None


def test_turn_check_ignores_a_mark() -> None:
    entries = [BRIEF, *reply("end", block_text("done")), Entry("mark", {"work": "a"})]
    assert check_turn(entries) == AgentOutcome("done", "done")


def test_mark_is_needed_at_first_and_after_a_tool_that_can_write() -> None:
    marked = [BRIEF, Entry("mark", {"work": "a"})]
    called = [*marked, *reply("tool_calls", block_call("c")), result_entry("c", ToolResult("ok"))]
    assert needs_mark([BRIEF], {"bash"}) and not needs_mark(marked, {"bash"})
    assert needs_mark(called, {"bash"}) and not needs_mark(called, {"edit"})
    assert not needs_mark([*called, Entry("mark", {"work": "a"})], {"bash"})


@pytest.mark.parametrize(
    ("said", "approach"),
    [
        ("Approach: round at the end.\nI begin.", "round at the end."),
        ("I look.\n**approach: round at the end**", "round at the end"),
        ("My approach: x", ""),
        ("", ""),
    ],
)
def test_statement_is_the_first_line_with_its_prefix(said: str, approach: str) -> None:
    entries = [BRIEF, block_text(said), block_call("a"), block_text("no line"), block_text("x\nApproach:")]
    assert find_statement(entries, "Approach:") == approach
