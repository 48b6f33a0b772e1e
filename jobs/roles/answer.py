"""The slice of the role `answer`: a small model classifies a person's comment, and answers a question. Called by
`jobs.advance_run`. Reads the candidate's tree and changes nothing.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field, model_validator

from integrations.ports.agent_runner import ToolSpec
from integrations.results import Answered
from jobs.roles.briefs import build_answer_brief
from jobs.roles.reading import read_and_answer
from jobs.roles.review_diff import read_diff
from jobs.roles.slice import RunResult, Slice
from jobs.roles.submission import STRICT, HostTool, accept_form

MAX_DIFF_BYTES = 60_000
LONGEST_REPLY = 1_500


class SubmittedAnswer(BaseModel):
    """The whole answer."""

    model_config = STRICT
    meaning: Literal["change", "question", "thanks", "unclear"] = Field(
        description="change: it asks for other work, or answers an open question; question: it wants to know "
        "something; thanks: nothing is to be done; unclear: it could be a request or not"
    )
    reply: str = Field(
        default="",
        max_length=LONGEST_REPLY,
        description="for a question the answer, with the file, command or criterion that shows it; for an unclear "
        "comment one sentence about the doubt; otherwise empty",
    )

    @model_validator(mode="after")
    def _check_has_reply(self) -> SubmittedAnswer:
        if self.meaning == "question" and not self.reply:
            raise ValueError("reply: a question needs an answer")
        return self


ANSWER_TOOL = ToolSpec(
    "submit_answer",
    "Classify the comment, with the answer to a question. This ends your work; call it once.",
    SubmittedAnswer.model_json_schema(),
)


def run_answer(run: Slice) -> RunResult | None:
    """Some turns of the role. A run without an answer still ends: the comment is kept for the next round."""
    spec = run.spec
    tool = HostTool(ANSWER_TOOL, lambda given, _: accept_form(SubmittedAnswer, given))
    brief = build_answer_brief(spec, read_diff(run, MAX_DIFF_BYTES))
    outcome = read_and_answer(run, lambda *_: tool, brief)
    if outcome is None or isinstance(outcome, RunResult):
        return outcome
    return RunResult(outcome.kind, outcome.summary, Answered(**outcome.final) if outcome.final is not None else None)
