"""State of a run, derived from its transcript alone: pure functions, so another process can resume after any entry.

Called by a runner when it resumes a run and after each turn.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from integrations.agents.entries import INTERRUPTED, Block, find_last, result_entry, select_blocks
from integrations.ports.agent_runner import AgentOutcome, AgentTask, Entry, ToolResult

WRAP_UP_AT = 0.8
CONTEXT_FULL = (
    "The conversation no longer fits into the model's context window; a fresh attempt starts from the record."
)
MAX_FAULTS = 3
_HIDDEN = frozenset({"outcome", "mark", "fault"})  # entries that are not sent to the model

_CUT = "Your last reply was cut off at its length limit. Continue in smaller steps: short replies, one edit at a time."
_EMPTY = "Your last reply was empty. If the work is done, summarize it in a few sentences; if not, go on."
_WRAP_UP = "Your limit is near. Bring the work into a state that can be checked now, then end with a short summary."


def build_no_images_note(entries: Sequence[Entry], reason: str) -> Entry | None:
    """The note by which the run continues without the images; None unless the model has just refused them."""
    if "image" not in reason.lower() or has_no_images(entries):
        return None
    return Entry("note", {"text": f"The ticket's images are left out: {reason}", "without_images": True})


def has_no_images(entries: Sequence[Entry]) -> bool:
    """Whether the model has refused the images in this run."""
    return any(entry.kind == "note" and entry.data.get("without_images") for entry in entries)


def count_turns(entries: Sequence[Entry]) -> int:
    """Count the replies of the model."""
    return sum(entry.kind == "turn" for entry in entries)


def list_unanswered_calls(entries: Sequence[Entry]) -> list[Block]:
    """Return the tool calls of the last turn without a result, in their order."""
    blocks, after = _split_last_turn(entries)
    answered = {entry.data["call_id"] for entry in after if entry.kind == "tool_result"}
    return [block for block in blocks if block["type"] == "tool_call" and block["id"] not in answered]


def build_interrupted_results(entries: Sequence[Entry], repeated: Collection[str]) -> list[Entry]:
    """Return the results to append for calls that a crash interrupted, but for those of tools that are `repeated`."""
    lost = [call for call in list_unanswered_calls(entries) if call["name"] not in repeated]
    return [result_entry(call["id"], ToolResult(INTERRUPTED, is_error=True)) for call in lost]


def list_call_ids(entries: Sequence[Entry]) -> set[str]:
    """Return the ids of the tool calls that are sent to the model."""
    blocks, ids = list[Block](), set[str]()
    for entry in entries:
        if entry.kind == "block":
            blocks.append(entry.data)
        elif entry.kind == "turn":
            ids |= {str(block.get("id")) for block in select_blocks(blocks, entry) if block["type"] == "tool_call"}
            blocks = []
    return ids


def needs_mark(entries: Sequence[Entry], writers: Collection[str]) -> bool:
    """Whether the work needs a new digest: there is none in this run, or a tool of `writers` has run since the last."""
    last = find_last(entries, "mark")
    if last is None:
        return True
    answered = {entry.data["call_id"] for entry in entries[last + 1 :] if entry.kind == "tool_result"}
    calls = (entry.data for entry in entries if entry.kind == "block" and entry.data["type"] == "tool_call")
    return bool(answered) and any(call["id"] in answered and call["name"] in writers for call in calls)


def find_statement(entries: Sequence[Entry], prefix: str) -> str:
    """Return the rest of the agent's first line that begins with `prefix`, such as 'Approach:'; empty without one."""
    texts = (entry.data["text"] for entry in entries if entry.kind == "block" and entry.data["type"] == "text")
    lines = (line.strip().lstrip("*_# ") for text in texts for line in text.splitlines())
    found = next((line for line in lines if line.lower().startswith(prefix.lower())), "")
    return found[len(prefix) :].strip(" *_")


def check_turn(entries: Sequence[Entry]) -> AgentOutcome | Entry | None:
    """Return the outcome, a note for the agent, or None for another call; call it once the last turn's tools ran."""
    blocks, after = _split_last_turn(entries)
    text = "\n\n".join(block["text"] for block in blocks if block["type"] == "text").strip()
    finals = [entry.data["final"] for entry in after if entry.data.get("final") is not None]
    if finals:
        return AgentOutcome("done", text, finals[0])
    if not count_turns(entries) or any(entry.kind not in _HIDDEN for entry in after):
        return None
    return _check_stop_reason(entries, text)


def _check_stop_reason(entries: Sequence[Entry], text: str) -> AgentOutcome | Entry | None:
    *_, turn = (entry.data for entry in entries if entry.kind == "turn")
    match turn["stop_reason"]:
        case "paused":
            return None
        case "refused":
            return AgentOutcome("refused", text or turn.get("explanation", "The model refused."))
        case "length":
            if limit := turn.get("lowered"):
                return AgentOutcome("budget", limit)
            return _advise_once(entries, _CUT, "The model's reply was cut at its length limit twice in a row.")
        case "context_full":
            return AgentOutcome("turns", CONTEXT_FULL)
        case _ if text:
            return AgentOutcome("done", text)
        case _:
            return _advise_once(entries, _EMPTY, "The model ended with an empty reply twice in a row.")


def _advise_once(entries: Sequence[Entry], advice: str, failure: str) -> AgentOutcome | Entry:
    """The advice as a note; the failure when the last turn followed that note."""
    *_, before, last = (-1, *(index for index, entry in enumerate(entries) if entry.kind == "turn"))
    return AgentOutcome("failed", failure) if _has_note(entries[before + 1 : last], advice) else _note(advice)


def check_faults(entries: Sequence[Entry]) -> AgentOutcome | None:
    """Return the outcome after `MAX_FAULTS` model calls in a row that gave nothing that can be used."""
    last = find_last(entries, "turn")
    faults = [entry.data["text"] for entry in entries[0 if last is None else last + 1 :] if entry.kind == "fault"]
    if len(faults) < MAX_FAULTS:
        return None
    return AgentOutcome("infrastructure", f"{len(faults)} model calls in a row failed in this run: {faults[-1]}")


def check_turn_limit(entries: Sequence[Entry], task: AgentTask) -> AgentOutcome | None:
    """Return the outcome when no turn is left; the ledger holds all other limits."""
    if count_turns(entries) >= task.max_turns:
        return AgentOutcome("turns", f"the run's {task.max_turns} turns are used up")
    return None


def build_wrap_up_note(entries: Sequence[Entry], task: AgentTask, share_used: float) -> Entry | None:
    """Return the note that a limit is near, once per run; `share_used` is that of the tightest of the other limits."""
    is_near = share_used >= WRAP_UP_AT or count_turns(entries) >= WRAP_UP_AT * task.max_turns
    return _note(_WRAP_UP) if is_near and not _has_note(entries, _WRAP_UP) else None


def _split_last_turn(entries: Sequence[Entry]) -> tuple[list[Block], Sequence[Entry]]:
    """The blocks of the last turn, and the entries after it."""
    last = find_last(entries, "turn")
    if last is None:
        return [], []
    blocks = [entry.data for entry in entries[:last] if entry.kind == "block"]
    return select_blocks(blocks, entries[last]), entries[last + 1 :]


def _has_note(entries: Sequence[Entry], text: str) -> bool:
    return any(entry.kind == "note" and entry.data["text"] == text for entry in entries)


def _note(text: str) -> Entry:
    return Entry("note", {"text": text})
