"""The slice of the roles that read and submit an answer: planner, scout and checker. Idempotent after a crash."""

from __future__ import annotations

from collections.abc import Callable

from integrations.git.workspace import Workspace
from integrations.ports.agent_runner import AgentOutcome, Entry, Workbench
from jobs.roles.instructions import read_instructions
from jobs.roles.skills import build_skill_tools
from jobs.roles.slice import RunResult, Slice, run_model, set_up
from jobs.roles.submission import HostTool
from jobs.roles.tools import SandboxTools


def read_and_answer(
    run: Slice, submission: Callable[[Workspace], HostTool], brief: str
) -> AgentOutcome | RunResult | None:
    """Some turns on a read-only tree of the run's commit; None if the run continues with another slice.

    A `RunResult` is a failed setup. An outcome "done" without `final` ended twice without an answer."""
    workspace = run.mirror.create_workspace(run.folder, run.spec.start_sha)
    if failed := set_up(run, workspace):
        return failed
    instructions = read_instructions(run.mirror, run.spec.workspace.base_sha)
    tool = submission(workspace)
    more = (*build_skill_tools(instructions.skills), tool)
    seconds = run.world.settings.command_seconds
    tools = SandboxTools(run.world.sandbox, workspace, writable=False, command_seconds=seconds, more=more)
    workbench = Workbench(run.world.sandbox, workspace, writable=False)
    outcome = run_model(run, tools, brief, instructions, workbench)
    if outcome is None or remind_once(run, outcome, tool.spec.name):
        return None
    run.mirror.remove_workspace(run.folder)
    return outcome


def remind_once(run: Slice, outcome: AgentOutcome, tool: str) -> bool:
    """Remind an agent that ended without its answer, once per run; returns whether it was reminded now."""
    text = f"You ended without calling `{tool}`. Call it now; nothing else counts."
    if outcome.kind != "done" or outcome.final is not None:
        return False
    if any(entry.kind == "note" and entry.data["text"] == text for entry in run.conversation.entries()):
        return False
    run.conversation.append(Entry("note", {"text": text}))
    return True
