"""Formatting of transcript entries."""

from __future__ import annotations

from typing import Any, cast

import pytest

from integrations.ports.agent_runner import Entry
from service.dashboard.entries import LONGEST, ShownEntry, format_entry, format_headline
from tests.service.dashboard.story import calls, note, result, says, thinks, turn


@pytest.mark.parametrize(
    ("name", "given", "text", "body"),
    [
        ("bash", {"command": "ls -la"}, "ls -la", ""),
        ("bash", {"restart": True}, "restart", ""),
        ("view", {"path": "a.py"}, "a.py", ""),
        ("search", {"pattern": "def x", "path": "app"}, "def x in app", ""),
        ("search", {"pattern": "def x"}, "def x", ""),
        ("edit", {"command": "view", "path": "a.py"}, "view a.py", ""),
        ("edit", {"command": "create", "path": "a", "file_text": "1\n2"}, "create a", "+ 1\n+ 2"),
        ("edit", {"command": "str_replace", "path": "a", "old_str": "x", "new_str": "y"}, "str_replace a", "- x\n+ y"),
        ("edit", {"command": "str_replace", "path": "a", "old_str": "x"}, "str_replace a", "- x\n"),
        ("edit", {"command": "insert", "path": "a", "insert_text": "z"}, "insert a", "+ z"),
        ("submit_verdict", {"results": []}, "", '{\n  "results": []\n}'),
    ],
)
def test_tool_call_is_summarized_in_one_line(name: str, given: dict[str, Any], text: str, body: str) -> None:
    one = format_entry(calls(name, given))
    assert (one.kind, one.label, one.text, one.body) == ("tool_call", name, text, body)


@pytest.mark.parametrize(("lines", "folded"), [(1, False), (12, False), (13, True)])
def test_tool_result_is_folded_over_twelve_lines(lines: int, folded: bool) -> None:
    assert format_entry(result("\n".join(["x"] * lines))).folded is folded


def test_tool_result_that_failed_is_marked_and_linked_to_its_call() -> None:
    one = format_entry(result("no such file", "call-7", is_error=True))
    assert (one.label, one.failed, one.call) == ("Error", True, "call-7")


def test_thinking_and_briefs_are_folded() -> None:
    assert format_entry(thinks("hm")) == ShownEntry("thinking", "Thinking", body="hm", folded=True)
    assert format_entry(Entry("brief", {"text": "Do it."})) == ShownEntry("brief", "Brief", body="Do it.", folded=True)


def test_guidance_and_notes_are_not_folded() -> None:
    assert format_entry(Entry("steering", {"text": "Keep it.", "comment_ids": []})).text == "Keep it."
    assert format_entry(note("Your limit is near.")) == ShownEntry("note", "Loopline", "Your limit is near.")


def test_turn_shows_its_usage() -> None:
    assert format_entry(turn()).label == "14,210 tokens in · 12,900 cached · 512 out · $0.0123"


def test_turn_shows_an_unusual_stop_reason() -> None:
    assert format_entry(turn("length")).label.endswith(" · length")


@pytest.mark.parametrize(
    ("kind", "failed"), [("done", False), ("no_change", False), ("stopped", True), ("budget", True)]
)
def test_outcome_other_than_done_is_marked(kind: str, failed: bool) -> None:
    one = format_entry(Entry("outcome", {"kind": kind, "summary": "so"}))
    assert (one.kind, one.label, one.failed) == ("outcome", kind.replace("_", " "), failed)


def test_outcome_of_the_conversation_is_not_the_outcome_of_the_run() -> None:
    one = format_entry(Entry("outcome", {"kind": "done", "summary": "I am done.", "final": None}))
    assert (one.kind, one.text) == ("turn", "")


@pytest.mark.parametrize(
    "entry",
    [
        Entry("block", {}),
        Entry("block", {"type": "tool_call", "input": ["not", "a", "mapping"]}),
        Entry("block", {"type": "tool_call", "name": None, "input": {"command": {"nested": 1}}}),
        Entry("block", {"type": "other", "text": "server_tool_use"}),
        Entry("block", {"type": "thinking", "text": ""}),
        Entry("tool_result", {"content": [{"type": "text", "text": "a"}]}),
        Entry("turn", {"usage": "much"}),
        Entry("turn", {"usage": {"cache_misses": 1}, "cleared": "some"}),
        Entry("mark", {}),
        Entry("fault", {}),
        Entry("turn", {"usage": {"input_tokens": "many"}}),
        Entry("outcome", {}),
        Entry(cast(Any, "of a newer release"), {"x": 1}),
    ],
)
def test_entry_with_invalid_data_is_shown(entry: Entry) -> None:
    one = format_entry(entry)
    assert one.kind and one.label + one.text + one.body


def test_long_text_is_truncated_with_a_hint() -> None:
    text = format_entry(says("x" * (LONGEST + 5))).text
    assert text.endswith("… 5 more characters") and len(text) < LONGEST + 40


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        (says("I look\n  at it."), "I look at it."),
        (calls("bash", {"command": "pytest -q"}), "bash: pytest -q"),
        (result("18 passed"), "reading a result"),
        (calls("submit_verdict", {"summary": "all good"}), "submit_verdict"),
        (thinks("What if?"), "thinking"),
        (note("You ended without calling it."), "reading a note of Loopline"),
        (Entry("brief", {"text": "Ticket ENG-1: You work on `shop`."}), "reading the brief"),
        (Entry("steering", {"text": "rather blue"}), "reading a comment"),
        (Entry("fault", {"text": "The reply ended."}), "Model call failed: The reply ended."),
        (says("word " * 60), f"{('word ' * 24)[:119]}…"),
    ],
)
def test_headline_is_one_short_line(entry: Entry, line: str) -> None:
    assert format_headline(entry) == line


def test_turn_shows_cleared_results_and_the_cache_miss_reason() -> None:
    usage = {"cache_misses": 1, "cache_miss_reason": "context_cleared"}
    label = format_entry(Entry("turn", {"usage": usage, "cleared": 12, "stop_reason": "tool_calls"})).label
    assert label.endswith("12 old results cleared · cache missed: context_cleared")


def test_turn_shows_that_its_usage_is_estimated() -> None:
    label = format_entry(Entry("turn", {"usage": {"estimated_calls": 1}, "stop_reason": "end"})).label
    assert label.endswith("usage estimated")


def test_mark_is_shown_as_a_turn() -> None:
    assert format_entry(Entry("mark", {"work": "a" * 40})) == ShownEntry("turn", "working tree at aaaaaaa")
