"""The matcher's slice: a small model compares findings that resemble each other, usually in one call. Called by
`jobs.advance_run`.

It has no work tree and no tool but its answer, and it sees only the pairs that are alike by themselves. Without a
complete answer it has failed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field

from integrations.findings import Match, Matched, ProposedFinding
from integrations.ports.agent_runner import ToolResult, ToolSpec
from integrations.texts import cut
from integrations.values import Codec
from jobs.loop.automation_state import KnownFinding
from jobs.roles.instructions import Instructions
from jobs.roles.slice import RunResult, Slice, explain_missing_answer, remind_once, run_model
from jobs.roles.submission import STRICT, HostTool, OnlySubmission, accept_answer, parse_form, reject_answer
from jobs.roles.ticket_brief import fence
from jobs.workflow.automations.findings import MOST_PAIRS, Pair, find_resembling

MAX_TURNS = 3
BODY_CHARACTERS = 800
_MATCHES: Codec[tuple[Match, ...]] = Codec(tuple[Match, ...])


class SubmittedPair(BaseModel):
    """The judgement about one pair."""

    model_config = STRICT
    pair: int = Field(ge=1, le=MOST_PAIRS, description="the number of the pair")
    relation: Literal["same", "related", "different"] = Field(
        description="same: one change of the code would settle both; related: another problem with the same cause or "
        "place; different: anything else"
    )
    reason: str = Field(min_length=1, max_length=300, description="one sentence")


class SubmittedMatches(BaseModel):
    """The whole answer."""

    model_config = STRICT
    pairs: list[SubmittedPair] = Field(max_length=MOST_PAIRS, description="one entry for each pair of the brief")


MATCHES_TOOL = ToolSpec(
    "submit_matches",
    "Give your judgement about each pair. Call it once.",
    SubmittedMatches.model_json_schema(),
)


def run_matcher(run: Slice) -> RunResult | None:
    """The matches of the run's findings. Without an answer it is not known which are new, so the run has failed."""
    task = run.spec.triage
    pairs = find_resembling(task.found, task.known) if task else ()
    if not pairs:
        return RunResult("done", result=Matched())
    tools = OnlySubmission(HostTool(MATCHES_TOOL, lambda given, _: accept_matches(given, pairs)))
    outcome = run_model(run, tools, build_matcher_brief(run, pairs), Instructions(), max_turns=MAX_TURNS)
    if outcome is None or remind_once(run, outcome, MATCHES_TOOL.name):
        return None
    if outcome.final is None:
        return explain_missing_answer(outcome, MATCHES_TOOL.name)
    return RunResult("done", outcome.summary, Matched(matches=_MATCHES.from_builtins(outcome.final["matches"])))


def accept_matches(arguments: Mapping[str, Any], pairs: Sequence[Pair]) -> ToolResult:
    """The end of the run with the pairs that are no different findings, or an error for the model."""
    answer = parse_form(SubmittedMatches, arguments)
    if isinstance(answer, ToolResult):
        return answer
    if wrong := [str(one.pair) for one in answer.pairs if one.pair > len(pairs)]:
        return reject_answer(f"pairs: there is no pair {', '.join(wrong)}.")
    judged = {one.pair for one in answer.pairs}
    if missing := [str(number) for number in range(1, len(pairs) + 1) if number not in judged]:
        return reject_answer(f"pairs: judge the pair {', '.join(missing)} too.")
    matches = tuple(
        Match(
            fingerprint=pairs[one.pair - 1].fingerprint,
            known=pairs[one.pair - 1].known,
            relation=one.relation,
            reason=one.reason,
        )
        for one in answer.pairs
        if one.relation != "different"
    )
    return accept_answer({"matches": _MATCHES.to_builtins(matches)})


def build_matcher_brief(run: Slice, pairs: Sequence[Pair]) -> str:
    """The findings of all pairs, and the pairs by number."""
    task, spec = run.spec.triage, run.spec
    found = {one.fingerprint: one for one in task.found} if task else {}
    known = {one.fingerprint: one for one in task.known} if task else {}
    named = dict.fromkeys(name for pair in pairs for name in (pair.fingerprint, pair.known))
    letters = {name: f"{'N' if name in found else 'K'}{number}" for number, name in enumerate(named, 1)}
    new = [_format_new(letters[name], found[name]) for name in named if name in found]
    old = [_format_known(letters[name], known[name]) for name in named if name not in found and name in known]
    lines = [f"{n}. {letters[pair.fingerprint]} and {letters[pair.known]}" for n, pair in enumerate(pairs, 1)]
    parts = ["## New findings", fence(spec, "findings", "\n\n".join(new))]
    parts += ["## Known findings", fence(spec, "known", "\n\n".join(old))] if old else []
    return "\n\n".join([*parts, "## Pairs", "\n".join(lines)])


def _format_new(name: str, one: ProposedFinding) -> str:
    return f"{name}: {_line(one.title)}\n{_format_places(one.items, one.paths)}\n{cut(one.body, BODY_CHARACTERS)}"


def _format_known(name: str, one: KnownFinding) -> str:
    return f"{name} ({one.status}): {_line(one.title)}\n{_format_places(one.items, one.paths)}"


def _format_places(items: Sequence[str], paths: Sequence[str]) -> str:
    return f"sources: {_line(', '.join(items)) or 'none'}; files: {_line(', '.join(paths)) or 'none'}"


def _line(text: str) -> str:
    return cut(" ".join(text.split()), 300)
