"""The triage's slice: a model reads the sources of an automation and submits what is worth a ticket. Called by
`jobs.advance_run`. Reads the base commit and changes nothing.

Loopline reads the command and tool sources and runs the evidence commands itself. Without any source item no model is
called.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from integrations.findings import Found, ProposedFinding, SourceItem
from integrations.ports.agent_runner import ToolResult
from integrations.texts import cut
from integrations.values import Codec
from jobs.loop.automation import Automation
from jobs.loop.automation_state import KnownFinding, TriageTask
from jobs.roles.command_sources import Checkout, check_commands, read_own_sources
from jobs.roles.environment import BuildStopped, prepare_environment, write_exclusions
from jobs.roles.instructions import read_instructions
from jobs.roles.slice import RunResult, Slice, explain_missing_answer, remind_once, run_in_tree
from jobs.roles.source_digest import build_item_tools, format_digest
from jobs.roles.submission import HostTool, IsStopped, accept_answer
from jobs.roles.ticket_brief import fence
from jobs.roles.triage_form import FINDINGS_TOOL, build_finding, read_findings
from jobs.store.source_items import SourceItems

MOST_KNOWN, KNOWN_CHARACTERS = 80, 200
_FOUND: Codec[tuple[ProposedFinding, ...]] = Codec(tuple[ProposedFinding, ...])


def run_triage(run: Slice) -> RunResult | None:
    """The findings of the run. One that ends without an answer has failed, so its items are read again."""
    task, spec = run.spec.triage, run.spec
    if task is None:
        return RunResult("failed", "internal error: a triage run without an automation")
    workspace = run.mirror.create_workspace(run.folder, spec.start_sha, spec.workspace.base_sha)
    try:
        environment = prepare_environment(run, spec.start_sha)
    except BuildStopped:
        return RunResult("stopped")
    write_exclusions(workspace, environment)
    checkout = Checkout(run, environment)
    own = read_own_sources(task.automation.sources, checkout)
    if own is None:
        return RunResult("stopped")
    problems = (*own.problems, *_find_missing_skill(run, task.automation))
    items = (*SourceItems(run.world.redis).read(task.run), *own.items)
    if not items:
        return RunResult("done", result=Found(problems=problems))
    with run.sandbox.open(workspace, environment, writable=False) as session:
        tool = HostTool(FINDINGS_TOOL, lambda given, stopped: _accept_findings(given, items, checkout, stopped))
        tools = (*build_item_tools(spec, items), tool)
        outcome = run_in_tree(run, session, build_triage_brief(run, task, items), tools)
    if outcome is None or remind_once(run, outcome, FINDINGS_TOOL.name):
        return None
    run.mirror.remove_workspace(run.folder)
    if outcome.final is None:
        return explain_missing_answer(outcome, FINDINGS_TOOL.name)
    findings = _FOUND.from_builtins(outcome.final["findings"])
    return RunResult("done", outcome.summary, Found(findings=findings, problems=problems))


def _find_missing_skill(run: Slice, own: Automation) -> Iterator[str]:
    skills = [skill.name for skill in read_instructions(run.mirror, run.spec.workspace.base_sha).skills]
    if own.skill and own.skill not in skills:
        known = ", ".join(skills) or "none"
        yield (
            f"The skill {own.skill} of the automation {own.name} does not exist on the base branch, which has {known}: "
            f"correct `skill` in {own.origin or 'its declaration'}."
        )


def build_triage_brief(run: Slice, task: TriageTask, items: Sequence[SourceItem]) -> str:
    """The automation's task, what is known, and the digest of the source items."""
    spec, own = run.spec, task.automation
    skill = f"\n\nRead the skill {own.skill} first." if own.skill else ""
    prompt = own.prompt.strip() or own.description or "Find what is worth a ticket."
    parts = [f"## Task of the automation {own.name}\n\n{fence(spec, 'repository', prompt)}{skill}"]
    if task.known:
        parts.append(f"## Known findings\n\n{fence(spec, 'known', _format_known(task.known))}")
    parts.append(f"## Source items\n\n{format_digest(spec, items)}")
    return "\n\n".join(parts)


def _format_known(known: Sequence[KnownFinding]) -> str:
    """The newest known findings, one line each."""
    newest = sorted(known, key=lambda one: -one.last_at)[:MOST_KNOWN]
    return "\n".join(f"- {_describe(one)}" for one in newest)


def _describe(one: KnownFinding) -> str:
    reason = f", because: {one.reason}" if one.status == "rejected" and one.reason else ""
    line = f"{one.status}{reason}: {one.title} ({', '.join(one.items)})"
    return cut(" ".join(line.split()), KNOWN_CHARACTERS)


def _accept_findings(
    arguments: Mapping[str, Any], items: Sequence[SourceItem], checkout: Checkout, stopped: IsStopped
) -> ToolResult:
    """The end of the run with the findings, each with the results of its commands, or an error for the model."""
    run, by_key = checkout.run, {item.key: item for item in items}
    answer = read_findings(arguments, by_key, run.mirror.list_objects(run.spec.start_sha))
    if isinstance(answer, ToolResult):
        return answer
    results = check_commands(answer.findings, checkout, stopped)
    if isinstance(results, ToolResult):
        return results
    findings = (build_finding(one, by_key, runs) for one, runs in zip(answer.findings, results, strict=True))
    return accept_answer({"findings": _FOUND.to_builtins(tuple(findings))})
