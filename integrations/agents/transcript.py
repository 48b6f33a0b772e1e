"""Where a run stands, read from its transcript alone: pure functions.

Called by a runner when it resumes a run and after each turn. Nothing here does I/O, so that a run can be taken
up by another process after any entry.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from integrations.agents.entries import INTERRUPTED, Block, blocks_of, result_entry
from integrations.ports.agent_runner import AgentOutcome, AgentTask, Entry, ToolResult

WRAP_UP_AT = 0.8
CONTEXT_FULL = (
    "The conversation no longer fits into the model's context window; a fresh attempt starts from the record."
)
_SILENT = frozenset({"outcome", "mark"})  # entries that say nothing to the model

_CUT = "Your last reply was cut off at its length limit. Continue in smaller steps: short replies, one edit at a time."
_EMPTY = "Your last reply was empty. If the work is done, say in a few sentences what you did; if not, go on."
_WRAP_UP = "Your limit is near. Bring the work into a state that can be checked now, then end with a short summary."


def turns(entries: Sequence[Entry]) -> int:
    """How many replies the model gave."""
    return sum(entry.kind == "turn" for entry in entries)


def unanswered(entries: Sequence[Entry]) -> list[Block]:
    """The tool calls of the last turn that have no result yet, in their order."""
    blocks, after = _last_turn(entries)
    answered = {entry.data["call_id"] for entry in after if entry.kind == "tool_result"}
    return [block for block in blocks if block["type"] == "tool_call" and block["id"] not in answered]


def interrupted(entries: Sequence[Entry]) -> list[Entry]:
    """The results to write for calls that were under way when a process died."""
    return [result_entry(call["id"], ToolResult(INTERRUPTED, is_error=True)) for call in unanswered(entries)]


def unmarked(entries: Sequence[Entry], writers: Collection[str]) -> bool:
    """Whether the work has to be looked at: never done in this run, or a tool of `writers` has answered since."""
    at = max((place for place, entry in enumerate(entries) if entry.kind == "mark"), default=None)
    if at is None:
        return True
    answered = {entry.data["call_id"] for entry in entries[at + 1 :] if entry.kind == "tool_result"}
    calls = (entry.data for entry in entries if entry.kind == "block" and entry.data["type"] == "tool_call")
    return bool(answered) and any(call["id"] in answered and call["name"] in writers for call in calls)


def stated(entries: Sequence[Entry], word: str) -> str:
    """The rest of the first line of the agent's own that begins with `word`, such as 'Approach:'; empty without one."""
    texts = (entry.data["text"] for entry in entries if entry.kind == "block" and entry.data["type"] == "text")
    lines = (line.strip().lstrip("*_# ") for text in texts for line in text.splitlines())
    said = next((line for line in lines if line.lower().startswith(word.lower())), "")
    return said[len(word) :].strip(" *_")


def after_turn(entries: Sequence[Entry]) -> AgentOutcome | Entry | None:
    """What the last turn asks for once its tools have run: an end, a note to the agent, or (None) another call."""
    blocks, after = _last_turn(entries)
    words = "\n\n".join(block["text"] for block in blocks if block["type"] == "text").strip()
    finals = [entry.data["final"] for entry in after if entry.data.get("final") is not None]
    if finals:
        return AgentOutcome("done", words, finals[0])
    if not turns(entries) or any(entry.kind not in _SILENT for entry in after):
        return None
    return _end_of(entries, words)


def _end_of(entries: Sequence[Entry], words: str) -> AgentOutcome | Entry | None:
    *_, turn = (entry.data for entry in entries if entry.kind == "turn")
    match turn["stop_reason"]:
        case "paused":
            return None
        case "refused":
            return AgentOutcome("refused", words or turn.get("explanation", "The model refused."))
        case "length":
            if limit := turn.get("lowered"):
                return AgentOutcome("budget", limit)
            return _once(entries, _CUT, "The model's reply was cut at its length limit twice in a row.")
        case "context_full":
            return AgentOutcome("turns", CONTEXT_FULL)
        case _ if words:
            return AgentOutcome("done", words)
        case _:
            return _once(entries, _EMPTY, "The model ended with an empty reply twice in a row.")


def _once(entries: Sequence[Entry], advice: str, failure: str) -> AgentOutcome | Entry:
    """The advice as a note, unless the last turn already was the answer to it."""
    *_, before, last = (-1, *(place for place, entry in enumerate(entries) if entry.kind == "turn"))
    told = any(entry.kind == "note" and entry.data["text"] == advice for entry in entries[before + 1 : last])
    return AgentOutcome("failed", failure) if told else _note(advice)


def limit_reached(entries: Sequence[Entry], task: AgentTask) -> AgentOutcome | None:
    """The outcome when the run has no turn left; all other limits are the ledger's."""
    if turns(entries) >= task.max_turns:
        return AgentOutcome("turns", f"the run's {task.max_turns} turns are used up")
    return None


def wrap_up(entries: Sequence[Entry], task: AgentTask, share_used: float) -> Entry | None:
    """The note that a limit is near, once in a run. `share_used` is that of the tightest of the other limits."""
    near = share_used >= WRAP_UP_AT or turns(entries) >= WRAP_UP_AT * task.max_turns
    told = any(entry.kind == "note" and entry.data["text"] == _WRAP_UP for entry in entries)
    return _note(_WRAP_UP) if near and not told else None


def _last_turn(entries: Sequence[Entry]) -> tuple[list[Block], Sequence[Entry]]:
    """The blocks of the last turn that count, and the entries after it."""
    at = max((place for place, entry in enumerate(entries) if entry.kind == "turn"), default=None)
    if at is None:
        return [], []
    blocks = [entry.data for entry in entries[:at] if entry.kind == "block"]
    return blocks_of(blocks, entries[at]), entries[at + 1 :]


def _note(text: str) -> Entry:
    return Entry("note", {"text": text})
