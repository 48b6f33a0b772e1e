"""A slice of a run: what it works with, what it returns, and the steps that roles share. Called by the other modules of
`jobs.roles`.

Each function returns how the run ended, or None when there is more to do. All of it can be done again from the start of
the slice after a crash: worktrees are adopted, transcripts resumed, commits made from the same inputs have the same id.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from integrations.git.mirror import Mirror
from integrations.git.workspace import Workspace
from integrations.ports.agent_runner import AgentOutcome, AgentTask, Toolbox, Workbench
from integrations.results import Result, RunOutcome
from integrations.sandbox.bubblewrap import CommandResult
from jobs.effects.world import World
from jobs.loop.commands import RunSpec
from jobs.roles.briefs import system_text
from jobs.roles.instructions import Instructions
from jobs.roles.limits import context_limits, spinning_limits
from jobs.roles.skills import catalogue
from jobs.store.runs import RunConversation


@dataclass(frozen=True)
class RunResult:
    """How a run ended. `result` is the role's own, None where the run did not get as far."""

    outcome: RunOutcome
    summary: str = ""
    result: Result | None = None


@dataclass(frozen=True)
class Slice:
    """What one slice works with. `stopped` is asked again and again, also while a command runs."""

    spec: RunSpec
    world: World
    conversation: RunConversation
    stopped: Callable[[], bool]

    @property
    def mirror(self) -> Mirror:
        """The host-owned mirror, without credentials."""
        return self.world.mirror(self.spec.workspace.repository)

    @property
    def folder(self) -> Path:
        """The run's own folder."""
        return self.world.run_folder(self.spec.ticket.identifier, self.spec.run_id)


def run_model(
    run: Slice,
    tools: Toolbox,
    brief: str,
    instructions: Instructions,
    workbench: Workbench | None = None,
    max_turns: int | None = None,
) -> AgentOutcome | None:
    """Some turns with the run's model; None when there is more to do. `max_turns` tightens the run's own cap."""
    spec = run.spec
    said = next((e.data["text"] for e in run.conversation.entries() if e.kind == "brief"), brief)
    task = AgentTask(
        role=spec.role,
        model=spec.model,
        system=system_text(spec, instructions.text, catalogue(instructions.skills)),
        brief=said,
        max_turns=min(spec.caps.turns, max_turns or spec.caps.turns),
        effort=spec.effort,
        spinning=spinning_limits(spec),
        context=context_limits(spec),
        idle_seconds=spec.caps.idle_seconds,
    )
    deadline = time.monotonic() + run.world.settings.slice_seconds
    runner = run.world.runner(spec.policy.loop.runner_of(spec.role))
    return runner.advance(task, run.conversation, tools, run.stopped, deadline, workbench)


def set_up(run: Slice, workspace: Workspace) -> RunResult | None:
    """The repository's setup commands, once per worktree, in the sandbox."""
    done = workspace.folder / "setup.done"
    if done.exists():
        return None
    for command in run.spec.policy.setup_commands():
        result = run_in_sandbox(run, workspace, command)
        if result.stopped:
            return RunResult("stopped")
        if result.exit_code:
            output = result.output.decode(errors="replace")[-1500:]
            return RunResult(
                "failed", f"the setup command `{command}` in WORKFLOW.md ended with {result.exit_code}: {output}"
            )
    done.touch()
    return None


def run_in_sandbox(run: Slice, workspace: Workspace, command: str) -> CommandResult:
    """A shell command in the sandbox, for at most as long as the settings allow; ends when the run is stopped."""
    timeout = float(run.world.settings.command_seconds)
    return run.world.sandbox.run(["bash", "-c", command], workspace, timeout=timeout, stopped=run.stopped)
