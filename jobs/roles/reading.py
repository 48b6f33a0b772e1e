"""A slice of a role that reads the repository and submits one answer: planner, scout, checker."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from integrations.ports.agent_runner import AgentOutcome
from integrations.sandbox.session import Session
from jobs.roles.environment import BuildStopped, prepare_environment, write_exclusions
from jobs.roles.slice import RunResult, Slice, remind_once, run_in_tree
from jobs.roles.submission import HostTool


def read_and_answer(
    run: Slice, create_tool: Callable[[Session], HostTool], brief: str, more: Sequence[HostTool] = ()
) -> AgentOutcome | RunResult | None:
    """Some turns on a read-only tree until the agent submits its answer; None if the run continues.

    `more` are further tools. A `RunResult` is a run that was stopped. An outcome "done" without `final` ended twice
    without an answer."""
    workspace = run.mirror.create_workspace(run.folder, run.spec.start_sha, run.spec.workspace.base_sha)
    try:
        environment = prepare_environment(run, run.spec.start_sha)
    except BuildStopped:
        return RunResult("stopped")
    write_exclusions(workspace, environment)
    with run.sandbox.open(workspace, environment, writable=False) as session:
        tool = create_tool(session)
        outcome = run_in_tree(run, session, brief, (tool, *more))
    if outcome is None or remind_once(run, outcome, tool.spec.name):
        return None
    run.mirror.remove_workspace(run.folder)
    return outcome
