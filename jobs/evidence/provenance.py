"""The provenance of a run, from its spec, its transcript and its result. Pure; called by `jobs.advance_run`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from integrations.ports.agent_runner import Entry
from integrations.results import Checked, Gated, Judged, Made, Preflighted, Provenance, Result, RunOutcome
from integrations.values import NO_COMMIT, Usage
from jobs.loop.commands import RunSpec

SKILL_TOOL = "read_skill"
"""The tool that shows a skill."""
MOST_NAMES = 60
"""Skills, and instruction files, that are recorded of one run."""


def build_provenance(
    spec: RunSpec,
    outcome: RunOutcome,
    result: Result,
    inputs: Mapping[str, str],
    entries: Sequence[Entry],
    usage: Usage,
) -> Provenance:
    """The provenance of a run that ends. `inputs` were noted while it ran: digests, and the paths in `instructions`."""
    made = result.head_sha if isinstance(result, Made) else NO_COMMIT
    return Provenance(
        run_id=spec.run_id,
        role=spec.role,
        outcome=outcome,
        base_sha=spec.workspace.base_sha,
        start_sha=spec.start_sha,
        head_sha=made or spec.start_sha,
        model=spec.model,
        reported_models=list_reported_models(entries),
        prompt=inputs.get("prompt", ""),
        contract=spec.contract.digest if spec.contract.criteria else "",
        environment=inputs.get("environment", ""),
        sandbox=inputs.get("sandbox", ""),
        verdicts=describe_verdicts(result) if outcome == "done" else (),
        cost_usd=usage.cost_usd,
        skills=list_read_skills(entries),
        instructions=list_instructions(inputs.get("instructions", ""), entries),
    )


def list_reported_models(entries: Sequence[Entry]) -> tuple[str, ...]:
    """The models that the replies name, in the order of their first reply."""
    named = (str(entry.data.get("model", "")) for entry in entries if entry.kind == "turn")
    return tuple(dict.fromkeys(model for model in named if model))


def list_read_skills(entries: Sequence[Entry]) -> tuple[str, ...]:
    """The skills that the agent was shown, in the order of their first call."""
    shown = {entry.data["call_id"] for entry in entries if entry.kind == "tool_result" and not entry.data["is_error"]}
    calls = (entry.data for entry in entries if entry.kind == "block" and entry.data["type"] == "tool_call")
    names = (str(call["input"].get("name")) for call in calls if call["name"] == SKILL_TOOL and call["id"] in shown)
    return tuple(dict.fromkeys(names))[:MOST_NAMES]


def list_instructions(first: str, entries: Sequence[Entry]) -> tuple[str, ...]:
    """The instruction files of the prompt (`first`, one path per line), and those that notes added."""
    noted = (path for entry in entries if entry.kind == "note" for path in entry.data.get("instructions", ()))
    return tuple(dict.fromkeys([*first.splitlines(), *noted]))[:MOST_NAMES]


def describe_verdicts(result: Result) -> tuple[str, ...]:
    """The verdicts of a role as clauses with counts and kinds; never texts of people, agents or commands."""
    match result:
        case Preflighted(checks=checks):
            return (f"checks on the base commit: {_count(check.state or 'passed' for check in checks)}",)
        case Gated():
            return tuple(_describe_gate(result))
        case Judged(judgement=judgement) if judgement:
            return ("judge: done" if judgement.done and not judgement.missing else "judge: not done",)
        case Checked(verdict=verdict) if verdict:
            results = _count(one.result for one in verdict.results)
            return (f"checker: {results}" + (", no change needed" if verdict.no_change_needed else ""),)
        case _:
            return ()


def _describe_gate(gated: Gated) -> list[str]:
    states = ("flaky" if e.flaky else "passed" if e.passed else "failed" for e in gated.evidence)
    clauses = [f"gate: {_count(states)}"]
    if gated.experiments:
        clauses.append(f"experiments: {_count(one.result for one in gated.experiments)}")
    if gated.tampering:
        clauses.append(f"needs acceptance: {_count(found.kind for found in gated.tampering)}")
    if gated.stray:
        clauses.append(f"stray files: {len(gated.stray)}")
    if gated.dependencies:
        clauses.append(f"new dependencies: {len(gated.dependencies)}")
    return clauses


def _count(names: Iterable[str]) -> str:
    counted = Counter(names)
    return ", ".join(f"{number} {name}" for name, number in sorted(counted.items())) or "none"
