"""One function per command: the only module that acts on tracker and code host. Called by `jobs.drive`.

Every performer is idempotent: creates have an id derived from that of the command, updates set absolute values, pull
requests are looked up by head first, a push names the expected commit. It returns the events that it caused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import structlog

from integrations.errors import Conflict, NotFound
from integrations.events import (
    BranchMoved,
    BranchPublished,
    Event,
    TicketMoved,
    WorkspaceReady,
)
from integrations.git.mirror import Mirror
from integrations.leaks.own import OwnSecrets
from integrations.outward import check_outward
from integrations.ports.tracker import Attachment
from integrations.values import NO_COMMIT, CommitSha, Ticket
from jobs.effects import ci, cleaning, merging, pull_requests, reviews, sessions, workload
from jobs.effects.branches import read_author, read_branch
from jobs.effects.cleaning import is_own_head
from jobs.effects.gather import check_repository, read_base
from jobs.effects.images import download_images
from jobs.effects.leaks import refuse_own_secrets, refuse_unapproved
from jobs.effects.new_tickets import create_ticket
from jobs.effects.sessions import derive_id
from jobs.effects.texts import sanitize_command, sanitize_report
from jobs.effects.upstream import find_fork, merge_base
from jobs.effects.world import World
from jobs.loop import commands as c
from jobs.loop.board_memory import TITLE
from jobs.loop.policy import POLICY
from jobs.loop.state import Loop
from jobs.loop.wait_state import ClaimPaths, CountMergedLines
from jobs.messages.progress import SUPERSEDED_MESSAGE
from jobs.messages.verdict import STATUS_CONTEXT
from jobs.runtime import keys, queues, run_order
from jobs.runtime.freeze import Freeze, normalize_reason, set_freeze
from jobs.runtime.freeze import thaw as thaw_freezes
from jobs.runtime.lease import Lease
from jobs.runtime.requests import Answer, Requests
from jobs.store.tickets import KEPT_SECONDS
from jobs.workflow.report import Report

NEEDS_HUMAN_LABEL = "needs-human"
_FURTHER_ON = {"started", "completed", "canceled", "duplicate"}  # Linear's state types of a team's own later columns
OWN_MOVE_SECONDS = 600  # in which the webhook of a move arrives
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Context:
    """The input of a performer. `id` is that of the command, the same at every retry."""

    id: str
    ticket: Ticket
    world: World
    lease: Lease
    loop: Loop | None = None
    """The loop at the time of the effect; it decides whether a message goes to an agent session."""

    def create_id(self, *parts: str) -> str:
        """An idempotent id derived from the command's, in the form of a version 4 UUID, which Linear requires."""
        return derive_id(self.ticket.id, *(parts or (self.id,)))

    def build_event_fields(self, name: str = "") -> dict[str, Any]:
        """The common fields of this command's events."""
        return {"event_id": f"{self.id}/{name}", "ticket_id": self.ticket.id, "at": self.world.now()}

    def format_dashboard_url(self) -> str:
        """The URL of the loop's page, which identifies the board memory."""
        return f"{self.world.settings.dashboard_url}/tickets/{self.ticket.identifier}"


def perform(command: c.Command, ctx: Context) -> Sequence[Event]:
    """Perform one command. Raises `Unavailable` (retry), `Rejected` (no retry), `LeaseLost` (another worker has it),
    `Frozen` for an outward command while the service is frozen."""
    ctx.lease.check()
    if c.lane_of(command) == "outer":
        check_outward()
        command = sanitize_command(command, ctx.ticket, ctx.world)
    return tuple(_PERFORMERS[type(command)](command, ctx) or ())


def show_report(report: Report, ctx: Context, *, exists: bool) -> None:
    """Upsert the progress comment of the report's generation, or the agent session, and the board memory; `exists`: the
    comment was written before.

    A new progress comment supersedes the previous one, which is closed first: after a crash in between the new one is
    still missing, so both steps are repeated."""
    ctx.lease.check()
    check_outward()
    report = sanitize_report(report, ctx.ticket, ctx.world)
    memory = Attachment(ctx.format_dashboard_url(), TITLE, report.subtitle, report.metadata)
    if ctx.loop and ctx.loop.session_id:
        sessions.show_in_session(report, ctx, ctx.loop.session_id)
        ctx.world.tracker.attach(ctx.ticket.id, memory)
        return
    if not exists:
        _close_progress_comment(report.generation, ctx)
    comment_id = ctx.create_id("progress", str(report.generation))
    ctx.world.tracker.show_report(ctx.ticket.id, report.progress, comment_id, memory, exists=exists)


