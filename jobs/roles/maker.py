"""The maker's slice: some turns in a worktree; the changes become one commit by Loopline in the mirror. Called by
`jobs.advance_run`.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace

import structlog

from integrations.errors import IntegrationError, NotFound, OverLimit, Rejected, Unchangeable
from integrations.git.export import COMMIT_SECONDS, commit_leftovers, export_pack
from integrations.git.workspace import Workspace
from integrations.leaks.own import OwnSecrets
from integrations.ports.agent_runner import AgentOutcome
from integrations.results import Made
from integrations.values import NO_COMMIT, CommitSha
from jobs.effects.leaks import refuse_own_secrets
from jobs.roles.briefs import build_maker_brief
from jobs.roles.commit_message import build_commit_message
from jobs.roles.environment import BuildStopped, prepare_environment, write_exclusions
from jobs.roles.limits import build_tree_limits, explain_limit
from jobs.roles.slice import RunResult, Slice, run_in_tree

AUTHOR = "Loopline"
QUESTION = "Question:"
"""Prefix of the line with which a maker asks a person and stops."""
LONGEST_QUESTION = 1_500
_ASKS = re.compile(r"\w\?(?:\s|$)")
AT_A_LIMIT = frozenset({"budget", "turns", "credentials", "infrastructure"})
INTERRUPTED = frozenset({"stopped", "failed", "refused", "environment"})
CHECKPOINT_SECONDS = 60.0
_log = structlog.get_logger(__name__)


def run_maker(run: Slice) -> RunResult | None:
    """Some turns of the maker; once it is done, its changes become one commit in the mirror."""
    workspace = run.mirror.create_workspace(run.folder, run.spec.start_sha, run.spec.workspace.base_sha)
    try:
        environment = prepare_environment(run, run.spec.start_sha)
    except BuildStopped:
        return RunResult("stopped")
    write_exclusions(workspace, environment)
    with run.sandbox.open(workspace, environment) as session:
        outcome = run_in_tree(run, session, build_maker_brief(run.spec))
    if outcome is None:
        return None
    if outcome.kind in AT_A_LIMIT:
        return _keep_unfinished(run, workspace, outcome)
    if outcome.kind != "done":
        return RunResult(outcome.kind, outcome.summary)
    try:
        return _create_candidate(run, workspace, outcome.summary)
    except OverLimit as error:
        return RunResult("policy", explain_limit(error))
    except Unchangeable as error:
        return RunResult("policy", f"{error}. If the ticket needs this, a person has to commit it on the base branch")


def find_question(summary: str, *, changed: bool) -> str:
    """The question to a person in the last reply: its line that begins with `QUESTION`, or, from a maker that changed
    nothing, the last paragraph that asks something. Empty without one."""
    lines = [line.strip().lstrip("*_#> ") for line in summary.splitlines()]
    if stated := next((line for line in lines if line.lower().startswith(QUESTION.lower())), ""):
        return stated[len(QUESTION) :].strip(" *_")[:LONGEST_QUESTION]
    paragraphs = [part.strip() for part in summary.split("\n\n") if _ASKS.search(part)]
    return paragraphs[-1][-LONGEST_QUESTION:] if paragraphs and not changed else ""


def _keep_unfinished(run: Slice, workspace: Workspace, outcome: AgentOutcome) -> RunResult:
    """The outcome of a maker at a limit: a commit of its changes if the tree policy allows it, and the limit."""
    try:
        kept = _create_candidate(run, workspace, outcome.summary)
    except Rejected as error:
        return RunResult(outcome.kind, f"{outcome.summary}; its changes so far cannot be kept: {error}")
    return replace(kept, outcome=outcome.kind, result=None if kept.outcome == "no_change" else kept.result)


def keep_checkpoint(run: Slice, ended: RunResult) -> RunResult:
    """The result with a commit of the files of a maker that was interrupted, if there are changes.

    The commit is made like a candidate. The run ends also when it cannot be made."""
    if run.spec.role != "maker" or ended.outcome not in INTERRUPTED or ended.result or not run.folder.exists():
        return ended
    spec = run.spec
    try:
        workspace = run.mirror.create_workspace(run.folder, spec.start_sha, spec.workspace.base_sha)
        kept = _create_candidate(run, workspace, ended.summary, CHECKPOINT_SECONDS)
    except (IntegrationError, OSError) as error:
        _log.warning("no checkpoint", ticket=spec.ticket.identifier, run=spec.run_id, reason=str(error))
        return ended
    except Exception:
        _log.exception("unexpected error", item="checkpoint", run=spec.run_id)
        if run.world.raise_faults:
            raise
        return ended
    sha = kept.result.head_sha if kept.outcome == "done" and isinstance(kept.result, Made) else NO_COMMIT
    base = kept.result.base_sha if isinstance(kept.result, Made) else NO_COMMIT
    return replace(ended, result=Made(checkpoint=sha, base_sha=base))


def _create_candidate(run: Slice, workspace: Workspace, summary: str, timeout: float = COMMIT_SECONDS) -> RunResult:
    spec, mirror = run.spec, run.mirror
    limits = build_tree_limits(spec.policy)
    commit_leftovers(run.world.sandbox, workspace, f"{spec.ticket.identifier}: work of {spec.run_id}", timeout)
    tip, pack = export_pack(run.world.sandbox, workspace, spec.start_sha, limits.max_pack_bytes)
    if tip == spec.start_sha:
        return RunResult("no_change", summary, Made(head_sha=tip))
    upstream = _find_upstream(run)
    mirror.receive(pack, tip, spec.start_sha, limits, upstream)
    base = _find_merged_base(run, tip, upstream)
    if mirror.tree_of(tip) == mirror.tree_of(spec.start_sha) and base == spec.workspace.base_sha:
        return RunResult("no_change", summary, Made(head_sha=spec.start_sha))
    parent = _find_parent(run, base)
    merged = base if mirror.is_ancestor(base, tip) and not mirror.is_ancestor(base, parent) else NO_COMMIT
    email = run.world.settings.commit_email
    message = build_commit_message(spec, email)
    sha = mirror.write_candidate(tip, parent, message, AUTHOR, email, int(spec.started_at), merged)
    refuse_own_secrets(mirror, OwnSecrets(run.world.settings.secret_values()), sha, [parent, base])
    newer = base if base != spec.workspace.base_sha else NO_COMMIT
    return RunResult("done", summary, Made(head_sha=sha, base_sha=newer))


def _find_upstream(run: Slice) -> CommitSha:
    """The base branch's commit as of the mirror's last fetch, empty if the mirror lacks it."""
    with suppress(Rejected):
        return run.mirror.head(run.spec.workspace.base_branch)
    return NO_COMMIT


def _find_merged_base(run: Slice, tip: CommitSha, upstream: CommitSha) -> CommitSha:
    """The commit of the base branch that the work is compared with: a newer one than before if the agent merged it."""
    before = run.spec.workspace.base_sha
    if not upstream:
        return before
    with suppress(NotFound):
        found = run.mirror.merge_base(upstream, tip)
        return found if run.mirror.is_ancestor(before, found) else before
    return before


def _find_parent(run: Slice, base: CommitSha) -> CommitSha:
    """The commit that the candidate follows: the branch's head on the code host, else the `base` commit.

    Not the previous candidate: a push would also send the content that an iteration added and a later one removed.
    A checkpoint has the content of the branch's head, which can have been pushed after it was made."""
    spec, mirror = run.spec, run.mirror
    if spec.resumes and spec.pushed_sha:
        return spec.pushed_sha
    if spec.pushed_sha and mirror.is_ancestor(spec.pushed_sha, spec.start_sha):
        return spec.pushed_sha
    return base if mirror.is_ancestor(spec.workspace.base_sha, spec.start_sha) else spec.start_sha
