"""Whether an agent goes in circles, read from its transcript alone: no I/O, no clock.

Called by a runner after each turn's tools have run. A slice that is resumed elsewhere decides the same, because
what the agent was told about it stands in the transcript too. The ladder inside a run: a note, once for each circle; if
it still holds one turn later, the run ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from integrations.agents.fingerprints import together
from integrations.agents.turns import Story, Turn, story
from integrations.ports.agent_runner import AgentOutcome, Entry, SpinningLimits

Kind = Literal["same_result", "same_error", "alternating", "monologue", "unchanged", "reverted"]

_SAME_ERROR = (
    "This exact step failed {times} times with the same error: {step}. Do not run it again unchanged. State what "
    "you now believe and try a different approach."
)
_SAME_RESULT = (
    "This exact step gave the same result {times} times: {step}. It will not tell you more. State what you now know "
    "and take a different step, or end with a short summary if the work is done."
)
_ALTERNATING = (
    "These two steps took turns {times} times with the same results: {step}. Do not repeat them unchanged. State "
    "what you now believe and try a different approach."
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
class Circle:
    """A finding. `fingerprint` tells it from others of its kind; `advice` is for the agent, `summary` one sentence for
    people."""

    kind: Kind
    fingerprint: str
    advice: str
    summary: str

    @property
    def name(self) -> dict[str, str]:
        """By which a note of this circle is known again."""
        return {"kind": self.kind, "fingerprint": self.fingerprint}


def circles(entries: Sequence[Entry], limits: SpinningLimits) -> list[Circle]:
    """Every circle that the agent is in after its last turn, the plainest first."""
    told = story(entries)
    return [found for look in _LOOKS for found in look(told, limits)] if told.turns else []


def after_tools(entries: Sequence[Entry], limits: SpinningLimits) -> AgentOutcome | Entry | None:
    """What the last turn asks for once its tools have run: an end, a note to the agent, or nothing."""
    found = circles(entries, limits)
    *before, last = story(entries).turns or [Turn(())]
    if last.circles:
        return None  # this turn was answered already
    known = [name for turn in before for name in turn.circles]
    again = next((circle for circle in found if circle.name in known), None)
    if again:
        return AgentOutcome("spinning", again.summary)
    return next((Entry("note", {"text": new.advice, "circle": new.name}) for new in found), None)


def no_progress(entries: Sequence[Entry], limits: SpinningLimits) -> AgentOutcome | None:
    """The outcome when the turns since the last change of the work have cost too much.

    Only for runs whose transcript has marks: those that can change something. A state that was there before is no
    change, so undoing and redoing does not count."""
    seen: dict[str, int] = {}
    for place, entry in enumerate(entries):
        if entry.kind == "mark":
            seen.setdefault(entry.data["work"], place)
    if limits.no_progress_usd is None or not seen:
        return None
    since = entries[max(seen.values()) :]
    wasted = sum(entry.data["usage"].get("cost_usd", 0.0) for entry in since if entry.kind == "turn")
    if wasted < limits.no_progress_usd:
        return None
    bound = f"${wasted:.2f} of at most ${limits.no_progress_usd:.2f}"
    return AgentOutcome("budget", f"The run's budget without progress is used up: {bound} spent without a new change.")


def _in_a_row(turns: Sequence[Turn], same: Callable[[Turn, int], bool]) -> int:
    """How many turns at the end fit; `same` gets a turn and its distance from the last one, which is 0."""
    count = 0
    for turn in reversed(turns):
        if not same(turn, count):
            break
        count += 1
    return count


def _counts(turn: Turn, limits: SpinningLimits) -> bool:
    """Whether repeating this turn would be a circle: it did something whose end is known, and neither waited nor
    brought the work to where it never was."""
    return bool(turn.calls) and turn.complete and not turn.new and not turn.waits(limits.polling)


def _same(told: Story, limits: SpinningLimits) -> Iterator[Circle]:
    last = told.turns[-1]
    if not _counts(last, limits):
        return
    times = _in_a_row(told.turns, lambda turn, _: _counts(turn, limits) and turn.repeats(last))
    if last.failed and times >= limits.same_error:
        summary = f"The agent ran {last.shown} {times} times in a row and got the same error each time."
        yield Circle("same_error", last.step, _SAME_ERROR.format(times=times, step=last.shown), summary)
    elif not last.failed and times >= limits.same_result:
        summary = f"The agent ran {last.shown} {times} times in a row with the same result."
        yield Circle("same_result", last.step, _SAME_RESULT.format(times=times, step=last.shown), summary)


def _alternating(told: Story, limits: SpinningLimits) -> Iterator[Circle]:
    last_two = told.turns[-2:]
    if len(last_two) < 2 or not all(_counts(turn, limits) for turn in last_two):
        return
    a, b = last_two
    if a.action == b.action:
        return
    times = _in_a_row(told.turns, lambda turn, at: _counts(turn, limits) and turn.repeats((b, a)[at % 2])) // 2
    if times >= limits.alternating:
        first, second = sorted((a.shown, b.shown))
        step = f"{first} and {second}"
        advice = _ALTERNATING.format(times=times, step=step)
        summary = f"The agent ran {step} in turn, {times} times over, with the same results."
        yield Circle("alternating", together((a.step, b.step)), advice, summary)


def _monologue(told: Story, limits: SpinningLimits) -> Iterator[Circle]:
    times = _in_a_row(told.turns, lambda turn, _: not turn.calls)
    if times >= limits.monologue:
        summary = f"The agent gave {times} replies in a row that neither used a tool nor ended the work."
        yield Circle("monologue", "", _MONOLOGUE.format(times=times), summary)


def _unchanged(told: Story, limits: SpinningLimits) -> Iterator[Circle]:
    """Counted anew from the note: one more turn is too short for another approach to change a file."""
    changed_at = [at for at, turn in enumerate(told.turns) if turn.new]
    if not changed_at and not told.changed:
        return  # reading before the first change may take as long as it takes
    noted_at = [at for at, turn in enumerate(told.turns) if any(name["kind"] == "unchanged" for name in turn.circles)]
    since = told.turns[max((*changed_at, *noted_at), default=-1) + 1 :]
    times = sum(bool(turn.calls) and not turn.waits(limits.polling) for turn in since)
    if times >= limits.unchanged_turns:
        work = next((turn.work for turn in reversed(told.turns) if turn.work), told.before)
        summary = (
            f"The agent worked on for {times} turns, was told so, and changed no file any further in {times} more."
        )
        yield Circle("unchanged", work, _UNCHANGED.format(times=times), summary)


def _reverted(told: Story, limits: SpinningLimits) -> Iterator[Circle]:
    """A, B, A, B: the way from one to the other was gone back and again."""
    states = [told.before] if told.before else []
    changed = False
    for turn in told.turns:
        changed = bool(turn.work) and turn.work != (states[-1] if states else "")
        states += [turn.work] if changed else []
    if changed and len(states) >= 4 and states[-4:-2] == states[-2:]:
        summary = "The agent made the same change, undid it and made it again, over and over."
        yield Circle("reverted", together(states[-2:]), _REVERTED, summary)


_LOOKS = (_same, _alternating, _monologue, _unchanged, _reverted)
