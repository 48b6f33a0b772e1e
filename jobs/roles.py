"""What each role does in one slice: maker, gate, checker. Called by `jobs.advance_run` and by nobody else.

Each function returns how the run ended, or None when there is more to do. All of it can be done again from the start of
the slice after a crash: worktrees are adopted, transcripts resumed, commits made from the same inputs have the same id.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from integrations.agents.tools import SandboxTools
from integrations.base import AgentOutcome, AgentTask, Entry, Toolbox
from integrations.git.export import commit_leftovers, export_pack
from integrations.git.mirror import Mirror
from integrations.git.tree_policy import DEFAULT_PROTECTED, TreeLimits
from integrations.git.workspace import Workspace
from integrations.results import CriterionResult, Evidence, RunOutcome, Verdict
from integrations.sandbox.bubblewrap import CommandResult
from jobs.briefs import checker_brief, maker_brief, system_text
from jobs.commands import RunSpec
from jobs.failpoints import fail
from jobs.limits import context_limits, spinning_limits
from jobs.loop import Criterion
from jobs.runs import RunConversation
from jobs.world import World

AUTHOR, EMAIL = "Loopline", "loopline@users.noreply.github.com"
MAX_DIFF_BYTES = 200_000
MAX_PACK_BYTES = 200_000_000
EVIDENCE_CHARACTERS = 4_000
INSTRUCTION_FILES = ("AGENTS.md", "CLAUDE.md")


@dataclass(frozen=True)
class Ended:
    """How a run ended; the fields that `RunFinished` carries."""

    outcome: RunOutcome
    summary: str = ""
    head_sha: str = ""
    evidence: tuple[Evidence, ...] = ()
    verdict: Verdict | None = None


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
    broken = _set_up(piece, workspace)
    if broken:
        return broken
    seconds = piece.world.settings.command_seconds
    tools = SandboxTools.for_maker(piece.world.sandbox, workspace, command_seconds=seconds)
    outcome = _talk(piece, tools, maker_brief(piece.spec))
    if outcome is None:
        return None
    if outcome.kind != "done":
        return Ended(outcome.kind, outcome.summary)
    return _candidate(piece, workspace, outcome.summary)


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


def gate(piece: Slice) -> Ended | None:
    """Run the contract's commands ourselves, in a clean checkout of the candidate."""
    workspace = piece.mirror.create_workspace(piece.folder, piece.spec.start_sha)
    try:
        broken = _set_up(piece, workspace)
        if broken:
            return broken
        evidence = []
        for criterion in piece.spec.contract.criteria:
            if criterion.command:
                evidence.append(_evidence(piece, workspace, criterion))
            if piece.stopped():
                return Ended("stopped")
        return Ended("done", evidence=tuple(evidence))
    finally:
        piece.mirror.remove_workspace(piece.folder)


def _evidence(piece: Slice, workspace: Workspace, criterion: Criterion) -> Evidence:
    fail("gate", "before")
    result = _run(piece, workspace, criterion.command)
    fail("gate", "done")
    output = result.output.decode(errors="replace")
    if result.timed_out:
        output += f"\n(stopped after {piece.world.settings.command_seconds} s)"
    piece.conversation.append(
        Entry("note", {"text": f"$ {criterion.command}\nexit {result.exit_code}\n{output[-1000:]}"})
    )
    return Evidence(
        name=criterion.id,
        command=criterion.command,
        exit_code=result.exit_code,
        output=_ends_of(output),
        digest=result.digest,
        seconds=round(result.seconds, 3),
    )


def _ends_of(output: str) -> str:
    half = EVIDENCE_CHARACTERS // 2
    return output if len(output) <= 2 * half else f"{output[:half]}\n…\n{output[-half:]}"


def check(piece: Slice) -> Ended | None:
    """Some turns of the checker, read-only, with fresh context; its verdict is tied to the commit."""
    spec = piece.spec
    workspace = piece.mirror.create_workspace(piece.folder, spec.start_sha)
    broken = _set_up(piece, workspace)
    if broken:
        return broken
    tools = SandboxTools.for_checker(piece.world.sandbox, workspace, [c.id for c in spec.contract.criteria])
    outcome = _talk(piece, tools, checker_brief(spec, piece.mirror.diff(spec.base_sha, spec.start_sha, MAX_DIFF_BYTES)))
    if outcome is None:
        return None
    piece.mirror.remove_workspace(piece.folder)
    if outcome.kind != "done":
        return Ended(outcome.kind, outcome.summary)
    return Ended("done", outcome.summary, spec.start_sha, verdict=_verdict(spec, outcome))


def _verdict(spec: RunSpec, outcome: AgentOutcome) -> Verdict | None:
    """None when the checker ended without one, which counts as not done."""
    if outcome.final is None:
        return None
    results = tuple(CriterionResult.model_validate(r) for r in outcome.final["results"])
    rest = {name: outcome.final.get(name, ()) for name in ("findings", "not_checked")}
    return Verdict(head_sha=spec.start_sha, results=results, summary=outcome.final.get("summary", ""), **rest)


def _talk(piece: Slice, tools: Toolbox, brief: str) -> AgentOutcome | None:
    spec = piece.spec
    said = next((e.data["text"] for e in piece.conversation.entries() if e.kind == "brief"), brief)
    instructions = filter(None, (piece.mirror.read(spec.base_sha, name) for name in INSTRUCTION_FILES))
    task = AgentTask(
        model=spec.model,
        system=system_text(spec, next(instructions, "")),
        brief=said,
        max_turns=spec.caps.turns,
        max_cost_usd=spec.caps.run_usd,
        effort=spec.effort,
        spinning=spinning_limits(spec),
        context=context_limits(spec),
    )
    deadline = time.monotonic() + piece.world.settings.slice_seconds
    return piece.world.runner.advance(task, piece.conversation, tools, piece.stopped, deadline)


def _set_up(piece: Slice, workspace: Workspace) -> Ended | None:
    """The repository's setup commands, once per worktree, in the sandbox."""
    done = piece.folder / "setup.done"
    if done.exists():
        return None
    for command in piece.spec.policy.setup_commands():
        result = _run(piece, workspace, command)
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


def _run(piece: Slice, workspace: Workspace, command: str) -> CommandResult:
    timeout = float(piece.world.settings.command_seconds)
    return piece.world.sandbox.run(["bash", "-c", command], workspace, timeout=timeout, stopped=piece.stopped)
