"""The checker's structured answer: the schema that the model sees, and the check of its form. Pure.

Called by `jobs.roles.checker` for `submit_verdict`. Whether the evidence that it names exists is checked there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from integrations.ports.agent_runner import ToolResult, ToolSpec
from jobs.evidence.submitted_verdict import SubmittedVerdict
from jobs.roles.answers.submission import back, filled, form_spec

NAME = "submit_verdict"


def verdict_spec() -> ToolSpec:
    """The tool as the model sees it."""
    words = "Give your verdict on every criterion of the contract. This ends your work; call it once."
    return form_spec(NAME, words, SubmittedVerdict)


def read_verdict(arguments: Mapping[str, Any], criteria: Sequence[str]) -> SubmittedVerdict | ToolResult:
    """The verdict when its form is right and it answers each of `criteria` once; otherwise what to mend."""
    verdict = filled(SubmittedVerdict, arguments)
    if isinstance(verdict, ToolResult):
        return verdict
    given = [result.criterion for result in verdict.results]
    bare = [r.criterion for r in verdict.results if r.result != "unsure" and not r.evidence]
    problems = {
        "These criteria have no result": [name for name in criteria if name not in given],
        "These are not in the contract": [name for name in given if name not in criteria],
        "These have more than one result": sorted({name for name in given if given.count(name) > 1}),
        "These need evidence": bare,
    }
    wrong = " ".join(f"{problem}: {', '.join(names)}." for problem, names in problems.items() if names)
    return back(wrong) if wrong else verdict