def _close_progress_comment(before: int, ctx: Context) -> None:
    """Close the newest progress comment of the generations before this one. Some generations have none."""
    for generation in range(before - 1, 0, -1):
        with suppress(NotFound):
            ctx.world.tracker.edit_comment(ctx.create_id("progress", str(generation)), SUPERSEDED_MESSAGE)
            return


def move_ticket(command: c.MoveTicket, ctx: Context) -> Sequence[Event]:
    """Move the ticket to the column with this role; skipped if the team has no such column or is not served.

    A merged ticket is left in a column without a role that is further on: the team's own automation put it there. The
    event lets the loop know the column; the webhook of the move has nothing to add."""
    team = ctx.world.policy.teams.get(ctx.ticket.team)
    columns = team.board_columns() if team else {}
    target = command.back_to or columns.get(command.column, "")
    if not team or not target:
        return ()
    if command.sources or command.column == "done":
        now = ctx.world.tracker.fetch(ctx.ticket.id)
        role = ctx.world.policy.role_of(now)
        if (command.sources and role not in command.sources) or (role is None and now.column_type in _FURTHER_ON):
            return ()
    if command.back_to:
        ctx.world.tracker.move(ctx.ticket, target)
        return ()
    ctx.world.redis.set(keys.own_move(ctx.ticket.id), target, ex=OWN_MOVE_SECONDS)
    ctx.world.tracker.move(ctx.ticket, target)
    column, column_id = team.columns[command.column], team.column_ids.get(command.column, "")
    moved = replace(ctx.ticket, column=column, column_id=column_id)
    by, fields = ctx.world.tracker.viewer(), ctx.build_event_fields("moved")
    return (TicketMoved(**fields, column=column, column_id=column_id, ticket=moved, by=by),)


def post_comment(command: c.PostComment, ctx: Context) -> None:
    """Create a comment, or an activity in the loop's session, idempotent by its name or by the command."""
    comment_id = ctx.create_id("comment", command.once) if command.once else ctx.create_id()
    if ctx.loop and ctx.loop.session_id and sessions.post_in_session(command, comment_id, ctx, ctx.loop):
        return
    ctx.world.tracker.comment(ctx.ticket.id, command.body, comment_id, command.reply_to)


def react(command: c.React, ctx: Context) -> None:
    """Acknowledge a comment. A message that is in a session only is acknowledged there by the next activity."""
    if command.comment_id.startswith(sessions.PROMPT):
        return
    ctx.world.tracker.react(command.comment_id, command.emoji, ctx.create_id())


def set_needs_human(command: c.SetNeedsHuman, ctx: Context) -> None:
    """Add the label to the ticket, or remove it if the ticket has it; not in a team that is not served."""
    if ctx.ticket.team not in ctx.world.policy.teams:
        return
    redis, key = ctx.world.redis, keys.labelled(ctx.ticket.id)
    if command.needed:
        redis.set(key, 1, ex=KEPT_SECONDS)
        ctx.world.tracker.add_label(ctx.ticket, NEEDS_HUMAN_LABEL)
    elif redis.exists(key) or NEEDS_HUMAN_LABEL in (label.lower() for label in ctx.ticket.labels):
        ctx.world.tracker.remove_label(ctx.ticket, NEEDS_HUMAN_LABEL)
        redis.delete(key)


def link_pull_request(command: c.LinkPullRequest, ctx: Context) -> None:
    """Upsert the link to the pull request, in the agent session too."""
    if ctx.loop and ctx.loop.session_id:
        with suppress(NotFound):
            links = {command.url: sessions.PULL_REQUEST_LABEL}
            ctx.world.tracker.update_session(ctx.loop.session_id, links=links)
    ctx.world.tracker.attach(ctx.ticket.id, Attachment(command.url, command.title, command.subtitle))


