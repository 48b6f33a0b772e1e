"""The maker's slice: some turns in a worktree of its own; its work becomes one commit of ours in the mirror. Called by
`jobs.advance_run`.
"""

from __future__ import annotations

from dataclasses import replace

from integrations.errors import Rejected
from integrations.git.export import commit_leftovers, export_pack
from integrations.git.tree_policy import DEFAULT_PROTECTED, TreeLimits
from integrations.git.workspace import Workspace
from integrations.ports.agent_runner import AgentOutcome
from jobs.roles.briefs import maker_brief
from jobs.roles.instructions import read_instructions
from jobs.roles.skills import skill_tools
from jobs.roles.slice import Ended, Slice, set_up, talk
from jobs.roles.tools import SandboxTools
from jobs.runtime.failpoints import fail

AUTHOR, EMAIL = "Loopline", "loopline@users.noreply.github.com"
MAX_PACK_BYTES = 200_000_000
AT_A_LIMIT = frozenset({"budget", "turns"})


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
