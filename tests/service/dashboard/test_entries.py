"""How the lines of a transcript are shown."""

from __future__ import annotations

from typing import Any, cast

import pytest

from integrations.ports.agent_runner import Entry
from service.dashboard.entries import LONGEST, Shown, headline, shown
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
def test_a_call_says_what_it_does_to_what(name: str, given: dict[str, Any], text: str, body: str) -> None:
    one = shown(calls(name, given))
    assert (one.kind, one.label, one.text, one.body) == ("tool_use", name, text, body)


def test_the_editor_has_a_short_name() -> None:
    assert shown(calls("str_replace_based_edit_tool", {"command": "view", "path": "a"})).label == "edit"


@pytest.mark.parametrize(("lines", "folded"), [(1, False), (12, False), (13, True)])
def test_a_result_is_folded_when_it_has_more_than_twelve_lines(lines: int, folded: bool) -> None:
    assert shown(result("\n".join(["x"] * lines))).folded is folded


def test_a_failed_result_is_marked_and_knows_its_call() -> None:
    one = shown(result("no such file", "call-7", is_error=True))
    assert (one.label, one.failed, one.call) == ("Error", True, "call-7")


def test_thoughts_and_briefs_are_folded() -> None:
    assert shown(thinks("hm")) == Shown("thinking", "Thinking", body="hm", folded=True)
    assert shown(Entry("brief", {"text": "Do it."})) == Shown("brief", "Brief", body="Do it.", folded=True)


def test_words_of_people_and_of_loopline_stay_open() -> None:
    assert shown(Entry("steering", {"text": "Keep it.", "comment_ids": []})).text == "Keep it."
    assert shown(note("Your limit is near.")) == Shown("note", "Loopline", "Your limit is near.")


def test_a_turn_shows_its_bill() -> None:
    assert shown(turn()).label == "14,210 tokens in · 12,900 cached · 512 out · $0.0123"


def test_an_unusual_stop_is_named() -> None:
    assert shown(turn("max_tokens")).label.endswith(" · max_tokens")


@pytest.mark.parametrize(
    ("kind", "failed"), [("done", False), ("no_change", False), ("stopped", True), ("budget", True)]
)
def test_an_outcome_other_than_done_is_marked(kind: str, failed: bool) -> None:
    one = shown(Entry("outcome", {"kind": kind, "summary": "so"}))
    assert (one.kind, one.label, one.failed) == ("outcome", kind.replace("_", " "), failed)


def test_the_end_of_the_conversation_is_not_the_end_of_the_run() -> None:
    one = shown(Entry("outcome", {"kind": "done", "summary": "I am done.", "final": None}))
    assert (one.kind, one.text) == ("turn", "")


@pytest.mark.parametrize(
    "entry",
    [
        Entry("block", {}),
        Entry("block", {"type": "tool_use", "input": ["not", "a", "mapping"]}),
        Entry("block", {"type": "tool_use", "name": None, "input": {"command": {"nested": 1}}}),
        Entry("block", {"type": "server_tool_use", "name": "web_search"}),
        Entry("block", {"type": "redacted_thinking", "data": "…"}),
        Entry("tool_result", {"content": [{"type": "text", "text": "a"}]}),
        Entry("turn", {"usage": "much"}),
        Entry("turn", {"usage": {"cache_misses": 1}, "cleared": "some"}),
        Entry("mark", {}),
        Entry("turn", {"usage": {"input_tokens": "many"}}),
        Entry("outcome", {}),
        Entry(cast(Any, "of a newer release"), {"x": 1}),
    ],
)
def test_odd_data_is_shown_somehow(entry: Entry) -> None:
    one = shown(entry)
    assert one.kind and one.label + one.text + one.body


def test_an_endless_text_is_cut_and_says_so() -> None:
    text = shown(says("x" * (LONGEST + 5))).text
    assert text.endswith("… 5 more characters") and len(text) < LONGEST + 40


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        (says("I look\n  at it."), "I look at it."),
        (calls("bash", {"command": "pytest -q"}), "bash: pytest -q"),
        (result("18 passed"), "Result: 18 passed"),
        (says("word " * 60), f"{('word ' * 24)[:119]}…"),
    ],
)
def test_the_headline_is_one_short_line(entry: Entry, line: str) -> None:
    assert headline(entry) == line


def test_a_turn_tells_what_left_the_conversation_and_why_the_cache_missed() -> None:
    usage = {"cache_misses": 1, "cache_miss_reason": "context_cleared"}
    label = shown(Entry("turn", {"usage": usage, "cleared": 12, "stop_reason": "tool_use"})).label
    assert label.endswith("12 old results cleared · cache missed: context_cleared")


def test_a_mark_is_a_line_of_small_print() -> None:
    assert shown(Entry("mark", {"work": "a" * 40})) == Shown("turn", "the files are at aaaaaaa")
