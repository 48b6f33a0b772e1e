"""The slice of the role `lesson`: a small model drafts one lesson from the corrections of a merged ticket, usually in
one call. Called by `jobs.advance_run`.

It has no work tree and no tool but its answer. A draft changes no skill: `jobs.workflow.lesson_rules` decides about it,
and a person about the pull request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field, field_validator, model_validator

from integrations.errors import Rejected
from integrations.lessons import Correction, LessonDraft
from integrations.ports.agent_runner import ToolResult, ToolSpec
from integrations.results import Learned
from integrations.texts import cut
from jobs.loop.commands import RunSpec
from jobs.loop.lesson_state import Lesson
from jobs.loop.skill_file import LONGEST_RULE, find_rule_problem, find_topic_problem
from jobs.roles.instructions import Instructions, Skill, read_instructions
from jobs.roles.slice import RunResult, Slice, remind_once, run_model
from jobs.roles.submission import STRICT, HostTool, OnlySubmission, accept_answer, parse_form, reject_answer
from jobs.roles.ticket_brief import fence

MAX_TURNS = 3
MOST_KNOWN = 60
DIFF_BYTES, HUNK_CHARACTERS = 6_000, 800
_HUNK = re.compile(r"^@@ .*?(?=^@@ |^diff |\Z)", re.MULTILINE | re.DOTALL)


class SubmittedLesson(BaseModel):
    """The whole answer."""

    model_config = STRICT
    rule: str = Field(
        default="", max_length=LONGEST_RULE, description="one sentence in the imperative; empty for no lesson"
    )
    topic: str = Field(default="", max_length=64, description="the skill: lower-case letters, digits and hyphens")
    reason: str = Field(default="", max_length=LONGEST_RULE, description="one sentence: why the rule holds here")
    cites: list[int] = Field(default=[], max_length=8, description="numbers of the corrections that show it")
    same_as: str = Field(default="", max_length=12, description="id of the known lesson with the same meaning")
    contradicts: list[str] = Field(default=[], max_length=8, description="ids of known lessons that are wrong")

    @field_validator("rule", "reason")
    @classmethod
    def _check_is_plain(cls, text: str) -> str:
        if problem := find_rule_problem(text):
            raise ValueError(problem)
        return text

    @model_validator(mode="after")
    def _check_is_complete(self) -> SubmittedLesson:
        if self.rule and (problem := find_topic_problem(self.topic)):
            raise ValueError(f"topic: {problem}")
        if (self.rule or self.same_as or self.contradicts) and not self.cites:
            raise ValueError("cites: name the corrections that show it")
        return self


LESSON_TOOL = ToolSpec(
    "submit_lesson",
    "Draft a lesson for later tickets, or none. Call it once.",
    SubmittedLesson.model_json_schema(),
)


def run_lesson(run: Slice) -> RunResult | None:
    """The role's answer. Without one there is no lesson."""
    known = run.world.lessons.list(run.spec.workspace.repository)[:MOST_KNOWN]
    skills = read_instructions(run.mirror, run.spec.workspace.base_sha).skills
    hunks = [_read_hunk(run, one) for one in run.spec.corrections]
    tool = HostTool(LESSON_TOOL, lambda given, _: read_lesson(given, run.spec.corrections, hunks, known))
    brief = build_lesson_brief(run.spec, hunks, known, skills)
    outcome = run_model(run, OnlySubmission(tool), brief, Instructions(), max_turns=MAX_TURNS)
    if outcome is None or remind_once(run, outcome, LESSON_TOOL.name):
        return None
    if outcome.kind not in {"done", "turns"}:
        return RunResult(outcome.kind, outcome.summary)
    draft = LessonDraft(**outcome.final) if outcome.final is not None else None
    return RunResult("done", outcome.summary, Learned(draft=draft))


def _read_hunk(run: Slice, one: Correction) -> str:
    """The diff of a takeover; empty for another correction, and if this host has not fetched its commits."""
    if not one.before or not one.after:
        return ""
    try:
        return run.mirror.diff(one.before, one.after, DIFF_BYTES)
    except Rejected:
        return ""


def read_lesson(
    arguments: Mapping[str, Any], corrections: Sequence[Correction], hunks: Sequence[str], known: Sequence[Lesson]
) -> ToolResult:
    """The draft as the run's result, or the error for the model."""
    answer = parse_form(SubmittedLesson, arguments)
    if isinstance(answer, ToolResult):
        return answer
    ids = {lesson.id for lesson in known}
    if unknown := [name for name in filter(None, (answer.same_as, *answer.contradicts)) if name not in ids]:
        return reject_answer(f"There is no known lesson {', '.join(unknown)}.")
    if wrong := [number for number in answer.cites if not 1 <= number <= len(corrections)]:
        return reject_answer(f"cites: the corrections have the numbers 1 to {len(corrections)}, not {wrong[0]}.")
    same = next((lesson for lesson in known if lesson.id == answer.same_as), None)
    draft = answer.model_dump() | {"cites": [number - 1 for number in answer.cites]}
    if same:
        draft |= {"rule": answer.rule or same.rule, "topic": answer.topic or same.topic}
    shown = next((hunk for place in draft["cites"] if (hunk := hunks[place])), "")
    first = _HUNK.search(shown)
    return accept_answer(draft | {"hunk": cut(first[0].strip() if first else shown, HUNK_CHARACTERS)})


def build_lesson_brief(spec: RunSpec, hunks: Sequence[str], known: Sequence[Lesson], skills: Sequence[Skill]) -> str:
    """The ticket's title, the corrections with their diffs, the known lessons, and the names of the skills."""
    lessons = "\n".join(f"- {one.id} ({one.topic}, {one.status}): {one.rule}" for one in known)
    names = "\n".join(f"- {skill.name}: {skill.description}" for skill in skills)
    parts = [
        f"## Ticket\n\n{fence(spec, 'ticket', spec.ticket.title)}",
        "## Corrections",
        *(
            _format_correction(spec, number, one, hunk)
            for number, (one, hunk) in enumerate(zip(spec.corrections, hunks, strict=True), 1)
        ),
        f"## Known lessons\n\n{fence(spec, 'lessons', lessons or '(none)')}",
        f"## Skills\n\n{fence(spec, 'repository', names or '(none)')}",
    ]
    return "\n\n".join(parts)


def _format_correction(spec: RunSpec, number: int, one: Correction, hunk: str) -> str:
    text = f"{one.by}: {one.text}" if one.by and one.text else one.text
    source = fence(spec, "attempts" if one.cause == "discovery" else "guidance", text) if text else ""
    diff = fence(spec, "commits", f"{one.by} changed the agent's work:\n{hunk}") if hunk else ""
    return "\n\n".join(filter(None, (f"{number}. {one.cause}", source, diff)))
