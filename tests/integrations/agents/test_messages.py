"""Requests built from entries: pure."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.agents.anthropic.messages import add_breakpoints, build_messages, build_request
from integrations.agents.anthropic.wire import EDITOR, block_from_wire, block_to_wire, translate_stop_reason
from integrations.agents.entries import INTERRUPTED, result_entry, turn_entry
from integrations.agents.transcript import build_interrupted_results
from integrations.ports.agent_runner import ContextLimits, Entry, ToolResult
from jobs.roles.tools import BASH, EDIT, SEARCH
from tests.integrations.agents.doubles import block_call, block_text, task

BRIEF = Entry("brief", {"text": "do it"})


def turn(stop_reason: str, blocks: int) -> Entry:
    return turn_entry(stop_reason, {}, blocks)


def result(call: str) -> Entry:
    return result_entry(call, ToolResult(f"result of {call}"))


def kinds(message: dict[str, object]) -> list[str]:
    content = message["content"]
    assert isinstance(content, list)
    return [block.get("tool_use_id") or block["type"] for block in content]


def test_brief_is_the_first_message() -> None:
    assert build_messages([BRIEF]) == [{"role": "user", "content": [{"type": "text", "text": "do it"}]}]


def test_blocks_without_a_turn_are_left_out() -> None:
    assert build_messages([BRIEF, block_text("half a rep")]) == build_messages([BRIEF])


def test_blocks_of_a_crashed_call_do_not_join_the_next_reply() -> None:
    entries = [BRIEF, block_text("died"), block_text("lived"), turn("end", 1)]
    assert build_messages(entries)[1]["content"] == [{"type": "text", "text": "lived"}]


def test_results_come_in_the_order_of_the_calls_and_before_text() -> None:
    calls = [block_call("a"), block_call("b"), turn("tool_calls", 2)]
    words = Entry("steering", {"text": "Comment from Ada:\nhurry", "comment_ids": []})
    assert kinds(build_messages([BRIEF, *calls, words, result("b"), result("a")])[2]) == ["a", "b", "text"]


def test_entries_of_the_user_in_a_row_become_one_message() -> None:
    note = Entry("note", {"text": "hurry"})
    assert [message["role"] for message in build_messages([BRIEF, note, note])] == ["user"]


def test_guidance_keeps_its_text_and_is_marked() -> None:
    words = Entry("steering", {"text": "Comment from Ada:\ncall it x", "comment_ids": ["1"]})
    text = build_messages([words])[0]["content"][0]["text"]
    assert text.startswith("Comment from Ada:\ncall it x") and "takes precedence" in text


def test_replies_around_an_empty_one_still_alternate() -> None:
    note = Entry("note", {"text": "say something"})
    entries = [BRIEF, block_text(" "), turn("end", 1), note, block_text("done"), turn("end", 1)]
    assert [message["role"] for message in build_messages(entries)] == ["user", "assistant"]


def test_calls_of_a_cut_reply_are_left_out() -> None:
    entries = [BRIEF, block_text("I will"), block_call("a"), turn("length", 2)]
    assert kinds(build_messages(entries)[1]) == ["text"]


def test_message_never_ends_with_thinking() -> None:
    thought = Entry("block", {"type": "thinking", "text": "hm", "provider": {"signature": "s"}})
    assert kinds(build_messages([BRIEF, block_text("a"), thought, turn("length", 2)])[1]) == ["text"]


def test_thinking_before_calls_is_sent_back_unchanged() -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    entries = [BRIEF, Entry("block", block_from_wire(thought, [])), block_call("a"), turn("tool_calls", 2), result("a")]
    assert build_messages(entries)[1]["content"][0] == thought


def test_tool_call_that_was_interrupted_gets_a_result() -> None:
    entries = [BRIEF, block_call("a"), block_call("b"), turn("tool_calls", 2), result("b")]
    found = build_interrupted_results(entries, repeated=())
    assert [(e.data["call_id"], e.data["content"], e.data["is_error"]) for e in found] == [("a", INTERRUPTED, True)]


def test_tool_call_that_was_interrupted_is_left_open_when_it_is_repeated() -> None:
    entries = [BRIEF, block_call("a"), turn("tool_calls", 1)]
    assert build_interrupted_results(entries, repeated={"bash"}) == []


def test_outcome_is_not_sent() -> None:
    assert build_messages([BRIEF, Entry("outcome", {"kind": "stopped"})]) == build_messages([BRIEF])


def test_breakpoints_are_on_the_last_two_user_messages() -> None:
    entries = [BRIEF]
    for name in "abc":
        entries += [block_call(name), turn("tool_calls", 1), result(name)]
    users = [message for message in add_breakpoints(build_messages(entries)) if message["role"] == "user"]
    assert ["cache_control" in message["content"][-1] for message in users] == [False, False, True, True]


def test_request_has_a_fixed_prefix_and_does_not_change_its_inputs() -> None:
    request = build_request(task(system="rules"), [BASH, EDIT, SEARCH], [BRIEF])
    assert request["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert BRIEF.data == {"text": "do it"}


def test_tools_use_the_typed_form_where_it_exists() -> None:
    bash, edit, search = build_request(task(), [BASH, EDIT, SEARCH], [BRIEF])["tools"]
    assert bash == {"type": "bash_20250124", "name": "bash"}
    assert (edit["type"], edit["name"]) == ("text_editor_20250728", EDITOR)
    assert search == {"name": "search", "description": SEARCH.description, "input_schema": SEARCH.parameters}


WIRE = [
    {"type": "text", "text": "I look."},
    {"type": "text", "text": "As it says.", "citations": [{"cited_text": "x"}]},
    {"type": "thinking", "thinking": "hm", "signature": "s"},
    {"type": "redacted_thinking", "data": "…"},
    {"type": "tool_use", "id": "1", "name": "search", "input": {"pattern": "x"}},
    {"type": "tool_use", "id": "2", "name": EDITOR, "input": {"command": "view"}, "caller": {"type": "direct"}},
    {"type": "server_tool_use", "id": "3", "name": "web_search", "input": {}},
]


@pytest.mark.parametrize("wire", WIRE, ids=lambda wire: wire["type"])
def test_blocks_are_sent_back_as_received(wire: dict[str, Any]) -> None:
    assert block_to_wire(block_from_wire(wire, [BASH, EDIT, SEARCH])) == wire


def test_blocks_name_tools_as_loopline_does() -> None:
    kept = [block_from_wire(wire, [BASH, EDIT, SEARCH]) for wire in WIRE]
    assert [block["type"] for block in kept] == [
        *("text", "text", "thinking", "thinking", "tool_call", "tool_call", "other")
    ]
    assert [block["name"] for block in kept if block["type"] == "tool_call"] == ["search", "edit"]
    assert [block["text"] for block in kept if block["type"] == "thinking"] == ["hm", ""]


def test_stop_reasons_have_loopline_names_and_unknown_ones_stay() -> None:
    assert [translate_stop_reason(wire) for wire in ("tool_use", "end_turn", "compaction")] == [
        "tool_calls",
        "end",
        "compaction",
    ]


def test_request_names_the_last_reply_for_cache_diagnostics() -> None:
    assert build_request(task(), [], [BRIEF])["diagnostics"] == {"previous_message_id": None}
    said = [BRIEF, block_text("a"), turn_entry("paused", {}, 1, provider={"message_id": "msg_1"})]
    assert build_request(task(), [], said)["diagnostics"] == {"previous_message_id": "msg_1"}


def test_marks_and_spinning_keys_are_not_sent() -> None:
    note = Entry("note", {"text": "stop it", "spinning": {"kind": "same_error", "fingerprint": "f"}})
    (message,) = build_messages([BRIEF, Entry("mark", {"work": "a"}), note])
    assert "same_error" not in str(message) and kinds(message) == ["text", "text"]


def test_clearing_is_requested_with_its_beta_only_if_set() -> None:
    assert not {"betas", "context_management"} & build_request(task(), [], [BRIEF]).keys()
    request = build_request(task(context=ContextLimits(9_000, 3, 500)), [], [BRIEF])
    assert request["betas"] == ["context-management-2025-06-27"] and request["context_management"]["edits"]


def test_effort_is_sent_only_when_set() -> None:
    assert "output_config" not in build_request(task(), [], [BRIEF])
    assert build_request(task(effort="low"), [], [BRIEF])["output_config"] == {"effort": "low"}
