"""The maker's slice: some turns in a worktree; the changes become one commit by Loopline in the mirror. Called by
`jobs.advance_run`.
"""

from __future__ import annotations

from dataclasses import replace

from integrations.errors import Rejected
from integrations.git.export import commit_leftovers, export_pack
from integrations.git.tree_policy import DEFAULT_PROTECTED, TreeLimits
from integrations.git.workspace import Workspace
from integrations.ports.agent_runner import AgentOutcome
from integrations.results import Made
from jobs.roles.briefs import build_maker_brief
from jobs.roles.environment import BuildStopped, prepare_environment, write_exclusions
from jobs.roles.slice import RunResult, Slice, run_in_tree

AUTHOR, EMAIL = "Loopline", "loopline@users.noreply.github.com"
MAX_PACK_BYTES = 200_000_000
AT_A_LIMIT = frozenset({"budget", "turns", "credentials", "infrastructure"})


def run_maker(run: Slice) -> RunResult | None:
    """Some turns of the maker; once it is done, its changes become one commit in the mirror."""
    workspace = run.mirror.create_workspace(run.folder, run.spec.start_sha, run.spec.workspace.base_sha)
    try:
        environment = prepare_environment(run, run.spec.start_sha)
    except BuildStopped:
        return RunResult("stopped")
    write_exclusions(workspace, environment)
    outcome = run_in_tree(run, workspace, environment, build_maker_brief(run.spec), writable=True)
    if outcome is None:
        return None
    if outcome.kind in AT_A_LIMIT:
        return _keep_unfinished(run, workspace, outcome)
    if outcome.kind != "done":
        return RunResult(outcome.kind, outcome.summary)
    return _create_candidate(run, workspace, outcome.summary)


def _keep_unfinished(run: Slice, workspace: Workspace, outcome: AgentOutcome) -> RunResult:
    """The outcome of a maker at a limit: a commit of its changes if the tree policy allows it, and the limit."""
    try:
        kept = _create_candidate(run, workspace, outcome.summary)
    except Rejected as error:
        return RunResult(outcome.kind, f"{outcome.summary}; its changes so far cannot be kept: {error}")
    return replace(kept, outcome=outcome.kind, result=None if kept.outcome == "no_change" else kept.result)


def _create_candidate(run: Slice, workspace: Workspace, summary: str) -> RunResult:
    spec, mirror = run.spec, run.mirror
    commit_leftovers(run.world.sandbox, workspace, f"{spec.ticket.identifier}: work of {spec.run_id}")
    tip, pack = export_pack(run.world.sandbox, workspace, spec.start_sha, MAX_PACK_BYTES)
    if tip == spec.start_sha:
        return RunResult("no_change", summary, Made(head_sha=tip))
    limits = TreeLimits(protected=(*DEFAULT_PROTECTED, *spec.policy.loop.protected))
    mirror.receive(pack, tip, spec.start_sha, limits)
    message = f"{spec.ticket.identifier}: {' '.join(spec.ticket.title.split())}\n\nLoopline-Run: {spec.run_id}\n"
    sha = mirror.write_candidate(tip, spec.start_sha, message, AUTHOR, EMAIL, int(spec.started_at))
    return RunResult("done" if sha != spec.start_sha else "no_change", summary, Made(head_sha=sha))