def prepare_workspace(command: c.PrepareWorkspace, ctx: Context) -> Sequence[Event]:
    """Fetch into the mirror, read the base branch's policy and the head of the ticket's branch. The next commit on the
    base branch is an event of this ticket."""
    base = read_base(command.repository, command.branch, ctx.world, command.base)
    store, policy = ctx.world.store, base.policy
    found = read_branch(command, base, ctx)
    store.watch_base(ctx.ticket.id, command.repository, base.branch)
    if not store.may_report_notes(ctx.ticket.id, command.repository, policy.notes):
        policy = replace(policy, notes=())
    ready = WorkspaceReady(
        **ctx.build_event_fields(),
        generation=command.generation,
        repository=command.repository,
        base_branch=base.branch,
        base_sha=base.sha,
        policy=POLICY.encode(policy),
        branch_sha=base.branch_sha,
        fork_sha=find_fork(ctx.world.mirror(command.repository), base.sha, base.branch_sha, command),
        branch_by=found.by,
        carried=found.carried,
        carried_conflicts=found.conflicts,
        images=download_images(command.images, ctx.world.upload_folder(ctx.ticket.identifier), ctx.world),
        load=workload.read_load_of_new(ctx.loop, ctx.world),
    )
    return (ready,)


def start_run(command: c.StartRun, ctx: Context) -> None:
    """Store the run, then wake an agent process."""
    ctx.world.runs.start(command.spec)
    spec = command.spec
    run_order.set_order(ctx.world.redis, spec.ticket.id, spec.ticket.priority, spec.ticket.due_date)
    run_order.set_turn(ctx.world.redis, spec.run_id, spec.ticket.id, spec.handed_over_at)
    queues.wake_run(ctx.world.redis, command.spec.run_id)


def stop_run(command: c.StopRun, ctx: Context) -> None:
    """Request the end of the run, and queue it, so that an idle run ends too."""
    ctx.world.runs.ask_to_stop(command.run_id)
    run_order.add_waiting(ctx.world.redis, command.run_id, first=True)
    queues.wake_run(ctx.world.redis, command.run_id)


def freeze(command: c.Freeze, ctx: Context) -> None:
    """Set the freeze switch of the whole service."""
    freeze = Freeze(ctx.id, command.at, f"{command.by} on {ctx.ticket.identifier}", normalize_reason(command.reason))
    with suppress(OSError):  # a full disk: the key is enough, and the file follows
        set_freeze(ctx.world.redis, ctx.world.settings.home, freeze)


def thaw(command: c.Thaw, ctx: Context) -> None:
    """End the freezes that are older than the command."""
    ended = thaw_freezes(ctx.world.redis, ctx.world.settings.home, ctx.world.now(), command.at)
    _log.warning("thaw requested", ticket=ctx.ticket.identifier, by=command.by, freezes=len(ended))


def steer(command: c.Steer, ctx: Context) -> None:
    """Queue a person's guidance for the run's next model call."""
    ctx.world.runs.steer(command.run_id, command.guidance, ctx.id)


def answer_run(command: c.AnswerRun, ctx: Context) -> None:
    """Give the waiting run the person's answer, and queue it."""
    guidance = command.guidance
    answer = Answer(text=f"Answer from {' '.join(guidance.author.split())}:\n{guidance.text}")
    Requests(ctx.world.redis).answer(command.request_id, ctx.lease, answer)
    queues.wake_run(ctx.world.redis, command.run_id)


def unsteer(command: c.Unsteer, ctx: Context) -> None:
    """Remove a comment's guidance from those that the run has not read."""
    ctx.world.runs.unsteer(command.run_id, command.comment_id)


def publish_branch(command: c.PublishBranch, ctx: Context) -> Sequence[Event]:
    """Push from the host-owned mirror. Nothing is pushed over a commit of another account, whose branch or commit is
    reported; for a person who takes over it is an error."""
    host, fields = ctx.world.code_host, ctx.build_event_fields()
    repository = check_repository(host.repository(command.repository), command.repository)
    mirror = ctx.world.mirror(command.repository, repository.clone_url, host.git_credentials(command.repository))
    head = host.branch_head(command.repository, command.branch) or NO_COMMIT
    expected = head if head and is_own_head(command.repository, head, ctx) else command.expected  # its reply was lost

    def report_moved(head: CommitSha) -> Sequence[Event]:
        by = read_author(command.branch, mirror)
        return (BranchMoved(**fields, generation=command.generation, head_sha=head, by=by),)

    if head != expected and not command.as_is:
        return report_moved(head)
    _check_outgoing(command, mirror, ctx)
    ctx.world.redis.set(keys.branch(command.repository, command.branch), ctx.ticket.id)
    ctx.world.redis.set(keys.head(command.repository, command.sha), ctx.ticket.id, ex=KEPT_SECONDS)
    try:
        mirror.push(command.branch, command.sha, expected or None)
    except Conflict:
        head = host.branch_head(command.repository, command.branch) or NO_COMMIT
        if command.as_is or head == expected:
            raise
        return report_moved(head)
    return (BranchPublished(**fields, generation=command.generation, head_sha=command.sha),)


