"""What planner, scout and checker have in common: a tree that they cannot change, and an end by handing something in.

Called by `jobs.roles.planner`, `jobs.roles.scout` and `jobs.roles.checker`. Can be done again from the start of the
slice.
"""

from __future__ import annotations

from collections.abc import Callable

from integrations.git.workspace import Workspace
from integrations.ports.agent_runner import AgentOutcome, Entry, Workbench
from jobs.roles.answers.submission import HostTool
from jobs.roles.instructions import read_instructions
from jobs.roles.skills import skill_tools
from jobs.roles.slice import RunResult, Slice, run_model, set_up
from jobs.roles.tools import SandboxTools


def read_and_answer(
    run: Slice, submission: Callable[[Workspace], HostTool], brief: str
) -> AgentOutcome | RunResult | None:
    """Some turns on a read-only tree of the run's commit; None when there is more to do.

    A `RunResult` is a setup that failed. An outcome that is done without `final` ended twice without an answer."""
    workspace = run.mirror.create_workspace(run.folder, run.spec.start_sha)
    broken = set_up(run, workspace)
    if broken:
        return broken
    instructions = read_instructions(run.mirror, run.spec.workspace.base_sha)
    tool = submission(workspace)
    tools = SandboxTools.for_reader(
        run.world.sandbox,
        workspace,
        command_seconds=run.world.settings.command_seconds,
        more=(*skill_tools(instructions.skills), tool),
    )
    workbench = Workbench(run.world.sandbox, workspace, writable=False)
    outcome = run_model(run, tools, brief, instructions, workbench)
    if outcome is None or reminded(run, outcome, tool.spec.name):
        return None
    run.mirror.remove_workspace(run.folder)
    return outcome


def reminded(run: Slice, outcome: AgentOutcome, tool: str) -> bool:
    """Whether the agent ended without its answer and was told so now, which happens once in a run."""
    text = f"You ended without calling `{tool}`. Call it now; nothing else counts."
    if outcome.kind != "done" or outcome.final is not None:
        return False
    if any(entry.kind == "note" and entry.data["text"] == text for entry in run.conversation.entries()):
        return False
    run.conversation.append(Entry("note", {"text": text}))
    return True
