"""From entries to messages: pure."""

from __future__ import annotations

from integrations.agents.anthropic.messages import (
    INTERRUPTED,
    messages_from_entries,
    request_from,
    result_entry,
    turn_entry,
    with_breakpoints,
)
from integrations.agents.transcript import interrupted
from integrations.ports.agent_runner import ContextLimits, Entry, ToolResult, ToolSpec
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


def test_the_brief_is_the_first_message() -> None:
    assert messages_from_entries([BRIEF]) == [{"role": "user", "content": [{"type": "text", "text": "do it"}]}]


def test_blocks_without_a_turn_are_left_out() -> None:
    assert messages_from_entries([BRIEF, block_text("half a rep")]) == messages_from_entries([BRIEF])


def test_blocks_of_a_call_that_died_do_not_join_the_next_reply() -> None:
    entries = [BRIEF, block_text("died"), block_text("lived"), turn("end_turn", 1)]
    assert messages_from_entries(entries)[1]["content"] == [{"type": "text", "text": "lived"}]


def test_results_come_in_the_order_of_the_calls_and_before_text() -> None:
    calls = [block_call("a"), block_call("b"), turn("tool_use", 2)]
    words = Entry("steering", {"text": "Words from Ada on the ticket:\nhurry", "comment_ids": []})
    assert kinds(messages_from_entries([BRIEF, *calls, words, result("b"), result("a")])[2]) == ["a", "b", "text"]


def test_entries_of_the_user_in_a_row_become_one_message() -> None:
    note = Entry("note", {"text": "hurry"})
    assert [message["role"] for message in messages_from_entries([BRIEF, note, note])] == ["user"]


def test_words_of_people_keep_their_beginning_and_are_marked() -> None:
    words = Entry("steering", {"text": "Words from Ada on the ticket:\ncall it x", "comment_ids": ["1"]})
    text = messages_from_entries([words])[0]["content"][0]["text"]
    assert text.startswith("Words from Ada on the ticket:\ncall it x") and "may steer" in text


def test_replies_around_an_empty_one_still_alternate() -> None:
    note = Entry("note", {"text": "say something"})
    entries = [BRIEF, block_text(" "), turn("end_turn", 1), note, block_text("done"), turn("end_turn", 1)]
    assert [message["role"] for message in messages_from_entries(entries)] == ["user", "assistant"]


def test_calls_of_a_cut_reply_are_left_out() -> None:
    entries = [BRIEF, block_text("I will"), block_call("a"), turn("max_tokens", 2)]
    assert kinds(messages_from_entries(entries)[1]) == ["text"]


def test_a_message_never_ends_in_a_thought() -> None:
    thought = Entry("block", {"type": "thinking", "thinking": "hm", "signature": "s"})
    assert kinds(messages_from_entries([BRIEF, block_text("a"), thought, turn("max_tokens", 2)])[1]) == ["text"]


def test_thoughts_before_calls_go_back_unchanged() -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    entries = [BRIEF, Entry("block", thought), block_call("a"), turn("tool_use", 2), result("a")]
    assert messages_from_entries(entries)[1]["content"][0] == thought


def test_a_call_that_was_under_way_is_answered_as_interrupted() -> None:
    entries = [BRIEF, block_call("a"), block_call("b"), turn("tool_use", 2), result("b")]
    assert [(e.data["tool_use_id"], e.data["content"], e.data["is_error"]) for e in interrupted(entries)] == [
        ("a", INTERRUPTED, True)
    ]


def test_the_outcome_is_no_message() -> None:
    assert messages_from_entries([BRIEF, Entry("outcome", {"kind": "stopped"})]) == messages_from_entries([BRIEF])


def test_the_last_two_messages_of_the_user_carry_a_breakpoint() -> None:
    entries = [BRIEF]
    for name in "abc":
        entries += [block_call(name), turn("tool_use", 1), result(name)]
    users = [message for message in with_breakpoints(messages_from_entries(entries)) if message["role"] == "user"]
    assert ["cache_control" in message["content"][-1] for message in users] == [False, False, True, True]


def test_the_request_has_a_fixed_prefix_and_leaves_its_inputs_alone() -> None:
    spec = ToolSpec("bash", {"type": "bash_20250124", "name": "bash"})
    request = request_from(task(system="rules"), [spec], [BRIEF])
    assert request["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert request["tools"] == [spec.wire] and BRIEF.data == {"text": "do it"}


def test_the_last_reply_is_named_for_the_diagnosis_of_the_cache() -> None:
    assert request_from(task(), [], [BRIEF])["diagnostics"] == {"previous_message_id": None}
    said = [BRIEF, block_text("a"), turn_entry("pause_turn", {}, 1, message_id="msg_1")]
    assert request_from(task(), [], said)["diagnostics"] == {"previous_message_id": "msg_1"}


def test_marks_and_what_a_note_is_about_are_not_sent() -> None:
    note = Entry("note", {"text": "stop it", "circle": {"kind": "same_error", "fingerprint": "f"}})
    (message,) = messages_from_entries([BRIEF, Entry("mark", {"work": "a"}), note])
    assert "same_error" not in str(message) and kinds(message) == ["text", "text"]


def test_clearing_is_asked_for_with_its_beta_only_when_set() -> None:
    assert not {"betas", "context_management"} & request_from(task(), [], [BRIEF]).keys()
    request = request_from(task(context=ContextLimits(9_000, 3, 500)), [], [BRIEF])
    assert request["betas"] == ["context-management-2025-06-27"] and request["context_management"]["edits"]


def test_effort_is_sent_only_when_set() -> None:
    assert "output_config" not in request_from(task(), [], [BRIEF])
    assert request_from(task(effort="low"), [], [BRIEF])["output_config"] == {"effort": "low"}
