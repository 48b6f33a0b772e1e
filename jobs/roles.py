"""What a slice works with, what it returns, and the maker's slice. Called by `jobs.advance_run` and by the other roles:
`jobs.planning`, `jobs.scouting`, `jobs.gate`, `jobs.judging`, `jobs.checking`.

Each function returns how the run ended, or None when there is more to do. All of it can be done again from the start of
the slice after a crash: worktrees are adopted, transcripts resumed, commits made from the same inputs have the same id.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from integrations.agents.skills import catalogue, skill_tools
from integrations.agents.tools import SandboxTools
from integrations.base import AgentOutcome, AgentTask, Toolbox
from integrations.errors import Rejected
from integrations.git.export import commit_leftovers, export_pack
from integrations.git.mirror import Mirror
from integrations.git.tree_policy import DEFAULT_PROTECTED, TreeLimits
from integrations.git.workspace import Workspace
from integrations.results import Evidence, Judgement, Plan, Proposal, RunOutcome, Tampering, Verdict
from integrations.sandbox.bubblewrap import CommandResult
from jobs.briefs import maker_brief, system_text
from jobs.commands import RunSpec
from jobs.failpoints import fail
from jobs.instructions import Instructions, read_instructions
from jobs.limits import context_limits, spinning_limits
from jobs.runs import RunConversation
from jobs.world import World

AUTHOR, EMAIL = "Loopline", "loopline@users.noreply.github.com"
MAX_PACK_BYTES = 200_000_000
AT_A_LIMIT = frozenset({"budget", "turns"})


@dataclass(frozen=True)
class Ended:
    """How a run ended; the fields that `RunFinished` carries."""

    outcome: RunOutcome
    summary: str = ""
    head_sha: str = ""
    tree: str = ""
    evidence: tuple[Evidence, ...] = ()
    tampering: tuple[Tampering, ...] = ()
    stray: tuple[str, ...] = ()
    verdict: Verdict | None = None
    proposal: Proposal | None = None
    plan: Plan | None = None
    judgement: Judgement | None = None


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
        return self.world.mirror(self.spec.repository)

    @property
    def folder(self) -> Path:
        """The run's own folder."""
        return self.world.run_folder(self.spec.identifier, self.spec.run_id)


def make(piece: Slice) -> Ended | None:
    """Some turns of the maker; when it is done, its work becomes one commit of ours in the mirror."""
    fail("workspace", "before")
    workspace = piece.mirror.create_workspace(piece.folder, piece.spec.start_sha)
    fail("workspace", "done")
    broken = set_up(piece, workspace)
    if broken:
        return broken
    seconds = piece.world.settings.command_seconds
    instructions = read_instructions(piece.mirror, piece.spec.base_sha)
    more = skill_tools(instructions.skills)
    tools = SandboxTools.for_maker(piece.world.sandbox, workspace, command_seconds=seconds, more=more)
    outcome = talk(piece, tools, maker_brief(piece.spec), instructions)
    if outcome is None:
        return None
    if outcome.kind in AT_A_LIMIT:
        return _unfinished(piece, workspace, outcome)
    if outcome.kind != "done":
        return Ended(outcome.kind, outcome.summary)
    return _candidate(piece, workspace, outcome.summary)


def _unfinished(piece: Slice, workspace: Workspace, outcome: AgentOutcome) -> Ended:
    """A maker at a limit stops with what it has: a commit of it, if it may be one, and the limit as the reason."""
    try:
        kept = _candidate(piece, workspace, outcome.summary)
    except Rejected as error:
        return Ended(outcome.kind, f"{outcome.summary}; its changes so far cannot be kept: {error}")
    return replace(kept, outcome=outcome.kind, head_sha="" if kept.outcome == "no_change" else kept.head_sha)


def _candidate(piece: Slice, workspace: Workspace, summary: str) -> Ended:
    spec, mirror = piece.spec, piece.mirror
    fail("commit_leftovers", "before")
    commit_leftovers(piece.world.sandbox, workspace, f"{spec.identifier}: work of {spec.run_id}")
    fail("commit_leftovers", "done")
    tip, pack = export_pack(piece.world.sandbox, workspace, spec.start_sha, MAX_PACK_BYTES)
    if tip == spec.start_sha:
        return Ended("no_change", summary, tip)
    limits = TreeLimits(protected=(*DEFAULT_PROTECTED, *spec.policy.loop.protected))
    fail("receive", "before")
    mirror.receive(pack, tip, spec.start_sha, limits)
    fail("receive", "done")
    message = f"{spec.identifier}: {' '.join(spec.ticket.title.split())}\n\nLoopline-Run: {spec.run_id}\n"
    sha = mirror.candidate(tip, spec.start_sha, message, AUTHOR, EMAIL, int(spec.started_at))
    fail("candidate", "done")
    return Ended("done" if sha != spec.start_sha else "no_change", summary, sha)


def talk(
    piece: Slice, tools: Toolbox, brief: str, instructions: Instructions, max_turns: int | None = None
) -> AgentOutcome | None:
    """Some turns with the run's model; None when there is more to do. `max_turns` tightens the run's own cap."""
    spec = piece.spec
    said = next((e.data["text"] for e in piece.conversation.entries() if e.kind == "brief"), brief)
    task = AgentTask(
        model=spec.model,
        system=system_text(spec, instructions.text, catalogue(instructions.skills)),
        brief=said,
        max_turns=min(spec.caps.turns, max_turns or spec.caps.turns),
        effort=spec.effort,
        spinning=spinning_limits(spec),
        context=context_limits(spec),
        idle_seconds=spec.caps.idle_seconds,
    )
    deadline = time.monotonic() + piece.world.settings.slice_seconds
    return piece.world.runner.advance(task, piece.conversation, tools, piece.stopped, deadline)


def set_up(piece: Slice, workspace: Workspace) -> Ended | None:
    """The repository's setup commands, once per worktree, in the sandbox."""
    done = workspace.folder / "setup.done"
    if done.exists():
        return None
    for command in piece.spec.policy.setup_commands():
        result = run(piece, workspace, command)
        if result.stopped:
            return Ended("stopped")
        if result.exit_code:
            output = result.output.decode(errors="replace")[-1500:]
            return Ended(
                "failed", f"the setup command `{command}` in WORKFLOW.md ended with {result.exit_code}: {output}"
            )
    fail("setup", "done")
    done.touch()
    fail("setup", "journaled")
    return None


def run(piece: Slice, workspace: Workspace, command: str) -> CommandResult:
    """A shell command in the sandbox, for at most as long as the settings allow; ends when the run is stopped."""
    timeout = float(piece.world.settings.command_seconds)
    return piece.world.sandbox.run(["bash", "-c", command], workspace, timeout=timeout, stopped=piece.stopped)
