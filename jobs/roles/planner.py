"""The planner's slice: a ticket without a finish line that can be checked gets one proposed. Called by
`jobs.advance_run`. It reads the base commit, changes nothing, and agrees nothing: people or the policy do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from integrations.git.workspace import Workspace
from integrations.ports.agent_runner import ToolResult
from integrations.results import Proposal
from jobs.roles.answers.proposal import proposal_spec, read_proposal
from jobs.roles.answers.submission import HostTool, Stopped, back, taken
from jobs.roles.briefs import planner_brief
from jobs.roles.read_only import read_and_answer
from jobs.roles.slice import RunResult, Slice

TRY_SECONDS = 30.0
NOT_EXECUTABLE, NOT_FOUND = 126, 127


def run_planner(run: Slice) -> RunResult | None:
    """Some turns of the planner. Without a usable proposal the run ends all the same, and a person is asked."""
    outcome = read_and_answer(run, lambda workspace: _submission(run, workspace), planner_brief(run.spec))
    if outcome is None or isinstance(outcome, RunResult):
        return outcome
    proposal = Proposal.model_validate(outcome.final) if outcome.final is not None else None
    return RunResult(outcome.kind, outcome.summary, proposal=proposal)


def _submission(run: Slice, workspace: Workspace) -> HostTool:
    def take(arguments: Mapping[str, Any], stopped: Stopped) -> ToolResult:
        proposal = read_proposal(arguments)
        if isinstance(proposal, ToolResult):
            return proposal
        wrong = "; ".join(_not_there(run, workspace, (c.command for c in proposal.criteria if c.command), stopped))
        return back(f"These commands cannot be started here: {wrong}.") if wrong else taken(proposal)

    return HostTool(proposal_spec(), take)


def _not_there(run: Slice, workspace: Workspace, commands: Iterable[str], stopped: Stopped) -> list[str]:
    """Each command is tried once at the base commit. How it ends is no matter, since the work is still to be done;
    only one that the shell cannot find or start is wrong, and one that takes long has been started."""
    timeout = min(TRY_SECONDS, float(run.world.settings.command_seconds))
    wrong = []
    for command in commands:
        ran = run.world.sandbox.run(
            ["bash", "-c", command], workspace, writable=False, timeout=timeout, stopped=stopped
        )
        if ran.exit_code in {NOT_EXECUTABLE, NOT_FOUND}:
            said = " ".join(ran.output.decode(errors="replace").split())[-200:]
            wrong.append(f"`{command}` ended with {ran.exit_code} ({said})")
    return wrong
