"""The judge's slice: a small model answers done or not done, usually in one call. Called by `jobs.advance_run`.

It has no work tree and no tool but its answer. It can only hold work back: the checker reviews all that it accepts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import BaseModel, Field

from integrations.ports.agent_runner import AgentOutcome, ToolSpec
from integrations.results import Judged, Judgement
from jobs.roles.briefs import build_judge_brief
from jobs.roles.instructions import Instructions
from jobs.roles.review_diff import read_diff
from jobs.roles.slice import RunResult, Slice, remind_once, run_model
from jobs.roles.submission import STRICT, HostTool, OnlySubmission, accept_form

MAX_DIFF_BYTES = 60_000
MAX_TURNS = 3
UNREADABLE = "the judge gave no readable answer"


class SubmittedJudgement(BaseModel):
    """The whole answer."""

    model_config = STRICT
    done: bool = Field(description="true only if nothing is missing")
    missing: list[Annotated[str, Field(min_length=1, max_length=500)]] = Field(
        default=[], max_length=20, description="one line for each criterion that is not shown to hold: its id, and what"
    )
    reason: str = Field(min_length=1, max_length=600, description="one sentence")


JUDGEMENT_TOOL = ToolSpec(
    "submit_judgement",
    "Say whether the candidate meets the contract. Call it once.",
    SubmittedJudgement.model_json_schema(),
)


def run_judge(run: Slice) -> RunResult | None:
    """The judge's answer. An unreadable or contradictory answer counts as not done."""
    spec = run.spec
    tools = OnlySubmission(HostTool(JUDGEMENT_TOOL, lambda given, _: accept_form(SubmittedJudgement, given)))
    brief = build_judge_brief(spec, read_diff(run, MAX_DIFF_BYTES))
    outcome = run_model(run, tools, brief, Instructions(), max_turns=MAX_TURNS)
    if outcome is None or remind_once(run, outcome, JUDGEMENT_TOOL.name):
        return None
    if outcome.kind not in {"done", "turns"}:
        return RunResult(outcome.kind, outcome.summary)
    return RunResult("done", outcome.summary, Judged(judgement=_read_judgement(outcome)))


def _read_judgement(outcome: AgentOutcome) -> Judgement:
    """'Done' with missing criteria is not done, and 'not done' always names the missing ones."""
    if outcome.final is None:
        return Judgement(done=False, missing=(UNREADABLE,), reason=UNREADABLE)
    given = Judgement(**outcome.final)
    if given.done and not given.missing:
        return given
    return replace(given, done=False, missing=given.missing or (given.reason,))
