"""The judge's slice: a small model says done or not, as a rule in one call. Called by `jobs.advance_run`. It has no
tree and no tools but its answer, and it can only hold work back: what it lets pass still meets the checker.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from integrations.ports.agent_runner import AgentOutcome, ToolResult
from integrations.results import Judged, Judgement
from jobs.roles.answers.judgement import judgement_spec, read_judgement
from jobs.roles.answers.submission import HostTool, OnlySubmission, Stopped, taken
from jobs.roles.briefs import judge_brief
from jobs.roles.instructions import Instructions
from jobs.roles.read_only import reminded
from jobs.roles.slice import RunResult, Slice, run_model

MAX_DIFF_BYTES = 60_000
MAX_TURNS = 3
UNREADABLE = "the judge gave no readable answer"


def run_judge(run: Slice) -> RunResult | None:
    """The judge's answer. What cannot be read, or contradicts itself, is not done."""
    spec, submission = run.spec, HostTool(judgement_spec(), _take)
    brief = judge_brief(spec, run.mirror.diff(spec.workspace.base_sha, spec.start_sha, MAX_DIFF_BYTES))
    outcome = run_model(run, OnlySubmission(submission), brief, Instructions(), max_turns=MAX_TURNS)
    if outcome is None or reminded(run, outcome, submission.spec.name):
        return None
    if outcome.kind not in {"done", "turns"}:
        return RunResult(outcome.kind, outcome.summary)
    return RunResult("done", outcome.summary, Judged(judgement=judgement_of(outcome)))


def judgement_of(outcome: AgentOutcome) -> Judgement:
    """'Done' with something missing is not done, and 'not done' always names what is missing."""
    if outcome.final is None:
        return Judgement(done=False, missing=(UNREADABLE,), reason=UNREADABLE)
    said = Judgement(**outcome.final)
    if said.done and not said.missing:
        return said
    return replace(said, done=False, missing=said.missing or (said.reason,))


def _take(arguments: Mapping[str, Any], stopped: Stopped) -> ToolResult:
    judgement = read_judgement(arguments)
    return judgement if isinstance(judgement, ToolResult) else taken(judgement.model_dump(mode="json"))