def _check_outgoing(command: c.PublishBranch, mirror: Mirror, ctx: Context) -> None:
    """Raise `Rejected` when the push would send one of this process's secrets, or a change without approval.

    The secrets of the agent processes are searched by the maker's run, those of the worker here."""
    base = NO_COMMIT
    with suppress(NotFound):  # the push itself reports a commit that this host has lost
        base = mirror.merge_base(mirror.head(command.base_branch), command.sha)
    secrets = OwnSecrets(ctx.world.settings.secret_values())
    refuse_own_secrets(mirror, secrets, command.sha, (base, command.expected))
    if command.as_is and not command.accepted:
        is_merge = bool(command.expected and base) and not mirror.is_ancestor(base, command.expected)
        refuse_unapproved(mirror, base if is_merge else command.expected or base, command.sha, command.protected)


def close_pull_request(command: c.ClosePullRequest, ctx: Context) -> None:
    """Comment, and close the pull request."""
    host = ctx.world.code_host
    host.comment(command.repository, command.number, command.body, ctx.create_id())
    host.close_pull_request(command.repository, command.number)


def watch_tickets(command: c.WatchTickets, ctx: Context) -> None:
    """Let the next move of each ticket be an event of this one."""
    for ticket_id in command.tickets:
        ctx.world.store.watch_ticket(ctx.ticket.id, ticket_id)


def order_runs(command: c.OrderRuns, ctx: Context) -> None:
    """Set the place of the ticket's waiting runs in the queue."""
    run_order.set_order(ctx.world.redis, ctx.ticket.id, command.priority, command.due_date)


def comment_on_pull_request(command: c.CommentOnPullRequest, ctx: Context) -> None:
    """Comment on the pull request, idempotent by a marker in the comment."""
    ctx.world.code_host.comment(command.repository, command.number, command.body, ctx.create_id())


def set_status(command: c.SetStatus, ctx: Context) -> None:
    """Publish the verdict on the commit, linked to the evidence."""
    ctx.world.code_host.set_status(
        command.repository, command.sha, STATUS_CONTEXT, command.state, command.description, ctx.format_dashboard_url()
    )


_PERFORMERS: dict[type, Callable[[Any, Context], Sequence[Event] | None]] = {
    c.MoveTicket: move_ticket,
    c.PostComment: post_comment,
    c.CreateTicket: create_ticket,
    ClaimPaths: workload.claim_paths,
    CountMergedLines: workload.count_merged_lines,
    c.React: react,
    c.SetNeedsHuman: set_needs_human,
    c.LinkPullRequest: link_pull_request,
    c.PrepareWorkspace: prepare_workspace,
    c.StartRun: start_run,
    c.StopRun: stop_run,
    c.Steer: steer,
    c.Unsteer: unsteer,
    c.AnswerRun: answer_run,
    c.Freeze: freeze,
    c.Thaw: thaw,
    c.PublishBranch: publish_branch,
    c.OpenPullRequest: pull_requests.open_pull_request,
    c.DescribePullRequest: pull_requests.describe_pull_request,
    c.MarkReadyForReview: pull_requests.mark_ready_for_review,
    c.CommentOnPullRequest: comment_on_pull_request,
    c.SetStatus: set_status,
    c.MergePullRequest: merging.merge_pull_request,
    c.CancelMerge: merging.cancel_merge,
    c.MergeBase: merge_base,
    c.CleanUp: cleaning.clean_up,
    c.ClosePullRequest: close_pull_request,
    c.WatchTickets: watch_tickets,
    c.OrderRuns: order_runs,
    c.OpenSession: sessions.open_session,
    c.SendHeartbeat: sessions.send_heartbeat,
    c.CloseProgressComment: sessions.close_progress_comment,
    c.SetDelegate: sessions.set_delegate,
    c.ReadChecks: ci.read_checks,
    c.ReadFailures: ci.read_failures,
    c.RerunChecks: ci.rerun_checks,
    c.AnswerThread: reviews.answer_thread,
    c.ApprovePullRequest: reviews.approve_pull_request,
    c.LinkAccount: reviews.link_account,
}
