"""Rules for the skills that the agents of an attempt read: they are collected, and counted once when it ends. Pure."""

from __future__ import annotations

from dataclasses import replace

from integrations.events import Event, RunFinished
from jobs.evidence.provenance import MOST_NAMES
from jobs.loop.skill_state import CountSkills, SkillOutcome
from jobs.loop.state import AT_WORK, EscalationClass, Loop, Stage
from jobs.workflow.decision import Decision

FAILURES: frozenset[EscalationClass] = frozenset({"judgement", "spinning", "turns", "budget"})
"""Escalations about the work itself; the others are about settings, infrastructure or another person's change."""


def note_skills(loop: Loop, event: RunFinished) -> Loop:
    """Add the skills that the run of an agent read to the current attempt."""
    skills = _list_read(loop, event)
    return replace(loop, attempt=replace(loop.attempt, skills=skills)) if skills != loop.attempt.skills else loop


def _list_read(loop: Loop, event: Event) -> tuple[str, ...]:
    read = event.provenance.skills if isinstance(event, RunFinished) and event.provenance else ()
    return tuple(dict.fromkeys((*loop.attempt.skills, *read)))[:MOST_NAMES]


def count_skills(before: Loop, decision: Decision, event: Event) -> Decision:
    """The decision with the count of an attempt that ended by this event. An attempt is counted once."""
    skills, outcome = _list_read(before, event), _find_outcome(before, decision.loop)
    if not skills or not outcome:
        return decision
    loop = replace(decision.loop, attempt=replace(decision.loop.attempt, skills=()))
    repository = loop.workspace.repository
    count = CountSkills(repository=repository, skills=skills, ending=outcome, at=event.at)
    return Decision(loop, (*decision.commands, count))


def _find_outcome(before: Loop, after: Loop) -> SkillOutcome | None:
    if after.generation != before.generation:
        return None
    worked = before.stage in AT_WORK or before.stage is Stage.NEEDS_HUMAN
    if after.stage in {Stage.PUBLISHING, Stage.DONE} and after.stage is not before.stage and worked:
        return "accepted"
    asked = after.escalation if after.stage is Stage.NEEDS_HUMAN and before.stage in AT_WORK else None
    if asked and asked.kind in FAILURES and not asked.question:
        return "escalated"
    closed = after.attempts[len(before.attempts) :]
    return "rejected" if closed and not closed[-1].accepted and after.stage in AT_WORK else None
