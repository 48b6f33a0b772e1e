"""Detects a spinning agent from its transcript alone: no I/O, no clock.

Called by a runner after each turn's tools have run. A resumed slice decides the same, because the notes to the agent
are part of the transcript. An agent gets one note per pattern; if the pattern still holds one turn later, the run ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from integrations.agents.fingerprints import combine_fingerprints
from integrations.agents.turns import History, Turn, group_turns
from integrations.ports.agent_runner import AgentOutcome, Entry, SpinningLimits

Kind = Literal[
    "same_result",
    "same_error",
    "near_repeat",
    "alternating",
    "cycle",
    "polling",
    "flood",
    "reading",
    "monologue",
    "unchanged",
    "reverted",
]
LONGEST_CYCLE = 8
"""Turns."""

_SAME_ERROR = (
    "This exact step failed {times} times with the same error: {step}. Do not run it again unchanged. State what "
    "you now believe and try a different approach."
)
_SAME_RESULT = (
    "This exact step gave the same result {times} times: {step}. Another run gives no new information. State what you "
    "now know and take a different step, or end with a short summary if the work is done."
)
_ALTERNATING = (
    "These two steps took turns {times} times with the same results: {step}. Do not repeat them unchanged. State "
    "what you now believe and try a different approach."
)
_NEAR_REPEAT = (
    "Nearly the same step gave the same result {times} times: {step}. A change of a comment, a number or the order "
    "gives no new information. State what you now believe and take a different step."
)
_CYCLE = (
    "These {length} steps were repeated {times} times with the same results: {step}. Do not go round again. State what "
    "you now believe and try a different approach."
)
_POLLING = (
    "You have waited {times} times, and nothing changed: {step}. Do not wait any longer. Find out why it does not go "
    "on, run it in the foreground with a time limit, or go on without it."
)
_FLOOD = (
    "Your last reply made {times} tool calls at once. Make at most {most}: choose those whose results you need next."
)
_READING = (
    "You have made {times} tool calls without changing any file. State what you know and what is missing, and begin "
    "with the change. If you cannot, end with a short summary of what stands in your way."
)
_MONOLOGUE = (
    "Your last {times} replies used no tool and did not end the work. Use a tool now, or end with a short summary."
)
_UNCHANGED = (
    "You have worked for {times} turns without changing any file further. If the work is done, end with a short "
    "summary. If it is not, state what stands in your way and try a different approach."
)
_REVERTED = (
    "The files went back and forth between the same two states. Do not undo and redo this again: decide for one of "
    "them, state why, and go on from there."
)


@dataclass(frozen=True)
class Pattern:
    """A detected repetition. `fingerprint` distinguishes it from others of its kind; `advice` is for the agent,
    `summary` is one sentence for people."""

    kind: Kind
    fingerprint: str
    advice: str
    summary: str

    @property
    def key(self) -> dict[str, str]:
        """Identifies the pattern in a note."""
        return {"kind": self.kind, "fingerprint": self.fingerprint}


def find_patterns(entries: Sequence[Entry], limits: SpinningLimits) -> list[Pattern]:
    """Return every pattern that holds after the last turn, the simplest first."""
    history = group_turns(entries)
    return [found for detect in _DETECTORS for found in detect(history, limits)] if history.turns else []


def check_repetition(entries: Sequence[Entry], limits: SpinningLimits) -> AgentOutcome | Entry | None:
    """Return the outcome of a run that is spinning, a note for the agent, or None; call it once the tools have run."""
    found = find_patterns(entries, limits)
    *before, last = group_turns(entries).turns or [Turn(())]
    if last.patterns:
        return None  # this turn has its note
    known = [key for turn in before for key in turn.patterns]
    for pattern in found:
        if pattern.key in known:
            return AgentOutcome("spinning", pattern.summary)
    return next((Entry("note", {"text": new.advice, "spinning": new.key}) for new in found), None)


def check_progress(entries: Sequence[Entry], limits: SpinningLimits) -> AgentOutcome | None:
    """Return the outcome when the turns since the last change of the work have cost too much.

    Applies to runs whose transcript has marks, that is, runs that can change files. Returning to an earlier state is
    not a change."""
    seen: dict[str, int] = {}
    for index, entry in enumerate(entries):
        if entry.kind == "mark":
            seen.setdefault(entry.data["work"], index)
    if limits.no_progress_usd is None or not seen:
        return None
    since = entries[max(seen.values()) :]
    spent = sum(entry.data["usage"].get("cost_usd", 0.0) for entry in since if entry.kind == "turn")
    if spent < limits.no_progress_usd:
        return None
    bound = f"${spent:.2f} of at most ${limits.no_progress_usd:.2f}"
    return AgentOutcome("budget", f"The run's budget without progress is used up: {bound} spent without a new change.")


def _count_last(turns: Sequence[Turn], matches: Callable[[Turn, int], bool]) -> int:
    """Count the matching turns at the end; `matches` gets a turn and its distance from the last one."""
    mismatches = (index for index, turn in enumerate(reversed(turns)) if not matches(turn, index))
    return next(mismatches, len(turns))


def _is_repeatable(turn: Turn, limits: SpinningLimits) -> bool:
    """Whether repeating the turn would be spinning: its results are known, it did not wait, and it brought the work to
    no new state."""
    return bool(turn.calls) and turn.is_complete and not turn.is_new and not turn.waits(limits.polling)


def _find_same(history: History, limits: SpinningLimits) -> Iterator[Pattern]:
    last = history.turns[-1]
    if not _is_repeatable(last, limits):
        return
    times = _count_last(history.turns, lambda turn, _: _is_repeatable(turn, limits) and turn.repeats(last))
    summary = f"The agent ran {last.label} {times} times in a row"
    if last.has_failed and times >= limits.same_error:
        advice = _SAME_ERROR.format(times=times, step=last.label)
        yield Pattern("same_error", last.step, advice, f"{summary} and got the same error each time.")
    elif not last.has_failed and times >= limits.same_result:
        advice = _SAME_RESULT.format(times=times, step=last.label)
        yield Pattern("same_result", last.step, advice, f"{summary} with the same result.")


def _find_near_repeat(history: History, limits: SpinningLimits) -> Iterator[Pattern]:
    last = history.turns[-1]
    if not _is_repeatable(last, limits):
        return
    times = _count_last(history.turns, lambda turn, _: _is_repeatable(turn, limits) and turn.nearly_repeats(last))
    if times >= limits.near_repeat and any(not turn.repeats(last) for turn in history.turns[-times:]):
        advice = _NEAR_REPEAT.format(times=times, step=last.label)
        summary = (
            f"The agent ran {last.label} {times} times in a row with small differences, such as a comment or a number, "
            "and got the same result each time."
        )
        yield Pattern("near_repeat", last.near_action, advice, summary)


def _find_cycle(history: History, limits: SpinningLimits) -> Iterator[Pattern]:
    """The shortest cycle at the end: two steps in turn, or more."""
    for length in range(2, LONGEST_CYCLE + 1):
        matches = _count_in_cycle(history, length, lambda turn: _is_repeatable(turn, limits))
        if (times := matches // length) < limits.alternating:
            continue
        steps = history.turns[-length:]
        fingerprint, labels = (
            combine_fingerprints(turn.near_action for turn in steps),
            sorted(turn.label for turn in steps),
        )
        if len({turn.near_action for turn in steps}) < 2:
            return  # the same step, or nearly
        if length == 2:
            step = " and ".join(labels)
            summary = f"The agent ran {step} in turn, {times} times over, with the same results."
            yield Pattern("alternating", fingerprint, _ALTERNATING.format(times=times, step=step), summary)
            return
        step = f"{', '.join(labels[:3])}{' and others' if length > 3 else ''}"
        summary = f"The agent repeated the same {length} steps {times} times with the same results: {step}."
        yield Pattern("cycle", fingerprint, _CYCLE.format(length=length, times=times, step=step), summary)
        return


def _count_in_cycle(history: History, length: int, counts: Callable[[Turn], bool]) -> int:
    """Count the turns at the end that nearly repeat each other at this distance, and all count."""
    steps = history.turns[-length:][::-1]
    if len(steps) < length:
        return 0
    return _count_last(history.turns, lambda turn, i: counts(turn) and turn.nearly_repeats(steps[i % length]))


def _find_polling(history: History, limits: SpinningLimits) -> Iterator[Pattern]:
    """Turns that wait, alone or in a cycle with others, while neither their results nor the work change."""
    for length in range(1, LONGEST_CYCLE + 1):
        waiting = next((turn for turn in history.turns[-length:] if turn.waits(limits.polling)), None)
        if waiting is None:
            continue
        matches = _count_in_cycle(history, length, lambda turn: turn.is_complete and not turn.is_new)
        if matches >= limits.polls * length:
            times = matches // length
            summary = f"The agent waited with {waiting.label} {times} times, and nothing changed."
            advice = _POLLING.format(times=times, step=waiting.label)
            yield Pattern("polling", waiting.near_action, advice, summary)
            return


def _find_flood(history: History, limits: SpinningLimits) -> Iterator[Pattern]:
    times = len(history.turns[-1].calls)
    if times > limits.calls_per_turn:
        summary = f"The agent made {times} tool calls in one reply, more than {limits.calls_per_turn}, after a note."
        yield Pattern("flood", "", _FLOOD.format(times=times, most=limits.calls_per_turn), summary)


def _find_reading(history: History, limits: SpinningLimits) -> Iterator[Pattern]:
    """An agent that can change files, and makes very many calls before its first change. The note restarts the
    count."""
    turns = history.turns
    if history.has_changed or any(turn.is_new for turn in turns) or not (history.before or turns[-1].work):
        return
    notes = [index for index, turn in enumerate(turns) if any(key["kind"] == "reading" for key in turn.patterns)]
    times = sum(len(turn.calls) for turn in turns[max(notes, default=-1) + 1 :])
    if times >= limits.calls_before_change:
        summary = f"The agent made {times} tool calls without a change, got a note, and made {times} more without one."
        yield Pattern("reading", "", _READING.format(times=times), summary)


def _find_monologue(history: History, limits: SpinningLimits) -> Iterator[Pattern]:
    times = _count_last(history.turns, lambda turn, _: not turn.calls)
    if times >= limits.monologue:
        summary = f"The agent gave {times} replies in a row that neither used a tool nor ended the work."
        yield Pattern("monologue", "", _MONOLOGUE.format(times=times), summary)


def _find_unchanged(history: History, limits: SpinningLimits) -> Iterator[Pattern]:
    """The note restarts the count: one more turn is too short for another approach to change a file."""
    turns = history.turns
    changes = [index for index, turn in enumerate(turns) if turn.is_new]
    if not changes and not history.has_changed:
        return  # reading before the first change has no limit
    notes = [index for index, turn in enumerate(turns) if any(key["kind"] == "unchanged" for key in turn.patterns)]
    since = turns[max((*changes, *notes), default=-1) + 1 :]
    times = sum(bool(turn.calls) and not turn.waits(limits.polling) for turn in since)
    if times >= limits.unchanged_turns:
        work = next((turn.work for turn in reversed(turns) if turn.work), history.before)
        summary = f"The agent changed no file in {times} turns, got a note, and changed none in {times} more."
        yield Pattern("unchanged", work, _UNCHANGED.format(times=times), summary)


def _find_reverted(history: History, limits: SpinningLimits) -> Iterator[Pattern]:
    """A, B, A, B: a change, its undo, and the same again."""
    states = [history.before] if history.before else []
    changed = False
    for turn in history.turns:
        changed = bool(turn.work) and turn.work != (states[-1] if states else "")
        states += [turn.work] if changed else []
    if changed and len(states) >= 4 and states[-4:-2] == states[-2:]:
        summary = "The agent made the same change, undid it and made it again, over and over."
        yield Pattern("reverted", combine_fingerprints(states[-2:]), _REVERTED, summary)


_DETECTORS = (
    _find_same,
    _find_near_repeat,
    _find_cycle,
    _find_polling,
    _find_flood,
    _find_reading,
    _find_monologue,
    _find_unchanged,
    _find_reverted,
)
