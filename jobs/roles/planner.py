"""The planner's slice: judges whether the ticket's own list can be checked, and proposes criteria where it cannot or
where there is none. Called by `jobs.advance_run`. Reads the base commit and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from integrations.git.workspace import Workspace
from integrations.ports.agent_runner import ToolResult
from integrations.results import PROPOSAL, Planned
from jobs.contract.agreement import stated
from jobs.roles.answers.proposal import proposal_of, proposal_spec, read_proposal
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
    proposal = PROPOSAL.from_builtins(outcome.final) if outcome.final is not None else None
    return RunResult(outcome.kind, outcome.summary, Planned(proposal=proposal))


def _submission(run: Slice, workspace: Workspace) -> HostTool:
    def take(arguments: Mapping[str, Any], stopped: Stopped) -> ToolResult:
        own = stated(run.spec.ticket.description).criteria
        answer = read_proposal(arguments, len(own))
        if isinstance(answer, ToolResult):
            return answer
        commands = [c.command for c in (*answer.criteria, *answer.unclear) if c.command]
        wrong = "; ".join(_not_there(run, workspace, commands, stopped))
        if wrong:
            return back(f"These commands cannot be started here: {wrong}.")
        return taken(PROPOSAL.to_builtins(proposal_of(answer, own)))

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
